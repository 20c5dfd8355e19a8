//! Codes go by mail, over a mail server that nobody here wrote: with TLS from the first byte, after STARTTLS, or plain on
//! this machine; and no request waits for it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use cloakroom::{
    clock::{Clock, SystemClock},
    crypto::secret::SecretText,
    domain::recipient::Address,
    entropy::SystemEntropy,
    mail::{CodeMail, Letter, Mailer, NotSent, SmtpMailer, SmtpServer},
};
use serde_json::{Value, json};

use super::{
    encrypted::issue,
    process::{Place, Served, fault, outcome, program, until, wrote},
};
use crate::api::{
    deeds::code_of,
    harness::{claim_key, runtime},
};

const ADA: &str = "ada@example.org";

/// aiosmtpd. It ends with the pipe that it reads.
struct MailServer {
    process: Child,
    port: u16,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

impl MailServer {
    fn start(place: &Place, mode: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("localstack/.run/mail-server/bin/python");
        assert!(python.exists(), "{} is missing: run localstack/emulators install", python.display());
        issue(place, "mail");
        fs::create_dir(place.path("arrived")).unwrap();
        let mut process = Command::new(python)
            .arg(root.join("tests/mail-server/serve.py"))
            .arg(place.path("arrived"))
            .arg(mode)
            .args([place.path("tls.pem"), place.path("tls.key")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, port: line.trim().parse().unwrap() }
    }
}

fn arrived(place: &Place) -> Vec<String> {
    let files = fs::read_dir(place.path("arrived")).unwrap().map(|file| file.unwrap().path());
    let whole = files.filter(|file| file.extension().is_some_and(|extension| extension == "mail"));
    whole.map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// A broker that sends its mails there and trusts its certificate.
fn served(place: &Place, mail: &str) -> (Served, String) {
    let mut command = place.command("serve");
    command.env("CLOAKROOM_MAIL", mail).env("CLOAKROOM_MAIL_FROM", "Cloakroom <noreply@share.example>");
    command.env("SSL_CERT_FILE", place.path("tls.pem"));
    let served = place.serve_as(command);
    let key = place.admin_key();
    (served, key)
}

fn share(served: &Served, key: &str) -> Value {
    let body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true, "recipients": [ADA] });
    let (status, share) = served.ask("POST", "/v1/shares", key, Some(&body));
    assert_eq!(status, 201, "{share}");
    share
}

fn ask_for_a_code(served: &Served, share: &Value) -> u16 {
    let body = json!({ "token": share["token"], "address": ADA });
    served.ask("POST", "/v1/shares/redeem/code", "", Some(&body)).0
}

#[test]
fn a_code_comes_by_mail_over_tls_or_on_this_machine() {
    for (mode, url, how) in [
        ("smtps", "smtps://me:hunter2%20%40@localhost", "TLS"),
        // Written so, it is a name like any other to the program, which then wants STARTTLS.
        ("starttls", "smtp://me:hunter2%20%40@LOCALHOST", "TLS"),
        ("plain", "smtp://me:hunter2%20%40@127.0.0.1", "plain"),
    ] {
        let place = Place::new();
        let server = MailServer::start(&place, mode);
        let (served, key) = served(&place, &format!("{url}:{}", server.port));
        let share = share(&served, &key);
        assert_eq!(ask_for_a_code(&served, &share), 202, "{mode}");
        let mail = until("the mail arrives", || arrived(&place).pop());
        let head = format!("{how} noreply@share.example {ADA}\r\n");
        assert!(mail.starts_with(&head) && mail.contains("Auto-Submitted: auto-generated\r\n"), "{mail}");
        let recipient = json!({ "address": ADA, "code": code_of(&mail) });
        let body = json!({ "token": share["token"], "claim_key": claim_key(), "recipient": recipient });
        assert_eq!(served.ask("POST", "/v1/shares/redeem", "", Some(&body)).0, 200, "{mode}");
        let log = served.log();
        for secret in ["hunter2", ADA, "ada", code_of(&mail).as_str()] {
            assert!(!log.contains(secret), "{log}");
        }
        served.stop();
    }
}

/// Those in the folder, oldest first; not those that are still being written.
fn mails(place: &Place) -> Vec<String> {
    let files = fs::read_dir(place.path("mails")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|extension| extension == "eml")).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn a_recipient_redeems_on_the_command_line() {
    let place = Place::new();
    let (served, key) = served(&place, &format!("folder:{}", place.path("mails").display()));
    let link = share(&served, &key)["url"].as_str().unwrap().to_owned();
    let redeem = |arguments: &[&str]| {
        let mut command = program();
        command.env("XDG_STATE_HOME", place.path("state")).arg("redeem").arg(&link).args(arguments);
        command
    };
    let said = fault(&outcome(&mut redeem(&[])));
    assert!(said.contains("say with --as which of them you are"), "{said}");

    let with_code = |code: &dyn Fn() -> String| {
        let mut command = redeem(&["--as", ADA]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        writeln!(process.stdin.take().unwrap(), "{}", code()).unwrap();
        process.wait_with_output().unwrap()
    };
    let (_, remark) = wrote(&with_code(&|| "00000000".into()), 1);
    assert!(remark.contains(&format!("a code is on its way to {ADA}")), "{remark}");
    assert!(remark.contains("The code does not go with this address"), "{remark}");
    // Each asking sends a code of its own; the newest counts.
    let before = mails(&place).len();
    let newest = || until("a code arrives", || mails(&place).get(before).map(|mail| code_of(mail)));
    let (_, remark) = wrote(&with_code(&newest), 0);
    assert!(remark.contains("claimed; open until "), "{remark}");
    // Who comes back is not asked again.
    let (_, remark) = wrote(&outcome(&mut redeem(&[])), 0);
    assert!(remark.contains("claimed; open until "), "{remark}");
    served.stop();
}

fn letter() -> Letter {
    let to = Address::try_from(ADA.to_owned()).unwrap();
    let mail = CodeMail { to, from: "First".into(), code: SecretText::new("12345678") };
    let sender = "noreply@share.example".parse().unwrap();
    Letter::write(&mail, &sender, SystemClock::default().now(), &SystemEntropy).unwrap()
}

#[test]
fn nothing_is_sent_beyond_this_machine_without_tls_that_is_trusted() {
    for mode in ["plain", "starttls", "smtps"] {
        let place = Place::new();
        let server = MailServer::start(&place, mode);
        let elsewhere = SmtpServer {
            host: "localhost".into(),
            port: server.port,
            implicit_tls: mode == "smtps",
            on_this_machine: false,
            credentials: Some(("me".into(), SecretText::new("hunter2 @"))),
        };
        // This process trusts no certificate of the place.
        let mailer = SmtpMailer::new(&elsewhere).unwrap();
        let sent = runtime().block_on(mailer.send(&letter()));
        assert!(matches!(sent, Err(NotSent::Later(_) | NotSent::Never(_))), "{mode}: {sent:?}");
        assert!(arrived(&place).is_empty(), "{mode}");
    }
}

#[test]
fn a_wrong_password_is_told_without_the_address() {
    let place = Place::new();
    let server = MailServer::start(&place, "plain");
    let here = SmtpServer {
        host: "127.0.0.1".into(),
        port: server.port,
        implicit_tls: false,
        on_this_machine: true,
        credentials: Some(("me".into(), SecretText::new("wrong"))),
    };
    let fault = runtime().block_on(SmtpMailer::new(&here).unwrap().send(&letter())).unwrap_err();
    assert!(matches!(fault, NotSent::Never(_)), "{fault}");
    assert!(!fault.to_string().contains("ada") && fault.to_string().contains("535"), "{fault}");
}

#[test]
fn a_mail_server_that_hangs_or_is_gone_keeps_nobody_waiting() {
    let place = Place::new();
    fs::write(place.path("tls.pem"), "").unwrap();
    // It takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (served, key) = served(&place, &format!("smtp://127.0.0.1:{}", silent.local_addr().unwrap().port()));
    let (first, second) = (share(&served, &key), share(&served, &key));
    assert_eq!(ask_for_a_code(&served, &first), 202);
    // The broker waits for the server by now; others are answered all the same.
    let held = silent.accept().unwrap();
    assert_eq!(ask_for_a_code(&served, &second), 202);
    drop((held, silent));
    assert_eq!(ask_for_a_code(&served, &second), 202);
    let told = until("it says so", || {
        served.log().lines().find(|line| line.contains("a mail is tried again")).map(str::to_owned)
    });
    assert!(!told.contains("ada"), "{told}");
    served.kill();
}
