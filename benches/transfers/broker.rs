//! What a client does with the broker: declare, send, complete, fetch, delete.

use std::{net::SocketAddr, thread};

use serde_json::{Value, json};

use crate::client::{Around, Span, fetch, fetch_by, form, json, lines, send};

/// How a file is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Put,
    Post,
    Parts,
}

/// A broker's API, and a key that may do everything.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) api: SocketAddr,
    pub(crate) key: String,
}

impl Account {
    fn post(&self, path: &str, body: &Value, expected: u16) -> Value {
        json(self.api, "POST", path, &self.key, body, expected)
    }

    pub(crate) fn declare(&self, path: &str, size: u64, method: &str) -> Value {
        let mut body =
            json!({ "path": path, "size": size, "content_type": "application/octet-stream", "method": method });
        if method == "multipart" {
            // The checksums are the client's own work, which is not measured here.
            body["part_checksums"] = json!(false);
        }
        self.post("/v1/uploads", &body, 201)
    }

    /// Sends a file and completes it. Parts are sent by so many senders at once.
    pub(crate) fn upload(&self, path: &str, span: Span<'_>, method: Method, senders: u64) {
        let declared = match method {
            Method::Put => {
                let declared = self.declare(path, span.length, "put");
                send("PUT", text(&declared, "url"), &lines(&declared["headers"]), &Around::default(), span);
                declared
            }
            Method::Post => {
                let declared = self.declare(path, span.length, "post");
                let (headers, around) = form(&declared["fields"]);
                send("POST", text(&declared, "url"), &headers, &around, span);
                declared
            }
            Method::Parts => {
                let declared = self.declare(path, span.length, "multipart");
                self.send_parts(&declared, span, senders);
                declared
            }
        };
        self.complete(text(&declared, "id"));
    }

    fn send_parts(&self, declared: &Value, span: Span<'_>, senders: u64) {
        let count = declared["part_count"].as_u64().unwrap();
        let numbers: Vec<_> = (1..=count).map(|number| json!({ "number": number })).collect();
        let path = format!("/v1/uploads/{}/parts", text(declared, "id"));
        let signed = self.post(&path, &json!({ "parts": numbers }), 200);
        let signed = signed["items"].as_array().unwrap();
        thread::scope(|scope| {
            for sender in 0..senders as usize {
                scope.spawn(move || {
                    for part in signed.iter().skip(sender).step_by(senders as usize) {
                        let offset = span.offset + part["offset"].as_u64().unwrap();
                        let span = Span { offset, length: part["size"].as_u64().unwrap(), ..span };
                        send("PUT", text(part, "url"), &lines(&part["headers"]), &Around::default(), span);
                    }
                });
            }
        });
    }

    /// Completes, and asks again for as long as the broker verifies.
    fn complete(&self, id: &str) {
        let path = format!("/v1/uploads/{id}/complete");
        loop {
            let (status, answer) = crate::process::call(self.api, "POST", &path, &self.key, "");
            match status {
                200 => return,
                202 => thread::sleep(std::time::Duration::from_millis(20)),
                _ => panic!("{answer}"),
            }
        }
    }

    /// The URL of a download.
    pub(crate) fn download(&self, path: &str) -> String {
        let signed = self.post("/v1/objects/downloads", &json!({ "path": path }), 200);
        text(&signed, "url").to_owned()
    }

    pub(crate) fn fetch(&self, path: &str) -> u64 {
        fetch(&self.download(path))
    }

    /// A ZIP of this one file; tells how much it was.
    pub(crate) fn fetch_archive(&self, path: &str) -> u64 {
        let headers = format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", self.key);
        let url = format!("http://{}/v1/objects/archives", self.api);
        fetch_by("POST", &url, &headers, &json!({ "paths": [path] }).to_string())
    }

    pub(crate) fn delete(&self, path: &str) {
        json(self.api, "DELETE", &format!("/v1/objects/{path}"), &self.key, &Value::Null, 204);
    }
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}
