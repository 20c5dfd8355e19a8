//! Signed requests to object storage, wherever a server says that it is.

use std::io::Read;

use serde_json::Value;
use ureq::{Agent, Body, SendBody, http::Response};

use super::{
    client::agent,
    fault::{Fault, retry_after},
};

/// Follows signed URLs that one server hands out.
#[derive(Clone)]
pub(super) struct Storage {
    agent: Agent,
    /// Whether what a server says came over TLS, and so has to stay on it.
    is_secure: bool,
}

impl Storage {
    /// For URLs from this server.
    pub(super) fn of(server: &str) -> Self {
        Self { agent: agent(), is_secure: server.starts_with("https:") }
    }

    /// Sends exactly these bytes under exactly these headers.
    pub(super) fn put(&self, url: &str, headers: &Value, length: u64, mut body: impl Read) -> Result<(), Fault> {
        self.check(url)?;
        let mut request = self.agent.put(url).header("Content-Length", length.to_string());
        for (name, value) in headers.as_object().into_iter().flatten() {
            if !name.eq_ignore_ascii_case("content-length") {
                request = request.header(name, value.as_str().unwrap_or_default());
            }
        }
        accepted(url, request.send(SendBody::from_reader(&mut body))).map(|_| ())
    }

    /// Asks for the bytes from an offset on, if they are still those of the ETag.
    pub(super) fn get(&self, url: &str, from: u64, etag: Option<&str>) -> Result<Response<Body>, Fault> {
        self.check(url)?;
        let mut request = self.agent.get(url);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
            if let Some(etag) = etag {
                request = request.header("If-Range", etag);
            }
        }
        accepted(url, request.call())
    }

    fn check(&self, url: &str) -> Result<(), Fault> {
        if self.is_secure && !url.starts_with("https:") {
            return Err(Fault::other(&format!("{}: the server is on https, its storage is not", origin(url))));
        }
        Ok(())
    }
}

fn accepted(url: &str, sent: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Fault> {
    // Whoever sees all of a signed URL can use it.
    let mut response = sent.map_err(|fault| Fault::unreachable(origin(url), true, &fault))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let wanted = retry_after(&response);
    let said = response.body_mut().read_to_string().unwrap_or_default();
    Err(Fault::of_storage(response.status().as_u16(), &said, wanted))
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_signed_url_no_more_than_its_origin_is_shown() {
        for url in ["http://s:1/o/secret?x", "http://s:1?x", "http://s:1"] {
            assert_eq!(origin(url), "http://s:1");
        }
    }

    #[test]
    fn what_began_on_tls_stays_on_it() {
        let fault = Storage::of("https://a.example").put("http://b.example/x", &Value::Null, 0, &b""[..]).unwrap_err();
        assert!(fault.to_string().contains("http://b.example: the server is on https"));
    }
}
