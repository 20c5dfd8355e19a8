//! Promise 4: never in the clear. The real program runs with all its logs on;
//! then no secret that it gave or was given is in a file, a log or an error.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    thread,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::harness::{Api, claim_key, text};

/// A program that is killed when this is dropped, however the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The program in a process of its own.
struct Process {
    running: Running,
    logs: thread::JoinHandle<String>,
    folder: tempfile::TempDir,
    ports: [u16; 3],
    admin: String,
}

impl Process {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .arg("serve")
            .env_clear()
            .env("CLOAKROOM_DATA_DIR", folder.path())
            .env("CLOAKROOM_LISTEN", "127.0.0.1:0")
            .env("CLOAKROOM_CONTENT_LISTEN", "127.0.0.1:0")
            .env("CLOAKROOM_OPS_LISTEN", "127.0.0.1:0")
            .env("CLOAKROOM_LOG", "trace")
            .env("CLOAKROOM_LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let running = Running(child);
        let (sender, receiver) = channel();
        let logs = thread::spawn(move || {
            let mut all = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                if entry["message"] == "ready" {
                    let port = |name: &str| text(&entry, name).rsplit_once(':').unwrap().1.parse().unwrap();
                    sender.send([port("api"), port("content"), port("ops")]).unwrap();
                }
                all += &line;
                all.push('\n');
            }
            all
        });
        let ports = receiver.recv().unwrap();
        // It is there for the operator to take away.
        let file = folder.path().join("admin-key");
        let admin = fs::read_to_string(&file).unwrap().trim().to_owned();
        fs::remove_file(file).unwrap();
        Self { running, logs, folder, ports, admin }
    }

    /// Ends the program; the data directory and all that it logged.
    fn end(self) -> (tempfile::TempDir, String) {
        drop(self.running);
        (self.folder, self.logs.join().unwrap())
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // A socket has no bytes.
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// Every way to write a secret down: itself, what it encodes, and either
/// encoded once more.
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let mut plain = vec![secret.as_bytes().to_vec()];
    for prefix in ["crk_live_", "crk_test_", "crs_", "crl_", "cst_", "crc_"] {
        if let Some(body) = secret.strip_prefix(prefix) {
            plain.push(body.as_bytes().to_vec());
        }
    }
    plain.extend(plain.clone().iter().filter_map(|text| URL_SAFE_NO_PAD.decode(text).ok()));
    let mut all = plain.clone();
    for bytes in plain {
        all.push(base16ct::lower::encode_string(&bytes).into_bytes());
        all.push(base16ct::upper::encode_string(&bytes).into_bytes());
        all.push(STANDARD.encode(&bytes).trim_end_matches('=').as_bytes().to_vec());
        all.push(URL_SAFE_NO_PAD.encode(&bytes).into_bytes());
        // As `Debug` prints bytes.
        all.push(format!("{bytes:?}").into_bytes());
    }
    all
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    let first = wanted[0];
    bytes.windows(wanted.len()).any(|window| window[0] == first && window == wanted)
}

