//! schemathesis, a scanner that nobody here wrote, goes through the description of the API and asks everything in it,
//! rightly and wrongly: nothing breaks, and every answer is one that is described.

use std::{path::Path, process::Command};

use serde_json::json;

use crate::api::harness::{Api, Backend, text};

#[test]
fn a_scanner_finds_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scanner = root.join("localstack/.run/schemathesis/bin/schemathesis");
    assert!(scanner.exists(), "{} is missing: run localstack/emulators install", scanner.display());

    let api = Api::start(Backend::Embedded);
    let admin = api.admin();
    let artifact = api.publish_page(admin).id;
    let user = json!({
        "issuer": "https://id.example", "subject": "1", "grants": [{ "path": "/", "permission": "read" }],
    });
    let second = api.new_tenant("Second").admin.secret;
    api.upload(&second, "docs/a.txt", b"a");
    let settings = [
        ("KEY", admin.to_owned()),
        ("SHARE", api.mint(admin, "read", &["page/"]).id),
        ("ARTIFACT", artifact.clone()),
        ("LINK", api.link(admin, &artifact, json!({})).id),
        ("FILE_REQUEST", text(&api.post(admin, "/v1/file-requests", &json!({ "folder": "in/" })).expect(201), "id")),
        ("UPLOAD", text(&api.declare(admin, "/v1/uploads", "docs/b.txt", b"b"), "id")),
        ("USER", text(&api.post(admin, "/v1/users", &user).expect(201), "id")),
        ("OTHER_KEY", api.new_key(admin, "live", &[("/", "read")]).id),
        ("OTHER_TENANT", api.new_tenant("Third").id),
        ("SESSION", api.open(&api.mint(&second, "write", &["docs/"])).token),
    ];
    let folder = tempfile::tempdir().unwrap();
    let scan = Command::new(scanner)
        .arg("--config-file")
        .arg(root.join("tests/schemathesis/schemathesis.toml"))
        .args(["run", &format!("http://127.0.0.1:{}/openapi.json", api.ports[0])])
        // One worker: Python 3.11 parses on one thread at a time, and breaks off where two do.
        .args(["--seed", "1", "--workers", "1", "--no-color", "--output-sanitize", "false"])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder.path())
        .envs(settings.map(|(name, value)| (format!("CLOAKROOM_SCAN_{name}"), value)))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&scan.stdout);
    assert!(scan.status.success(), "{told}\n{}", String::from_utf8_lossy(&scan.stderr));
    assert!(told.contains("No issues found"), "{told}");
    // It has not cut off the branch on which it sat.
    api.get(admin, "/v1/tenants").expect(200);
}
