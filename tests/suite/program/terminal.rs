//! What people see on a terminal, played by util-linux's `script`.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use super::process::{Place, said, until, wrote};

/// A broker on a pseudo-terminal. `script` and what runs under it end when this is dropped.
struct OnTerminal {
    script: Child,
    broker: Option<u32>,
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        if let Some(id) = self.broker {
            let _ended = Command::new("kill").arg(id.to_string()).stderr(Stdio::null()).status();
        }
        let _ended = self.script.wait();
    }
}

/// Runs the program under `script`; what is on the screen goes into a file.
fn on_terminal(place: &Place, command: &str) -> OnTerminal {
    let mut wanted = place.command("x");
    wanted.env("PROGRAM", env!("CARGO_BIN_EXE_cloakroom"));
    let environment = wanted.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    // The shell writes down its own id, which exec passes on to the program.
    let shell = format!("echo $$ > id; exec \"$PROGRAM\" {command}");
    let script = Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command", &shell, "screen"])
        .current_dir(place.path("."))
        .env_clear()
        .envs(environment)
        .env("PATH", "/usr/bin:/bin")
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("script is needed. On Debian: apt-get install bsdutils");
    let broker =
        until("the shell has written its id", || fs::read_to_string(place.path("id")).ok()?.trim().parse().ok());
    OnTerminal { script, broker: Some(broker) }
}

fn screen(place: &Place) -> String {
    fs::read_to_string(place.path("screen")).unwrap_or_default().replace("\r\n", "\n")
}

fn word(text: &str, prefix: &str) -> String {
    let begin = text.find(prefix).unwrap_or_else(|| panic!("no {prefix} in {text}"));
    text[begin..].split(|character: char| character.is_whitespace() || character == '\'').next().unwrap().to_owned()
}

#[test]
fn the_first_start_shows_a_share_the_key_and_what_to_try() {
    let place = Place::new();
    let terminal = on_terminal(&place, "serve");
    let shown = until("the welcome is shown", || {
        let shown = screen(&place);
        shown.contains("Ctrl-C").then_some(shown)
    });
    assert!(!place.data_dir().join("admin-key").exists(), "what was shown is not written");
    let link = word(&shown, "http://127.0.0.1:").to_owned();
    let url = word(&shown, "CLOAKROOM_URL=").split_once('=').unwrap().1.to_owned();
    let share = shown.lines().map(str::trim).find(|line| line.contains("/s#crs_")).unwrap().to_owned();
    assert!(link.starts_with(&url) && share.starts_with(&url), "{shown}");
    let key = word(&shown, "crk_live_");

    // What it says to paste works, as it says.
    let program = || {
        let mut command = super::process::program();
        command.current_dir(place.path(".")).env("CLOAKROOM_URL", &url).env("CLOAKROOM_API_KEY", &key);
        command
    };
    for line in ["export CLOAKROOM_API_KEY=", " upload README.md", " share README.md", " redeem '"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    fs::write(place.path("README.md"), "# Hello\n").unwrap();
    assert_eq!(said(&program().args(["upload", "README.md"]).output().unwrap()), "README.md");
    let minted = said(&program().args(["share", "README.md"]).output().unwrap());
    for share in [share, minted] {
        let redeem =
            |state: &str| program().env("XDG_STATE_HOME", place.path(state)).args(["redeem", &share]).output().unwrap();
        wrote(&redeem("here"), 0);
        wrote(&redeem("here"), 0);
        wrote(&redeem("elsewhere"), 1);
    }
    assert!(fs::read_to_string(place.data_dir().join("root-keys.json")).is_ok());
    drop(terminal);
}

#[test]
fn the_second_start_shows_no_secret() {
    let place = Place::new();
    place.serve().stop();
    let terminal = on_terminal(&place, "serve");
    let shown = until("it says that it is ready", || {
        let shown = screen(&place);
        shown.contains("Ctrl-C").then_some(shown)
    });
    assert!(shown.contains("Cloakroom is ready at http://127.0.0.1:"), "{shown}");
    assert!(!shown.contains("crk_") && !shown.contains("crs_"), "{shown}");
    drop(terminal);
}

#[test]
fn a_recovered_key_is_shown_and_not_written() {
    let place = Place::new();
    place.serve().stop();
    fs::remove_file(place.data_dir().join("admin-key")).unwrap();
    let mut terminal = on_terminal(&place, "recover-admin");
    terminal.broker = None;
    assert!(terminal.script.wait().unwrap().success());
    let key = word(&screen(&place), "crk_live_");
    assert!(!place.data_dir().join("admin-key").exists());
    let served = place.serve();
    assert_eq!(served.ask("GET", "/v1/tenants", &key, None).0, 200);
    served.stop();
}

#[test]
fn an_upload_shows_its_progress_on_a_terminal_alone() {
    let place = Place::new();
    let served = place.serve();
    let key_file = place.data_dir().join("admin-key").display().to_string();
    fs::create_dir(place.path("docs")).unwrap();
    for name in ["docs/a.txt", "docs/b.txt"] {
        fs::write(place.path(name), "hello").unwrap();
    }
    let arguments = ["upload", "docs", "--overwrite", "--url", &served.url(), "--key-file", &key_file];
    let mut terminal = on_terminal(&place, &arguments.join(" "));
    terminal.broker = None;
    assert!(terminal.script.wait().unwrap().success());
    let shown = screen(&place);
    for word in ["2 files", "docs/a.txt", "docs/b.txt", "% of 10 B", "left", "2 files, 10 B"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let (paths, remark) =
        wrote(&super::process::program().current_dir(place.path(".")).args(arguments).output().unwrap(), 0);
    assert!(paths.contains("docs/a.txt\n") && remark == "2 files, 10 B\n", "{paths}{remark}");
    served.stop();
}