#[test]
fn no_secret_is_in_a_file_a_log_or_an_error() {
    let process = Process::start();
    let api = Api::of_process(process.ports, process.admin.clone());
    let mut secrets = vec![("the admin key", api.admin().to_owned())];
    let mut errors = Vec::new();

    let key = api.new_key(api.admin(), "test", &[("/", "admin")]);
    secrets.push(("an API key", key.secret));
    let second = api.new_tenant("Visible name of a tenant");
    secrets.push(("a tenant's admin key", second.admin.secret.clone()));
    api.upload(api.admin(), "docs/a.txt", b"x");
    let minted = api.mint(api.admin(), "write", &["docs/"]);
    let (claimant, other) = (claim_key(), claim_key());
    let session = text(&api.redeem(&minted.token, &claimant).expect(200), "session_token");
    let renewed = text(&api.redeem(&minted.token, &claimant).expect(200), "session_token");
    errors.push(api.redeem(&minted.token, &other));
    errors.push(api.preview(&minted.token));
    let declared = api.declare(&session, "/v1/session/uploads", "docs/b.txt", b"b");
    let download = api.post(&session, "/v1/session/downloads", &json!({ "path": "docs/a.txt" })).expect(200);

    // What is answered again is kept, with the secrets in it.
    let named = "an-idempotency-key-of-the-callers-own";
    for (what, route, body) in [
        ("a share token that is answered again", "/v1/shares", json!({ "paths": ["docs/"], "permission": "read" })),
        (
            "an upload URL that is answered again",
            "/v1/uploads",
            json!({ "path": "c", "size": 1, "content_type": "a/b" }),
        ),
        (
            "an API key that is answered again",
            "/v1/api-keys",
            json!({ "grants": [{ "path": "/", "permission": "read" }] }),
        ),
    ] {
        let named = format!("{named}{route}");
        let ask = || api.call("POST", route).bearer(api.admin()).header("idempotency-key", &named).json(&body).send();
        let (created, again) = (ask().expect(201), ask());
        assert_eq!((&again.json(), again.header("idempotency-replayed")), (&created, "true"));
        let secret = ["token", "secret", "url"].iter().find_map(|field| created[field].as_str()).unwrap();
        secrets.push((what, secret.to_owned()));
        errors.push(
            api.call("POST", route).bearer(api.admin()).header("idempotency-key", &named).json(&json!({})).send(),
        );
    }
    secrets.push(("an idempotency key", named.to_owned()));
    let published = api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["docs/a.txt"] })).expect(201);
    let password = "correct horse battery staple";
    let link = json!({ "artifact": published["id"], "password": password });
    let link = text(&api.post(api.admin(), "/v1/links", &link).expect(201), "token");
    let claim_of_link = claim_key();
    let wrong = "a password that is wrong";
    let body = |password: &str| json!({ "token": link, "claim_key": claim_of_link, "password": password });
    errors.push(api.public("/v1/links/redeem", &body(wrong)));
    let opened = api.public("/v1/links/redeem", &body(password)).expect(200);

    let console = api.sign_in(api.admin());
    api.call("POST", "/v1/console/qr").console(&console).json(&json!({ "text": minted.url })).send().expect(200);
    errors.push(api.call("POST", "/v1/shares").header("cookie", &console.cookies()).json(&json!({})).send());
    errors.push(api.public("/v1/console/session", &json!({ "api_key": console.secret })));
    errors.push(api.public("/v1/console/session", &json!({ "api_key": [console.secret] })));
    let left = api.sign_in(api.admin());
    api.call("DELETE", "/v1/console/session").console(&left).send().expect(204);
    errors.push(api.call("GET", "/v1/console/session").console(&left).send());

    // Secrets where they do not belong.
    for secret in [&minted.token, &claimant, &session, &link, &second.admin.secret, &console.secret] {
        errors.push(api.public("/v1/shares/redeem", &json!({ "token": secret, "claim_key": secret })));
        errors.push(api.public("/v1/shares/redeem", &json!({ "token": [secret], "claim_key": { "x": secret } })));
        errors.push(api.public("/v1/shares/redeem", &json!(secret)));
        errors.push(api.call("POST", "/v1/shares/redeem").body(secret.as_bytes()).send());
        errors.push(api.get(secret, &format!("/v1/shares/{secret}")));
        errors.push(api.get(api.admin(), &format!("/v1/shares?cursor={secret}")));
        errors.push(api.get(api.admin(), &format!("/v1/shares?limit={secret}")));
        errors.push(api.get(api.admin(), &format!("/v1/objects?prefix=/{secret}")));
        errors.push(api.post(api.admin(), "/v1/shares", &json!({ "paths": [secret], "permission": secret })));
        errors.push(api.get(secret, &format!("/{secret}")));
        errors.push(api.call("POST", "/v1/shares").header("origin", secret).json(&json!({})).send());
    }

    secrets.extend([
        ("a share token", minted.token),
        ("a claim key", claimant),
        ("a refused claim key", other),
        ("a session token", session),
        ("a renewed session token", renewed),
        ("a link token", link.clone()),
        ("the claim key of a link", claim_of_link.clone()),
        ("a password", password.into()),
        ("a wrong password", wrong.into()),
        ("a handoff code", text(&opened["enter"], "code")),
        ("a console session", console.secret),
        ("a token against forgery", console.csrf),
        ("a console session that has ended", left.secret),
        ("an upload URL", text(&declared, "url")),
        ("a download URL", text(&download, "url")),
    ]);
    drop(api);
    let (folder, logs) = process.end();

    for answer in &errors {
        assert!(answer.status >= 400, "{answer:?}");
        for (what, secret) in &secrets {
            assert!(!holds(&answer.body, secret.as_bytes()), "{what} is in an error: {answer:?}");
        }
    }
    let contents: Vec<_> = files(folder.path()).into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect();
    for (what, secret) in &secrets {
        for spelling in spellings(secret) {
            assert!(!holds(logs.as_bytes(), &spelling), "{what} is in the logs: {logs}");
            for (content, file) in &contents {
                assert!(!holds(content, &spelling), "{what} is in {}", file.display());
            }
        }
    }
    // The search would have found them: what is no secret is there to be seen.
    for visible in ["docs/a.txt", "Visible name of a tenant", &minted.id] {
        assert!(contents.iter().any(|(content, _)| holds(content, visible.as_bytes())), "{visible}");
    }
    assert!(logs.contains("ready"), "{logs}");
}
