//! What a broker has whose files are altered, and what is to be read of it.

use std::{fs, path::Path};

use cloakroom::store::{Backend, embedded::EmbeddedStore};
use serde_json::{Value, json};

use super::{
    crashing::{Asking, Drawn},
    process::{Place, Served, until},
};

/// Where what was there before the last half of it happened lies.
pub const OLDER: &str = "older";

/// Where what is there lies, to be put back.
const NOW: &str = "now";

/// Another one is put back by its content alone: which file it is tells a store from its copies.
const IDENTITY: &str = "store/identity";

const WEEK: u64 = 604_800;

/// How everything was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Right,
    /// Some of it was not told, and it was said so.
    Refused,
}

/// What there is, and how it was answered.
#[derive(Default)]
pub struct Content {
    key: String,
    /// What is asked for, and the answer.
    known: Vec<(String, String)>,
    /// Files by path, and what is in them.
    files: Vec<(String, Vec<u8>)>,
    /// Uploads whose bytes have come, and that are not completed.
    sent: Vec<(String, String, Vec<u8>)>,
    /// Kind, token, and who has claimed it.
    claimed: Vec<(&'static str, String, String)>,
    open: Vec<(&'static str, String)>,
    revoked: Vec<(&'static str, String)>,
    records: u64,
}

fn bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut drawn = Drawn::new(seed);
    (0..size).map(|_| drawn.next() as u8).collect()
}

fn claim_key(letter: char) -> String {
    format!("{}A", letter.to_string().repeat(42))
}

#[track_caller]
fn made(asking: &Asking, path: &str, body: &Value) -> Value {
    let (status, made) = asking.told("POST", path, Some(body));
    assert!((200..300).contains(&status), "{path}: {status} {made}");
    made
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Content {
    /// Makes it in two halves, and stops in between and at the end.
    pub fn made(place: &Place) -> Self {
        let mut content = Self::default();
        let served = place.serve();
        content.key = place.admin_key();
        let asking = Asking::new(&served, &content.key);
        let (_, tenants) = asking.told("GET", "/v1/tenants", None);
        let quota = format!("/v1/tenants/{}/quota", text(&tenants["items"][0]["id"]));
        assert_eq!(asking.told("PUT", &quota, Some(&json!({ "bytes": 10_000_000, "objects": 100 }))).0, 200);
        for (number, size) in [700, 70_000, 150_000, 3_000].into_iter().enumerate() {
            content.upload(&asking, &format!("docs/{number}.bin"), size, number as u64, false);
        }
        let artifact = text(&made(&asking, "/v1/artifacts", &json!({ "paths": ["docs/"] }))["id"]);
        let shares: Vec<_> = (0..6).map(|_| share(&asking)).collect();
        let links: Vec<_> = (0..4).map(|_| link(&asking, &artifact)).collect();
        content.claim(&asking, "shares", &shares[0], 'a');
        content.claim(&asking, "links", &links[0], 'b');
        drop(asking);
        served.stop();
        into_tables(&place.data_dir().join("store"));
        copy(&place.data_dir(), &place.path(OLDER));

        let served = place.serve();
        let asking = Asking::new(&served, &content.key);
        content.upload(&asking, "docs/0.bin", 900, 10, true);
        content.upload(&asking, "docs/more.bin", 66_000, 11, false);
        assert_eq!(asking.told("DELETE", "/v1/objects/docs/3.bin", None).0, 204);
        content.files.retain(|(path, _)| path != "docs/3.bin");
        content.claim(&asking, "shares", &shares[1], 'c');
        content.claim(&asking, "links", &links[1], 'd');
        for (kind, (id, token)) in [("shares", &shares[2]), ("links", &links[2])] {
            assert_eq!(asking.told("DELETE", &format!("/v1/{kind}/{id}"), None).0, 204);
            content.revoked.push((kind, token.clone()));
        }
        content.open.extend([("shares", shares[3].1.clone()), ("links", links[3].1.clone())]);
        content.send(&asking, "docs/sent.bin", "put", 5_000);
        content.send(&asking, "docs/parts.bin", "multipart", 70_000);
        made(&asking, "/v1/audit/checkpoints", &json!({}));
        let ids = |kind: &'static str, of: &[(String, String)]| {
            let each = of.iter().map(|(id, _)| format!("/v1/{kind}/{id}"));
            each.flat_map(|path| [format!("{path}/events"), path]).collect::<Vec<_>>()
        };
        let paths = content.files.iter().map(|(path, _)| format!("/v1/objects/{path}")).collect::<Vec<_>>();
        let lists = ["usage", "objects", "shares", "links", "uploads", "artifacts", "tenants", "audit/signing-keys"];
        let lists = lists.map(|list| format!("/v1/{list}"));
        let (_, uploads) = asking.told("GET", "/v1/uploads", None);
        let uploads = uploads["items"].as_array().unwrap().iter();
        let uploads = uploads.map(|upload| format!("/v1/uploads/{}", text(&upload["id"]))).collect::<Vec<_>>();
        drop(asking);
        served.stop();
        copy(&place.data_dir(), &place.path(NOW));

        let served = place.serve();
        let asking = Asking::new(&served, &content.key);
        for path in [&lists[..], &paths, &uploads, &ids("shares", &shares), &ids("links", &links)].concat() {
            let (status, answer) = asking.told("GET", &path, None);
            assert_eq!(status, 200, "{path}: {answer}");
            content.known.push((path, asking.comparable(&answer)));
        }
        let (_, verified) = asking.told("GET", "/v1/audit/verify", None);
        content.records = verified["records"].as_u64().unwrap();
        // What is asked may be told in the trail, and so may be in what is read now; but nothing is lost since.
        assert_eq!(content.read(&served), Ok(Found::Right));
        served.kill();
        content
    }

    /// Undoes whatever was done since.
    pub fn put_back(&self, place: &Place) {
        let (now, data) = (place.path(NOW), place.data_dir());
        for entry in fs::read_dir(&data).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() == "store" {
                for entry in fs::read_dir(entry.path()).unwrap() {
                    let path = entry.unwrap().path();
                    if !path.ends_with(IDENTITY) {
                        removed(&path);
                    }
                }
            } else {
                removed(&entry.path());
            }
        }
        copy(&now, &data);
    }

    fn upload(&mut self, asking: &Asking, path: &str, size: usize, seed: u64, overwrite: bool) {
        let bytes = bytes(seed, size);
        let body = json!({
            "path": path, "size": size, "content_type": "application/octet-stream", "overwrite": overwrite,
        });
        let declared = made(asking, "/v1/uploads", &body);
        assert_eq!(asking.carried(&declared, Some(&bytes)).unwrap().0, 200);
        made(asking, &format!("/v1/uploads/{}/complete", text(&declared["id"])), &json!({}));
        self.files.retain(|(other, _)| other != path);
        self.files.push((path.into(), bytes));
    }

    /// Sends all bytes of an upload, and leaves it.
    fn send(&mut self, asking: &Asking, path: &str, method: &str, size: usize) {
        let bytes = bytes(77, size);
        let body = json!({ "path": path, "size": size, "content_type": "text/plain", "method": method });
        let declared = made(asking, "/v1/uploads", &body);
        let id = text(&declared["id"]);
        let signed = match method {
            "put" => declared,
            _ => {
                let parts = json!({ "parts": [{ "number": 1 }] });
                made(asking, &format!("/v1/uploads/{id}/parts"), &parts)["items"][0].clone()
            }
        };
        assert_eq!(asking.carried(&signed, Some(&bytes)).unwrap().0, 200);
        self.sent.push((id, path.into(), bytes));
    }

    fn claim(&mut self, asking: &Asking, kind: &'static str, (_, token): &(String, String), who: char) {
        assert_eq!(redeemed(asking, kind, token, &claim_key(who)), Some(200));
        self.claimed.push((kind, token.clone(), claim_key(who)));
    }

    /// Everything, as it was answered before or refused.
    ///
    /// # Errors
    /// What was answered otherwise.
    pub fn read(&self, served: &Served) -> Result<Found, String> {
        let asking = Asking::new(served, &self.key);
        let mut judge = Judge(Found::Right);
        for (path, known) in &self.known {
            match asking.tried("GET", path, None) {
                Some((200, answer)) if asking.comparable(&answer) == *known => {}
                other => judge.refused(path, other)?,
            }
        }
        match asking.tried("GET", "/v1/audit/verify", None) {
            Some((200, verified)) if verified["intact"] == true && verified["redemptions"]["proven"] == true => {
                if verified["records"].as_u64() < Some(self.records) {
                    return Err(format!("the trail is shorter, and is said to be intact: {verified}"));
                }
            }
            Some((200, _)) => judge.0 = Found::Refused,
            other => judge.refused("the trail", other)?,
        }
        for (path, bytes) in &self.files {
            judge.file(&asking, path, bytes)?;
        }
        for (kind, token, own) in &self.claimed {
            if redeemed(&asking, kind, token, &claim_key('z')) == Some(200) {
                return Err(format!("one of {kind} was claimed twice"));
            }
            judge.redeemed(redeemed(&asking, kind, token, own));
        }
        for (kind, token) in &self.revoked {
            if redeemed(&asking, kind, token, &claim_key('z')) == Some(200) {
                return Err(format!("one of {kind} was revoked, and is claimed"));
            }
        }
        for (kind, token) in &self.open {
            let first = redeemed(&asking, kind, token, &claim_key('y'));
            judge.redeemed(first);
            if redeemed(&asking, kind, token, &claim_key('z')) == Some(200) && first == Some(200) {
                return Err(format!("one of {kind} was claimed by two"));
            }
        }
        for (id, path, bytes) in &self.sent {
            let completing = || match asking.tried("POST", &format!("/v1/uploads/{id}/complete"), None) {
                Some((202, _)) => None,
                told => Some(told),
            };
            match until("it is verified", completing) {
                Some((200, _)) => judge.file(&asking, path, bytes)?,
                // What has not arrived whole is to be sent again, and that is said.
                Some((409, told)) if told["code"].as_str().is_some_and(|code| code.starts_with("upload_")) => {
                    judge.0 = Found::Refused;
                }
                other => judge.refused(path, other)?,
            }
        }
        Ok(judge.0)
    }
}

struct Judge(Found);

impl Judge {
    /// Something that is not right is to be refused, and not by words that say something else.
    fn refused(&mut self, what: &str, answered: Option<(u16, Value)>) -> Result<(), String> {
        self.0 = Found::Refused;
        match answered {
            None | Some((401 | 403 | 500.., _)) => Ok(()),
            Some((status, answer)) => Err(format!("{what} is answered by {status} {answer}")),
        }
    }

