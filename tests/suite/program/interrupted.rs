//! Large uploads to a real broker, interrupted in the middle: the same command
//! sends the rest, and only that.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    crossing::Crossing,
    process::{Place, Served, outcome, program, said, until},
};

const MIB: usize = 1024 * 1024;
/// Eighty megabytes and a part that is not full. What is larger goes up in `long_runs::large_file`.
const SIZE: usize = 80 * MIB + 1;
const PARTS: usize = 11;
/// So many parts arrive before the interruption.
const BEFORE: usize = 4;

/// Writes a file without a pattern that repeats at the borders of parts; its SHA-256.
fn write_large(path: &Path) -> [u8; 32] {
    let (mut file, mut hash) = (File::create(path).unwrap(), Sha256::new());
    let mut left = SIZE;
    for index in 0_u32.. {
        let mut piece: Vec<u8> = (0..MIB as u32).map(|byte| (byte.wrapping_mul(index | 1) >> 7) as u8).collect();
        piece.truncate(left);
        file.write_all(&piece).unwrap();
        hash.update(&piece);
        left -= piece.len();
        if left == 0 {
            return hash.finalize().into();
        }
    }
    unreachable!("the file is finite")
}

fn hash_of(path: &Path) -> [u8; 32] {
    let (mut file, mut hash, mut piece) = (File::open(path).unwrap(), Sha256::new(), vec![0; MIB]);
    loop {
        match file.read(&mut piece).unwrap() {
            0 => return hash.finalize().into(),
            read => hash.update(&piece[..read]),
        }
    }
}

/// A broker, the crossing to its storage, and a sender.
struct Scene {
    place: Place,
    crossing: Crossing,
    /// Settings beside those of every broker.
    settings: Vec<(&'static str, String)>,
    keeps_files: bool,
}

impl Scene {
    fn embedded() -> Self {
        let crossing = Crossing::start();
        let settings = vec![("CLOAKROOM_CONTENT_URL", crossing.url.replace("127.0.0.1", "localhost"))];
        Self { place: Place::new(), crossing, settings, keeps_files: true }
    }

    fn localstack() -> Self {
        let setting = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: use ./test"));
        let crossing = Crossing::start();
        let endpoint = setting("CLOAKROOM_TEST_S3_ENDPOINT");
        crossing.lead_to(&endpoint);
        let mut settings: Vec<_> = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]
            .map(|credential| (credential, setting(credential)))
            .into();
        settings.extend([
            ("CLOAKROOM_OBJECTS", "s3".into()),
            ("CLOAKROOM_S3_BUCKET", setting("CLOAKROOM_TEST_BUCKET")),
            ("CLOAKROOM_S3_ENDPOINT", endpoint),
            ("CLOAKROOM_S3_PUBLIC_ENDPOINT", crossing.url.clone()),
            ("CLOAKROOM_S3_PATH_STYLE", "true".into()),
            ("CLOAKROOM_UNENFORCED", "accept".into()),
        ]);
        Self { place: Place::new(), crossing, settings, keeps_files: false }
    }

    fn serve(&self, listen: Option<u16>) -> Served {
        let mut command = self.place.command("serve");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        if let Some(port) = listen {
            command.env("CLOAKROOM_LISTEN", format!("127.0.0.1:{port}"));
        }
        let served = self.place.serve_as(command);
        if self.keeps_files {
            self.crossing.lead_to(&format!("127.0.0.1:{}", served.ports[1]));
        }
        served
    }

    fn client(&self, served: &Served, arguments: &[&str]) -> Command {
        let mut command = program();
        command
            .current_dir(self.place.path("."))
            .env("XDG_STATE_HOME", self.place.path("state"))
            .env("CLOAKROOM_URL", served.url())
            .env("CLOAKROOM_API_KEY", self.place.admin_key())
            .args(arguments);
        command
    }

    fn upload(&self, served: &Served) -> Command {
        self.client(served, &["upload", "large.bin", "--to", "large/", "--json"])
    }

    /// Starts an upload that comes to a halt after some parts.
    fn halted_upload(&self, served: &Served) -> Child {
        self.crossing.admit(BEFORE);
        let sender = self.upload(served).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("some parts are there, and others wait", || {
            (self.crossing.taken() == BEFORE && self.crossing.is_closed()).then_some(())
        });
        sender
    }

    /// Sends the rest and fetches the whole; each part was sent once.
    fn rest_arrives(&self, served: &Served, sha256: [u8; 32]) {
        self.crossing.open();
        let told: Value = serde_json::from_str(&said(&outcome(&mut self.upload(served)))).unwrap();
        assert_eq!(told["size"], SIZE, "{told}");
        assert_eq!(self.crossing.taken(), PARTS);
        said(&outcome(&mut self.client(served, &["download", "large/large.bin", "--to", "out"])));
        assert_eq!(hash_of(&self.place.path("out/large/large.bin")), sha256);
    }
}

fn signalled(sender: &mut Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &sender.id().to_string()]).status().unwrap().success());
    assert!(!sender.wait().unwrap().success());
}

fn interrupted_by(scene: &Scene, signal: &str) {
    let sha256 = write_large(&scene.place.path("large.bin"));
    let served = scene.serve(None);
    signalled(&mut scene.halted_upload(&served), signal);
    scene.rest_arrives(&served, sha256);
    served.stop();
}

#[test]
fn by_a_keystroke_on_its_way_to_localstack() {
    interrupted_by(&Scene::localstack(), "-INT");
}

#[test]
fn by_a_kill_on_its_way_to_the_embedded_storage() {
    interrupted_by(&Scene::embedded(), "-KILL");
}

/// A power cut: the broker, which is the storage, and the sender at once.
#[test]
fn by_the_end_of_broker_and_sender() {
    let scene = Scene::embedded();
    let sha256 = write_large(&scene.place.path("large.bin"));
    let served = scene.serve(None);
    let port = served.ports[0];
    let mut sender = scene.halted_upload(&served);
    served.kill();
    signalled(&mut sender, "-KILL");
    let served = scene.serve(Some(port));
    scene.rest_arrives(&served, sha256);
    served.stop();
}
