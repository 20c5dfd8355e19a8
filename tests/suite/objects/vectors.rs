//! Signed requests against those of botocore, byte for byte: some that are kept, made by `tests/vectors/presigned.py`, and many that
//! are drawn by `tests/vectors/presigned_at_random.py`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use aws_credential_types::Credentials;
use cloakroom::{
    clock::SystemClock,
    domain::{
        ids::TenantId,
        instant::Instant,
        path::VaultPath,
        tenant::{Mode, Namespace},
    },
    objects::{
        ArtifactLabel, Disposition, DownloadContract, InboxSecret, MultipartId, ObjectKey, ObjectStorage, PartContract,
        UploadContract,
        s3::{S3Settings, S3Storage},
    },
};
use serde::Deserialize;

use super::bench::{configuration, content_type};

const SIGNED_AT: Instant = Instant::from_unix_seconds(1_790_000_000);
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    method: String,
    region: String,
    endpoint: Option<String>,
    path_style: bool,
    session_token: Option<String>,
    key: String,
    size: Option<u64>,
    content_type: String,
    sha256: Option<String>,
    file_name: Option<String>,
    part: Option<Part>,
    #[serde(default = "ten_minutes")]
    expires_in: u64,
    url: String,
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    number: u32,
    upload: MultipartId,
}

const fn ten_minutes() -> u64 {
    600
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../vectors/presigned.json")).unwrap()
}

fn storage(vector: &Vector) -> S3Storage {
    let settings = S3Settings {
        bucket: "files".into(),
        region: vector.region.clone(),
        endpoint: vector.endpoint.clone(),
        public_endpoint: None,
        path_style: vector.path_style,
    };
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, vector.session_token.clone(), None, "vectors");
    S3Storage::new(settings, &configuration(credentials), Arc::new(SystemClock::default())).unwrap()
}

fn key(vector: &Vector) -> ObjectKey {
    let key = match vector.key.strip_prefix("artifact/").and_then(|rest| rest.split_once('/')) {
        Some((label, path)) => ObjectKey::artifact(
            TenantId::from_bytes([0; 16]),
            &ArtifactLabel::parse(label).unwrap(),
            &VaultPath::parse(path).unwrap(),
        ),
        None => {
            let namespace = Namespace { tenant: TenantId::from_bytes([0; 16]), mode: Mode::Live };
            ObjectKey::inbox(namespace, InboxSecret([7; 32]))
        }
    };
    assert_eq!(key.as_str(), vector.key);
    key
}

#[tokio::test]
async fn requests_are_signed_as_botocore_signs_them() {
    signed_alike(vectors()).await;
}

/// Four times as many requests as this; others by another seed.
const DRAWN: usize = 500;

#[tokio::test]
async fn whatever_is_drawn_is_signed_as_botocore_signs_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("localstack/.run/localstack/bin/python");
    assert!(python.exists(), "{} is missing: run localstack/emulators install", python.display());
    let setting = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let (seed, count) = (setting("CLOAKROOM_TEST_SEED", "1"), setting("CLOAKROOM_TEST_DRAWN", &DRAWN.to_string()));
    let mut drawing = Command::new(python);
    drawing.arg("-B").arg(root.join("tests/vectors/presigned_at_random.py")).args([&seed, &count]);
    let drawn = drawing.output().unwrap();
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    let drawn: Vec<Vector> = serde_json::from_slice(&drawn.stdout).unwrap();
    assert_eq!(drawn.len(), 4 * count.parse::<usize>().unwrap());
    signed_alike(drawn).await;
}

