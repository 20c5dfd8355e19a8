//! The program as the container of `Dockerfile` and the unit of `infra/systemd` run it: as nobody, without a
//! capability, and with nothing around it but the libraries of the system and one folder to write to.

use std::{
    fs,
    os::unix::fs::chown,
    process::{Command, Output},
};

use serde_json::json;

use super::process::{Place, Served, fault, outcome, said};

/// Who the program is in the image.
const NOBODY: u32 = 65532;

/// Builds a root in a mount namespace of its own, makes it read-only, and becomes the program in it: the process
/// that is started is the one that serves. `$1` the new root, `$2` the program, `$3` the folder to write to.
const CONTAINER: &str = r#"
set -eu
root=$1 program=$2 data=$3
shift 3
mount -t tmpfs -o mode=0755 tmpfs "$root"
mkdir -p "$root"/usr/local/bin "$root"/usr/bin "$root"/usr/lib "$root"/etc/ssl/certs "$root"/dev "$root"/proc \
  "$root"/var/lib/cloakroom
for folder in /usr/lib /usr/lib64 /etc/ssl/certs; do
  [ -d "$folder" ] || continue
  mkdir -p "$root$folder"
  mount --bind "$folder" "$root$folder"
  mount -o remount,bind,ro "$root$folder"
done
ln -s usr/lib "$root"/lib
ln -s usr/lib64 "$root"/lib64
# setpriv is no part of the image: it only lets go of everything, from inside.
touch "$root"/usr/local/bin/cloakroom "$root"/usr/bin/setpriv "$root"/dev/null "$root"/dev/urandom
mount --bind "$program" "$root"/usr/local/bin/cloakroom
mount --bind "$(command -v setpriv)" "$root"/usr/bin/setpriv
mount --bind /dev/null "$root"/dev/null
mount --bind /dev/urandom "$root"/dev/urandom
mount --rbind /proc "$root"/proc
mount --bind "$data" "$root"/var/lib/cloakroom
mount -o remount,bind,ro "$root"/usr/local/bin/cloakroom
mount -o remount,bind,ro "$root"/usr/bin/setpriv
mount -o remount,ro "$root"
exec chroot "$root" /usr/bin/setpriv --reuid=65532 --regid=65532 --clear-groups \
  --inh-caps=-all --ambient-caps=-all --bounding-set=-all --no-new-privs -- /usr/local/bin/cloakroom "$@"
"#;

/// A place whose commands run in a container of their own.
struct Container {
    place: Place,
}

impl Container {
    fn new() -> Self {
        assert!(rustix::process::getuid().is_root(), "a root of its own is made by root alone: run this test as root");
        let place = Place::new();
        fs::create_dir(place.path("root")).unwrap();
        fs::create_dir(place.data_dir()).unwrap();
        chown(place.data_dir(), Some(NOBODY), Some(NOBODY)).unwrap();
        Self { place }
    }

    fn command(&self, name: &str) -> Command {
        let on_its_own = self.place.command(name);
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", CONTAINER, "sh"])
            .args([self.place.path("root").as_path(), on_its_own.get_program().as_ref(), &self.place.data_dir()])
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