    fn redeemed(&mut self, status: Option<u16>) {
        if status != Some(200) {
            self.0 = Found::Refused;
        }
    }

    fn file(&mut self, asking: &Asking, path: &str, bytes: &[u8]) -> Result<(), String> {
        let signed = match asking.tried("POST", "/v1/objects/downloads", Some(&json!({ "path": path }))) {
            Some((200, signed)) => signed,
            other => return self.refused(path, other),
        };
        match asking.carried(&json!({ "url": signed["url"] }), None) {
            Some((200, found)) if found == bytes => {}
            Some((200, found)) => return Err(format!("{path} has other bytes, {} of them", found.len())),
            _ => self.0 = Found::Refused,
        }
        Ok(())
    }
}

fn share(asking: &Asking) -> (String, String) {
    minted(asking, "shares", json!({ "paths": ["docs/"], "permission": "read" }))
}

fn link(asking: &Asking, artifact: &str) -> (String, String) {
    minted(asking, "links", json!({ "artifact": artifact }))
}

fn minted(asking: &Asking, kind: &str, mut body: Value) -> (String, String) {
    body["expires_in"] = WEEK.into();
    body["access_expires_in"] = WEEK.into();
    let minted = made(asking, &format!("/v1/{kind}"), &body);
    (text(&minted["id"]), text(&minted["token"]))
}

fn redeemed(asking: &Asking, kind: &str, token: &str, claim_key: &str) -> Option<u16> {
    let body = json!({ "token": token, "claim_key": claim_key });
    Some(asking.tried("POST", &format!("/v1/{kind}/redeem"), Some(&body))?.0)
}

/// Writes what a store has in its journal into tables, as happens when there is much of it.
fn into_tables(store: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { EmbeddedStore::open(store).unwrap().forget().await.unwrap() });
}

fn removed(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

/// Files that are there already stay the same files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
