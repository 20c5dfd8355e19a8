//! The program as the container of `Dockerfile` and the unit of `infra/systemd` run it: as nobody, without a
//! capability, and with nothing around it but what the image consists of and one folder to write to.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::json;

use super::process::{Place, Served, fault, outcome, said};

/// Who the program is in the image.
const NOBODY: u32 = 65532;

/// Makes what the image consists of read-only, with the kernel's own files and one folder to write to, and becomes the
/// program in it: the process that is started is the one that serves. `$1` the image, `$2` the folder to write to.
const CONTAINER: &str = r#"
set -eu
root=$1 data=$2
shift 2
mount --bind "$root" "$root"
mount --rbind /proc "$root"/proc
mount --bind /dev/null "$root"/dev/null
mount --bind /dev/urandom "$root"/dev/urandom
mount --bind "$data" "$root"/var/lib/cloakroom
mount -o remount,bind,ro "$root"
exec chroot "$root" /setpriv --reuid=65532 --regid=65532 --clear-groups \
  --inh-caps=-all --ambient-caps=-all --bounding-set=-all --no-new-privs -- /usr/local/bin/cloakroom "$@"
"#;

/// Adds to an image what the kernel's own files are put on, and the program that lets go of everything from inside.
/// `$1` the image.
const PLACES: &str = r#"
set -eu
root=$1
mkdir "$root"/proc "$root"/dev
touch "$root"/dev/null "$root"/dev/urandom
setpriv=$(command -v setpriv)
cp "$setpriv" "$root"/setpriv
ldd "$setpriv" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\//) { print $i; break } }' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
"#;

/// In this repository.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A place whose commands run in a container of their own.
struct Container {
    place: Place,
}

impl Container {
    fn new() -> Self {
        assert!(rustix::process::getuid().is_root(), "a root of its own is made by root alone: run this test as root");
        let place = Place::new();
        let image = place.path("image");
        let mut assemble = Command::new(file("infra/container/assemble"));
        said(&outcome(assemble.arg(env!("CARGO_BIN_EXE_cloakroom")).arg(&image)));
        said(&outcome(Command::new("sh").args(["-c", PLACES, "sh"]).arg(&image)));
        fs::create_dir(place.data_dir()).unwrap();
        chown(place.data_dir(), Some(NOBODY), Some(NOBODY)).unwrap();
        Self { place }
    }

    fn command(&self, name: &str) -> Command {
        let on_its_own = self.place.command(name);
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", CONTAINER, "sh"])
            .args([self.place.path("image"), self.place.data_dir()])
            .args(on_its_own.get_args())
            .env_clear()
            .envs(on_its_own.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CLOAKROOM_DATA_DIR", "/var/lib/cloakroom");
        command
    }

    fn serve(&self) -> Served {
        self.place.serve_as(self.command("serve"))
    }

    /// What the image's health check runs.
    fn health(&self, port: u16) -> Output {
        outcome(self.command("health").env("CLOAKROOM_OPS_LISTEN", format!("127.0.0.1:{port}")))
    }
}

/// A line of what the kernel tells about a process.
fn status(id: u32, name: &str) -> String {
    let told = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn it_needs_nothing_but_its_folder() {
    let container = Container::new();
    let served = container.serve();
    let id = served.id();
    let nobody = [NOBODY.to_string().as_str(); 4].join(" ");
    assert_eq!((status(id, "Uid"), status(id, "Gid"), status(id, "Groups")), (nobody.clone(), nobody, String::new()));
    for none in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(id, none), "0000000000000000", "{none}");
    }
    assert_eq!(status(id, "NoNewPrivs"), "1");
    // All that is mounted in it may be read only, but for the kernel's own files and the folder.
    let mounts = fs::read_to_string(format!("/proc/{id}/mountinfo")).unwrap();
    let written: Vec<_> = mounts
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| !fields[5].split(',').any(|option| option == "ro"))
        .map(|fields| fields[4])
        .filter(|place| !place.starts_with("/proc") && !place.starts_with("/dev/"))
        .collect();
    assert_eq!(written, ["/var/lib/cloakroom"], "{mounts}");

    let key = container.place.admin_key();
    let (_, token) = served.mint(&key, "docs/a.txt");
    let redeem = |letter: &str| {
        let body = json!({ "token": token, "claim_key": letter.repeat(43) });
        served.ask("POST", "/v1/shares/redeem", "", Some(&body))
    };
    let (status, redeemed) = redeem("A");
    assert_eq!(status, 200, "{redeemed}");
    assert_eq!(redeemed["permission"], "read");
    let (status, refused) = redeem("Q");
    assert_eq!(status, 404, "{refused}");

    assert_eq!(said(&container.health(served.ports[2])), "ok");
    let port = served.ports[2];
    served.stop();
    let gone = fault(&container.health(port));
    assert!(gone.contains("cannot be reached"), "{gone}");
}

#[test]
fn the_image_has_no_shell_and_no_other_program() {
    let container = Container::new();
    let image = container.place.path("image");
    let found: Vec<_> = ["usr/local/bin", "usr/bin", "bin", "usr/sbin", "sbin"]
        .iter()
        .filter_map(|folder| fs::read_dir(image.join(folder)).ok())
        .flat_map(|folder| folder.map(|each| each.unwrap().file_name()))
        .collect();
    assert_eq!(found, ["cloakroom"]);
}

#[test]
fn elsewhere_it_cannot_write() {
    let container = Container::new();
    let mut command = container.command("serve");
    let told = fault(&outcome(command.env("CLOAKROOM_DATA_DIR", "/var/lib/other")));
    assert!(told.contains("/var/lib/other") && told.contains("Read-only file system"), "{told}");
}

#[test]
fn health_tells_a_broker_from_something_else() {
    let place = Place::new();
    let served = place.serve();
    // The API's listener has no such page.
    let mut command = place.command("health");
    let told = fault(&outcome(command.env("CLOAKROOM_OPS_LISTEN", format!("127.0.0.1:{}", served.ports[0]))));
    assert!(told.contains("answered 404"), "{told}");
    served.stop();
}
