//! Short words for what publishers, recipients and uploaders do.

use std::{fs, path::Path, process::Command, sync::Barrier, thread};

use serde_json::{Value, json};

use crate::api::harness::{Answer, Api, Call, Minted, claim_key, text};

/// Why a link was not opened: one and the same for strangers.
pub const DEAD: (u16, &str) = (404, "dead_token");

/// A published artifact and its host.
pub struct Published {
    pub id: String,
    pub host: String,
}

/// A handoff code and where it is exchanged.
pub struct Handoff {
    pub host: String,
    pub code: String,
}

impl Api {
    /// Puts a file of this type into the vault.
    #[track_caller]
    pub fn put_file(&self, key: &str, path: &str, kind: &str, bytes: &[u8]) {
        let body = json!({ "path": path, "size": bytes.len(), "content_type": kind, "overwrite": true });
        let declared = self.post(key, "/v1/uploads", &body).expect(201);
        let put = self.put(&declared, bytes);
        assert!((200..300).contains(&put.status), "{put:?}");
        self.complete(key, &text(&declared, "id")).expect(200);
    }

    pub fn complete(&self, bearer: &str, id: &str) -> Answer {
        self.call("POST", &format!("/v1/uploads/{id}/complete")).bearer(bearer).send()
    }

    #[track_caller]
    pub fn publish(&self, key: &str, paths: &[&str]) -> Published {
        let artifact = self.post(key, "/v1/artifacts", &json!({ "paths": paths })).expect(201);
        let origin = text(&artifact, "origin");
        Published { id: text(&artifact, "id"), host: origin.strip_prefix("http://").unwrap().to_owned() }
    }

    /// Publishes one small file as the index.
    #[track_caller]
    pub fn publish_page(&self, key: &str) -> Published {
        self.put_file(key, "page/index.html", "text/html", b"<p>hello</p>");
        self.publish(key, &["page/"])
    }

    #[track_caller]
    pub fn link(&self, key: &str, artifact: &str, more: Value) -> Minted {
        let mut body = json!({ "artifact": artifact });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let minted = self.post(key, "/v1/links", &body).expect(201);
        Minted { id: text(&minted, "id"), token: text(&minted, "token"), url: text(&minted, "url") }
    }

    pub fn redeem_link(&self, token: &str, claim_key: &str) -> Answer {
        self.public("/v1/links/redeem", &json!({ "token": token, "claim_key": claim_key }))
    }

    pub fn redeem_with_password(&self, token: &str, claim_key: &str, password: &str) -> Answer {
        let body = json!({ "token": token, "claim_key": claim_key, "password": password });
        self.public("/v1/links/redeem", &body)
    }

    /// Redeems for a new claimant.
    #[track_caller]
    pub fn handoff(&self, token: &str) -> Handoff {
        Handoff::of(&self.redeem_link(token, &claim_key()).expect(200))
    }

    /// Exchanges a code as the page does: a form from the API's origin.
    pub fn enter(&self, host: &str, code: &str) -> Answer {
        self.entering(host, code).send()
    }

