//! The cookies of the edge are CloudFront's: what we sign, programs verify that nobody here wrote, and what those sign opens
//! our own edge. Amazon's signer for JavaScript, botocore, `cryptography` and openssl have no part in the broker.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use cloakroom::crypto::edge_cookie::{EdgeKey, NAMES};
use serde_json::{Value, json};

use super::{
    handoff::assert_not_admitted,
    words::{Published, set_cookies},
};
use crate::api::harness::{Answer, Api, Backend};

/// The values of the cookies that an answer sets.
pub fn values(entered: &Answer) -> [String; 4] {
    let values = set_cookies(entered)
        .into_iter()
        .map(|cookie| cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned());
    values.collect::<Vec<_>>().try_into().unwrap()
}

/// As CloudFront documents it: `+ = /` are written `- _ ~`.
pub fn decoded(text: &str) -> Vec<u8> {
    STANDARD.decode(text.replace('-', "+").replace('_', "=").replace('~', "/")).unwrap()
}

fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

/// A private key as others read it.
fn pem(pkcs8: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8))
}

/// Whether openssl takes this signature, and what it says.
pub fn openssl(key: &str, policy: &[u8], signature: &[u8]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("key.pem", key.as_bytes()), ("policy", policy), ("signature", signature)] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut command = Command::new("openssl");
    command.current_dir(folder.path());
    command.args(["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "policy"]);
    let done = command.output().expect("openssl is needed. On Debian: apt-get install openssl");
    (done.status.success(), String::from_utf8(done.stdout).unwrap())
}

/// What a program answers, or why it fails.
fn asked(program: &str, script: &str, argument: &str, what: &Value) -> Result<Value, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("localstack/.run").join(program);
    assert!(program.exists(), "{} is not there: run localstack/emulators install", program.display());
    let mut child = Command::new(program)
        .arg(root.join("tests/edge-cookies").join(script))
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(what.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    if done.status.success() { Ok(serde_json::from_slice(&done.stdout).unwrap()) } else { Err(said) }
}

fn python(how: &str, what: &Value) -> Result<Value, String> {
    asked("localstack/bin/python", "cookies.py", how, what)
}

fn amazons_signer(what: &Value) -> Value {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("localstack/.run/openid-provider/provider");
    asked("openid-provider/node", "sign.mjs", installed.to_str().unwrap(), what).unwrap()
}

/// A broker with an artifact, and the key of its edge, which others are given.
struct Edge {
    api: Api,
    artifact: Published,
    private_key: String,
    key_pair_id: String,
}

impl Edge {
    fn new() -> Self {
        let api = Api::start(Backend::Embedded);
        let artifact = api.publish_page(api.admin());
        let file = fs::read_to_string(api.data_dir().join("root-keys.json")).unwrap();
        let key = &serde_json::from_str::<Value>(&file).unwrap()["edge_keys"][0];
        let der = URL_SAFE_NO_PAD.decode(key["pkcs8"].as_str().unwrap()).unwrap();
        let (private_key, key_pair_id) = (pem(&der), key["id"].as_str().unwrap().to_owned());
        Self { api, artifact, private_key, key_pair_id }
    }

    fn now(&self) -> u64 {
        self.api.broker().now().as_unix_seconds()
    }

    fn resource(&self) -> String {
        format!("http://{}/*", self.artifact.host)
    }

    /// What somebody is asked to sign.
    fn wanted(&self, url: &str, until: u64, private_key: &str) -> Value {
        json!({ "url": url, "until": until, "key_pair_id": self.key_pair_id, "private_key": private_key })
    }

    /// What is answered to whoever has these cookies.
    fn browse(&self, cookies: &Value) -> Answer {
        let cookies: Vec<_> = NAMES.iter().map(|name| format!("{name}={}", cookies[name].as_str().unwrap())).collect();
        self.api.browse(&self.artifact.host, &cookies.join("; "), "/")
    }
}

/// The cookies with the policy changed by one byte.
fn with_another_policy(cookies: &Value, place: usize) -> Value {
    let mut policy = decoded(cookies[NAMES[0]].as_str().unwrap());
    policy[place] ^= 1;
    let mut other = cookies.clone();
    other[NAMES[0]] = encoded(&policy).into();
    other
}

#[test]
fn what_the_broker_signs_others_verify() {
    let edge = Edge::new();
    let minted = edge.api.link(edge.api.admin(), &edge.artifact.id, json!({}));
    let handoff = edge.api.handoff(&minted.token);
    let values = values(&edge.api.enter(&handoff.host, &handoff.code));
    let cookies: Value =
        NAMES.iter().zip(&values).map(|(name, value)| (name.to_string(), Value::from(value.clone()))).collect();
    let public_key = edge.api.broker().edge.primary().public_key_pem();
    let page = format!("http://{}/index.html", edge.artifact.host);
    let ask = |cookies: &Value, url: &str, now: u64, public_key: &str| {
        let key_pair_id = &edge.key_pair_id;
        let what =
            json!({ "cookies": cookies, "url": url, "now": now, "key_pair_id": key_pair_id, "public_key": public_key });
        python("verify", &what)
    };

    let now = edge.now();
    let until = ask(&cookies, &page, now, &public_key).unwrap()["until"].as_u64().unwrap();
    assert!((1..=900).contains(&(until - now)), "{until}");
    let (policy, signature) = (decoded(&values[0]), decoded(&values[1]));
    assert_eq!(openssl(&public_key, &policy, &signature), (true, "Verified OK\n".into()));

    let said = |told: Result<Value, String>| told.unwrap_err().trim_end().to_owned();
    for place in [0, 20, policy.len() / 2, policy.len() - 1] {
        let other = with_another_policy(&cookies, place);
        assert_eq!(said(ask(&other, &page, now, &public_key)), "wrong signature");
        let (verified, said) = openssl(&public_key, &decoded(other[NAMES[0]].as_str().unwrap()), &signature);
        assert!(!verified && said.starts_with("Verification failure"), "{said}");
    }
    let elsewhere = format!("http://{}/", edge.api.publish_page(edge.api.admin()).host);
    assert_eq!(said(ask(&cookies, &elsewhere, now, &public_key)), "another host");
    assert_eq!(said(ask(&cookies, &page, until, &public_key)), "expired");
    let other_key = EdgeKey::from_pkcs8("K", &EdgeKey::generate_pkcs8().unwrap()).unwrap().public_key_pem();
    assert_eq!(said(ask(&cookies, &page, now, &other_key)), "wrong signature");
    assert!(!openssl(&other_key, &policy, &signature).0);
    for (name, value, why) in [(NAMES[2], json!("K2"), "unknown key"), (NAMES[3], json!("SHA1"), "wrong signature")] {
        let mut other = cookies.clone();
        other[name] = value;
        assert_eq!(said(ask(&other, &page, now, &public_key)), why);
    }
}

#[test]
fn what_others_sign_opens_the_edge() {
    let edge = Edge::new();
    let (resource, until) = (edge.resource(), edge.now() + 900);
    let policy = format!(
        r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{until}}}}}}}]}}"#
    );
    let botocore = |what: &Value| python("sign", what).unwrap();
    let amazons = |what: &Value| {
        // What the signer writes by itself, without `policy`, is the same to the byte: its signature is one of ours.
        let mut short = amazons_signer(what);
        assert_eq!(short["CloudFront-Expires"], what["until"]);
        let policy = policy
            .replace(&resource, what["url"].as_str().unwrap())
            .replace(&until.to_string(), &what["until"].to_string());
        short[NAMES[0]] = encoded(policy.as_bytes()).into();
        let mut what = what.clone();
        what["policy"] = policy.into();
        let long = amazons_signer(&what);
        assert_eq!(NAMES[..1].iter().chain(&NAMES[2..]).find(|name| short[**name] != long[**name]), None);
        [short, long]
    };
    let all = |what: &Value| [vec![botocore(what)], amazons(what).into()].concat();
    for cookies in all(&edge.wanted(&resource, until, &edge.private_key)) {
        let opened = edge.browse(&cookies);
        assert_eq!((opened.status, opened.body.as_slice()), (200, b"<p>hello</p>".as_slice()), "{cookies}");
        assert_eq!(decoded(cookies[NAMES[0]].as_str().unwrap()), policy.as_bytes());
        for place in [0, 20, policy.len() / 2, policy.len() - 1] {
            assert_not_admitted(&edge.browse(&with_another_policy(&cookies, place)));
        }
        for (name, value) in [(NAMES[2], "K2"), (NAMES[3], "SHA1")] {
            let mut other = cookies.clone();
            other[name] = value.into();
            assert_not_admitted(&edge.browse(&other));
        }
    }

    let other_key = pem(&EdgeKey::generate_pkcs8().unwrap());
    let elsewhere = format!("http://{}/*", edge.api.publish_page(edge.api.admin()).host);
    for wrong in [
        edge.wanted(&elsewhere, until, &edge.private_key),
        edge.wanted(&resource, edge.now(), &edge.private_key),
        edge.wanted(&resource, until, &other_key),
    ] {
        all(&wrong).iter().for_each(|cookies| assert_not_admitted(&edge.browse(cookies)));
    }
}
