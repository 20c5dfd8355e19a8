//! A disk that fills up under the program: who asks is told, nothing that was acknowledged is lost, and when there is room
//! again it goes on.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::process::{Place, Served, until};

const MIB: u64 = 1024 * 1024;

/// Mounts a small disk where only who joins it sees it, and keeps it until the test lets go. `$1` the place, `$2` its size.
const DISK: &str = r#"
set -eu
mount -t "$3" -o size="$2",mode=0700 "$3" "$1"
touch "$1"/mounted
exec cat
"#;

/// A disk of its own for one data directory.
struct Disk {
    place: Place,
    holder: Child,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The disk goes with the last process that sees it.
        let _ended = self.holder.kill();
        let _status = self.holder.wait();
    }
}

impl Disk {
    fn new() -> Self {
        Self::of("tmpfs")
    }

    fn of(kind: &str) -> Self {
        assert!(rustix::process::getuid().is_root(), "disks are mounted by root alone: run this test as root");
        let place = Place::new();
        fs::create_dir(place.data_dir()).unwrap();
        let holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", DISK, "sh"])
            .arg(place.data_dir())
            .args([(256 * MIB).to_string().as_str(), kind])
            // It ends with the tests, however they end.
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let disk = Self { place, holder };
        until("the disk is mounted", || disk.inside("mounted").exists().then_some(()));
        disk
    }

    /// A file on the disk.
    fn inside(&self, name: &str) -> PathBuf {
        let data = self.place.data_dir();
        PathBuf::from(format!("/proc/{}/root{}", self.holder.id(), data.display())).join(name)
    }

    fn command(&self, name: &str) -> Command {
        let on_its_own = self.place.command(name);
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()))
            .arg("--")
            .arg(on_its_own.get_program())
            .args(on_its_own.get_args())
            .env_clear()
            .envs(on_its_own.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    fn serve(&self) -> Served {
        self.place.serve_as(self.command("serve"))
    }

    fn admin_key(&self) -> String {
        fs::read_to_string(self.inside("admin-key")).unwrap().trim().to_owned()
    }

    fn left(&self) -> u64 {
        let disk = rustix::fs::statvfs(self.inside("")).unwrap();
        disk.f_bavail * disk.f_frsize
    }

    /// Something else takes room until so much is left.
    fn fill(&self, left: u64) {
        let mut filler = OpenOptions::new().create(true).append(true).open(self.inside("filler")).unwrap();
        while self.left() > left {
            let piece = usize::try_from((self.left() - left).min(MIB)).unwrap();
            match filler.write(&vec![1; piece]) {
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                written => assert!(written.unwrap() > 0),
            }
        }
    }

    /// It goes again.
    fn make_room(&self) {
        fs::remove_file(self.inside("filler")).unwrap();
    }
}

fn ready(served: &Served) -> (u16, Value) {
    super::process::ask(&format!("http://127.0.0.1:{}", served.ports[2]), "GET", "/readyz", "", None)
}

/// Declares a file of this size and sends it: what the storage answered (0 where it hung up), and the upload's id.
fn send(served: &Served, key: &str, path: &str, bytes: &[u8]) -> (u16, String) {
    let body = json!({ "path": path, "size": bytes.len(), "content_type": "text/plain" });
    let (status, declared) = served.ask("POST", "/v1/uploads", key, Some(&body));
    assert_eq!(status, 201, "{declared}");
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).max_idle_connections(0).proxy(None).build().into();
    let mut request = agent.put(declared["url"].as_str().unwrap());
    for (name, value) in declared["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let status = request.send(bytes).map_or(0, |answer| answer.status().as_u16());
    (status, declared["id"].as_str().unwrap().into())
}