    pub fn entering(&self, host: &str, code: &str) -> Call<'_> {
        let form = format!("code={code}");
        self.call_content("POST", host, "/.cloakroom/enter")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", &format!("http://127.0.0.1:{}", self.ports[0]))
            .body(form.as_bytes())
    }

    /// The `Cookie` header of somebody who has just entered.
    #[track_caller]
    pub fn entered(&self, handoff: &Handoff) -> String {
        let answer = self.enter(&handoff.host, &handoff.code);
        assert_eq!(answer.status, 303, "{answer:?}");
        cookie_header(&answer)
    }

    /// An artifact's page with a new recipient in it: the host and the cookies.
    #[track_caller]
    pub fn admitted(&self, key: &str, artifact: &Published) -> String {
        self.entered(&self.handoff(&self.link(key, &artifact.id, json!({})).token))
    }

    /// A page of an artifact.
    pub fn browse(&self, host: &str, cookies: &str, path: &str) -> Answer {
        self.call_content("GET", host, path).header("cookie", cookies).send()
    }

    /// Sends the form of an upload that was declared with `post`.
    #[track_caller]
    pub fn send_form(&self, declared: &Value, bytes: &[u8]) -> Answer {
        self.form(declared, bytes).send()
    }

    #[track_caller]
    pub fn form(&self, declared: &Value, bytes: &[u8]) -> Call<'_> {
        let mut body = Vec::new();
        for (name, value) in declared["fields"].as_object().unwrap() {
            let value = value.as_str().unwrap();
            body.extend(
                format!("--BOUND\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
            );
        }
        body.extend(b"--BOUND\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n");
        body.extend(bytes);
        body.extend(b"\r\n--BOUND--\r\n");
        self.call_url("POST", &text(declared, "url"))
            .header("content-type", "multipart/form-data; boundary=BOUND")
            .body(&body)
    }

    #[track_caller]
    pub fn declare_as(&self, bearer: &str, body: &Value) -> Value {
        self.post(bearer, "/v1/uploads", body).expect(201)
    }

    /// Where an upload stands.
    #[track_caller]
    pub fn status_of(&self, bearer: &str, id: &str) -> String {
        text(&self.get(bearer, &format!("/v1/uploads/{id}")).expect(200), "status")
    }

    /// The bytes of a vault file.
    #[track_caller]
    pub fn file(&self, bearer: &str, path: &str) -> Vec<u8> {
        self.download(bearer, "/v1/objects/downloads", path)
    }

    /// The paths of the whole vault.
    #[track_caller]
    pub fn vault(&self, bearer: &str) -> Vec<String> {
        self.paths(bearer, "/v1/objects")
    }
}

impl Handoff {
    #[track_caller]
    pub fn of(opened: &Value) -> Self {
        let url = text(&opened["enter"], "url");
        let host = url.strip_prefix("http://").unwrap().strip_suffix("/.cloakroom/enter").unwrap().to_owned();
        Self { host, code: text(&opened["enter"], "code") }
    }
}

/// The cookies that an answer sets, as a browser sends them back.
pub fn cookie_header(answer: &Answer) -> String {
    let pairs = set_cookies(answer).into_iter().map(|cookie| cookie.split(';').next().unwrap().to_owned());
    pairs.collect::<Vec<_>>().join("; ")
}

pub fn set_cookies(answer: &Answer) -> Vec<String> {
    answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// The same text with the character at this place exchanged for another of its kind.
pub fn with_other(text: &str, place: usize) -> String {
    let new = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
    format!("{}{new}{}", &text[..place], &text[place + 1..])
}

/// What is answered to as many callers, who all begin at once.
pub fn at_once<T: Send>(callers: usize, call: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(callers);
    thread::scope(|scope| {
        let racing: Vec<_> = (0..callers)
            .map(|number| {
                let (call, start) = (&call, &start);
                scope.spawn(move || {
                    start.wait();
                    call(number)
                })
            })
            .collect();
        racing.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}

/// Whether these bytes are in any file below the folder.
pub fn is_on_disk(folder: &Path, wanted: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            is_on_disk(&path, wanted)
        } else {
            // A socket has no bytes.
            path.is_file() && fs::read(&path).unwrap().windows(wanted.len()).any(|window| window == wanted)
        }
    })
}

/// What is in a ZIP, read by Python: each name with its bytes as text.
#[track_caller]
pub fn unpacked(zip: &[u8]) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    fs::write(&path, zip).unwrap();
    let program = "import json, sys, zipfile\n\
         archive = zipfile.ZipFile(sys.argv[1])\n\
         assert archive.testzip() is None\n\
         print(json.dumps([(name, archive.read(name).decode()) for name in archive.namelist()]))";
    let read = Command::new("python3").args(["-c", program]).arg(&path).output().unwrap();
    assert!(read.status.success(), "{read:?}");
    // Another reader, by another hand.
    let tested = Command::new("unzip").arg("-tqq").arg(&path).output();
    assert!(tested.as_ref().is_err() || tested.as_ref().is_ok_and(|tested| tested.status.success()), "{tested:?}");
    serde_json::from_slice(&read.stdout).unwrap()
}