async fn signed_alike(vectors: Vec<Vector>) {
    for vector in vectors {
        let expires_at = SIGNED_AT.plus(Duration::from_secs(vector.expires_in));
        let storage = storage(&vector);
        let kind = content_type(&vector.content_type);
        let signed = if vector.method == "GET" {
            let disposition = Disposition::Attachment { file_name: vector.file_name.clone().unwrap() };
            let contract =
                DownloadContract { key: key(&vector), content_type: kind, disposition, sha256: None, expires_at };
            storage.sign_get(&contract, SIGNED_AT).await.unwrap()
        } else {
            let sha256 = vector.sha256.as_ref().map(|text| {
                let mut bytes = [0; 32];
                base16ct::lower::decode(text, &mut bytes).unwrap();
                bytes
            });
            let size = vector.size.unwrap();
            let contract = UploadContract { key: key(&vector), size, content_type: kind, sha256, expires_at };
            match (vector.method.as_str(), &vector.part) {
                ("PUT", Some(part)) => {
                    let contract = part_of(&contract, part);
                    storage.sign_part(&contract, SIGNED_AT).await.unwrap()
                }
                ("PUT", None) => storage.sign_put(&contract, SIGNED_AT).await.unwrap(),
                _ => storage.sign_post(&contract, SIGNED_AT).await.unwrap(),
            }
        };
        assert_eq!(signed.method, vector.method, "{}", vector.name);
        assert_eq!(signed.url, vector.url, "{}", vector.name);
        assert_eq!(signed.fields, vector.fields, "{}", vector.name);
        assert_eq!(signed.expires_at, expires_at, "{}", vector.name);
    }
}

fn part_of(contract: &UploadContract, part: &Part) -> PartContract {
    PartContract {
        key: contract.key.clone(),
        upload: part.upload.clone(),
        number: part.number,
        part_size: contract.size.max(1),
        size: contract.size,
        sha256: contract.sha256,
        expires_at: contract.expires_at,
    }
}

#[test]
fn the_vectors_cover_every_way_to_sign() {
    let covered: BTreeSet<_> = vectors()
        .iter()
        .map(|it| {
            let method = if it.part.is_some() { "part".to_owned() } else { it.method.clone() };
            (method, it.path_style, it.endpoint.is_some(), it.session_token.is_some(), it.sha256.is_some())
        })
        .collect();
    for method in ["PUT", "part", "POST", "GET"] {
        for (path_style, custom) in [(false, false), (true, false), (true, true)] {
            for session_token in [false, true] {
                for checksum in [false, true] {
                    let case = (method.to_owned(), path_style, custom, session_token, checksum && method != "GET");
                    assert!(covered.contains(&case), "{case:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_signed_ends_with_its_credentials() {
    let soon = std::time::UNIX_EPOCH + Duration::from_secs(1_790_000_042);
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, Some("token".into()), Some(soon), "vectors");
    let settings = S3Settings {
        bucket: "files".into(),
        region: "eu-central-1".into(),
        endpoint: None,
        public_endpoint: Some("https://files.example".into()),
        path_style: true,
    };
    let storage = S3Storage::new(settings, &configuration(credentials), Arc::new(SystemClock::default())).unwrap();
    let contract = UploadContract {
        key: key(&vectors()[0]),
        size: 1,
        content_type: content_type("text/plain"),
        sha256: None,
        expires_at: SIGNED_AT.plus(Duration::from_secs(600)),
    };
    let signed = storage.sign_put(&contract, SIGNED_AT).await.unwrap();
    assert_eq!(signed.expires_at, Instant::from_unix_seconds(1_790_000_042));
    assert!(signed.url.contains("&X-Amz-Expires=42&"));
    assert!(signed.url.starts_with("https://files.example/files/inbox/"));
    let form = storage.sign_post(&contract, SIGNED_AT).await.unwrap();
    assert_eq!(form.expires_at, signed.expires_at);
    assert_eq!(form.url, "https://files.example/files");
    let part = part_of(&contract, &Part { number: 1, upload: MultipartId("upload".into()) });
    let part = storage.sign_part(&part, SIGNED_AT).await.unwrap();
    assert_eq!(part.expires_at, signed.expires_at);
    assert!(part.url.starts_with("https://files.example/files/inbox/"));
    assert!(!format!("{signed:?} {form:?} {part:?} {storage:?}").contains("X-Amz"));
    assert!(storage.sign_put(&contract, Instant::from_unix_seconds(1_790_000_042)).await.is_err());
}

#[tokio::test]
async fn a_form_never_pins_a_key_with_a_variable_in_it() {
    let contract = UploadContract {
        key: ObjectKey::artifact(
            TenantId::from_bytes([0; 16]),
            &ArtifactLabel::parse(&"ab".repeat(20)).unwrap(),
            &VaultPath::parse("${filename}").unwrap(),
        ),
        size: 1,
        content_type: content_type("text/plain"),
        sha256: None,
        expires_at: SIGNED_AT.plus(Duration::from_secs(600)),
    };
    assert!(storage(&vectors()[0]).sign_post(&contract, SIGNED_AT).await.is_err());
}