fn redeem(served: &Served, token: &str, letter: &str) -> (u16, Value) {
    let body = json!({ "token": token, "claim_key": letter.repeat(43) });
    served.ask("POST", "/v1/shares/redeem", "", Some(&body))
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

#[test]
fn that_fills_up_turns_uploads_away_then_commits_and_then_goes_on() {
    let disk = Disk::new();
    let served = disk.serve();
    let key = disk.admin_key();
    let (status, upload) = send(&served, &key, "a.txt", b"bytes");
    assert_eq!(status, 200);
    assert_eq!(served.ask("POST", &format!("/v1/uploads/{upload}/complete"), &key, None).0, 200);
    let (_, claimed) = served.mint(&key, "a.txt");
    let (_, unclaimed) = served.mint(&key, "a.txt");

    // Others have filled it: nothing more is taken from clients.
    disk.fill(100 * MIB);
    assert_eq!(send(&served, &key, "b.txt", b"bytes").0, 507);
    assert_eq!(redeem(&served, &claimed, "A").0, 200);
    let (_, another) = served.mint(&key, "a.txt");
    assert_eq!(ready(&served).0, 200);

    // Now commits are turned away, too, each of them at once and whole.
    disk.fill(50 * MIB);
    assert_eq!(code(&redeem(&served, &unclaimed, "A")), (503, "unavailable"));
    assert_eq!(code(&redeem(&served, &another, "Q")), (503, "unavailable"));
    assert_eq!(ready(&served), (503, json!({ "store": "unavailable", "objects": "ok" })));
    let (status, shares) = served.ask("GET", "/v1/shares", &key, None);
    assert_eq!((status, shares["items"].as_array().unwrap().len()), (200, 3), "what is there can be read");
    disk.fill(0);
    assert_eq!(code(&redeem(&served, &unclaimed, "A")), (503, "unavailable"));
    assert!(served.log().contains("make room"));

    disk.make_room();
    assert_eq!(ready(&served).0, 200);
    assert_eq!(redeem(&served, &unclaimed, "A").0, 200);
    assert_eq!(redeem(&served, &unclaimed, "Q").0, 404);
    assert_eq!(redeem(&served, &claimed, "Q").0, 404);
    assert_eq!(redeem(&served, &claimed, "A").0, 200);
    let (status, _) = send(&served, &key, "c.txt", b"bytes");
    assert_eq!(status, 200);
    served.stop();
}

/// A file for which there is room on the disk, and then for little else.
#[test]
fn is_not_filled_by_uploads() {
    let disk = Disk::new();
    let served = disk.serve();
    let key = disk.admin_key();
    let (_, token) = served.mint(&key, "a.txt");
    let large = vec![7; usize::try_from(disk.left() - 20 * MIB).unwrap()];
    // Told so, or cut off: whoever goes on sending does not hear it.
    assert!(matches!(send(&served, &key, "large.bin", &large).0, 507 | 0));
    assert_eq!(redeem(&served, &token, "A").0, 200);
    // What had come of it is gone.
    until("there is room again", || (send(&served, &key, "small.bin", b"bytes").0 == 200).then_some(()));
    served.stop();
}

#[test]
fn that_is_full_at_the_start_loses_nothing_that_was_acknowledged() {
    let disk = Disk::new();
    let served = disk.serve();
    let key = disk.admin_key();
    let (_, claimed) = served.mint(&key, "a.txt");
    let (_, unclaimed) = served.mint(&key, "a.txt");
    assert_eq!(redeem(&served, &claimed, "A").0, 200);
    disk.fill(0);
    assert_eq!(code(&redeem(&served, &unclaimed, "A")), (503, "unavailable"));
    served.kill();

    // What is there can be looked at.
    let served = disk.serve();
    assert_eq!(ready(&served).0, 503);
    assert_eq!(served.ask("GET", "/v1/shares", &key, None).1["items"].as_array().unwrap().len(), 2);
    assert_eq!(code(&redeem(&served, &unclaimed, "A")), (503, "unavailable"));
    disk.make_room();
    assert_eq!(redeem(&served, &claimed, "Q").0, 404);
    assert_eq!(redeem(&served, &claimed, "A").0, 200);
    assert_eq!(redeem(&served, &unclaimed, "A").0, 200);
    served.stop();
}

/// One in memory without a bound says zero of everything.
#[test]
fn that_does_not_say_how_large_it_is_takes_what_comes() {
    let disk = Disk::of("ramfs");
    assert_eq!(disk.left(), 0);
    let served = disk.serve();
    let admin = disk.admin_key();
    served.mint(&admin, "a.txt");
    assert_eq!(ready(&served).0, 200);
    let file = disk.place.path("a.txt");
    fs::write(&file, "a").unwrap();
    let sent = served.client(&admin, &["upload", file.to_str().unwrap(), "--to", "a.txt"]);
    assert!(sent.status.success(), "{sent:?}");
    served.stop();
}
