//! Requests as a stranger would bend them, and what comes back.

use std::collections::BTreeMap;

use ureq::{Agent, http::Request};

use crate::objects::SignedRequest;

/// No answer that is looked at is longer.
const LARGEST_ANSWER: u64 = 64 * 1024;

/// One request, in plain parts that a probe can bend.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The `Date` header.
    pub(super) date: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Sent {
    /// The signed request as it is, with this body.
    pub(super) fn of(signed: &SignedRequest, body: &[u8]) -> Self {
        Self { method: signed.method, url: signed.url.clone(), headers: signed.headers.clone(), body: body.to_vec() }
    }

    /// The signed form, its fields first and then this file.
    pub(super) fn form(signed: &SignedRequest, file: &[u8]) -> Self {
        // No field or file of ours has this line in it.
        const BOUNDARY: &str = "cloakroom-doctor-8f2c1b";
        let mut body = Vec::new();
        for (name, value) in &signed.fields {
            body.extend_from_slice(
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .as_bytes(),
            );
        }
        body.extend_from_slice(
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"probe\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(file);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = BTreeMap::from([("content-type".to_owned(), content_type)]);
        Self { method: "POST", url: signed.url.clone(), headers, body }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn url(self, url: String) -> Self {
        Self { url, ..self }
    }

    /// Sends it and waits for the answer.
    pub(super) fn send(&self, agent: &Agent) -> Result<Answer, String> {
        // A connection that the storage closed between two requests says nothing about the second.
        self.once(agent).or_else(|_| self.once(agent))
    }

    fn once(&self, agent: &Agent) -> Result<Answer, String> {
        let mut request = Request::builder().method(self.method).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let sent = match self.method {
            "GET" | "DELETE" => agent.run(request.body(()).map_err(|fault| fault.to_string())?),
            _ => agent.run(request.body(&self.body[..]).map_err(|fault| fault.to_string())?),
        };
        let sent = sent.map_err(|fault| match fault {
            // It would repeat the URL, which is a credential.
            ureq::Error::BadUri(_) => "the signed URL cannot be sent to".to_owned(),
            other => format!("the storage does not answer ({other})"),
        });
        let (parts, mut body) = sent?.into_parts();
        let date = parts.headers.get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
        let body = body.with_config().limit(LARGEST_ANSWER).read_to_vec().unwrap_or_default();
        Ok(Answer { status: parts.status.as_u16(), date, body })
    }
}

/// The URL with its signature changed: the parameter where there is one, else
/// the token at the end, not at its last letter, of which not every bit counts.
pub(super) fn tampered(url: &str) -> String {
    let position = url.find("X-Amz-Signature=").map_or(url.len().saturating_sub(12), |begin| begin + 20);
    let old = url.as_bytes().get(position).copied().unwrap_or_default();
    let new = if old == b'7' { "8" } else { "7" };
    match (url.get(..position), url.get(position + 1..)) {
        (Some(before), Some(after)) => format!("{before}{new}{after}"),
        _ => format!("{url}7"),
    }
}

/// The URL with this query parameter set to another value.
pub(super) fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let parameter = format!("{name}=");
    match url.split_once('?') {
        None => format!("{url}?{parameter}{value}"),
        Some((address, query)) => {
            let others = query.split('&').filter(|part| !part.starts_with(&parameter));
            let all: Vec<_> = others.map(str::to_owned).chain([format!("{parameter}{value}")]).collect();
            format!("{address}?{}", all.join("&"))
        }
    }
}

/// The value of this query parameter, as it is spelled there.
pub(super) fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_changes() {
        let url = "https://a.example/k?X-Amz-Date=x&X-Amz-Signature=0123456789abcdef";
        assert_eq!(tampered(url), "https://a.example/k?X-Amz-Date=x&X-Amz-Signature=0123756789abcdef");
        assert_eq!(tampered("https://a.example/o/abcdefghijklmnop"), "https://a.example/o/abcd7fghijklmnop");
    }

    #[test]
    fn a_parameter_is_replaced_or_added() {
        assert_eq!(with_parameter("http://a/k?x=1&y=2", "x", "3"), "http://a/k?y=2&x=3");
        assert_eq!(with_parameter("http://a/k", "x", "3"), "http://a/k?x=3");
        assert_eq!(parameter("http://a/k?xy=1&x=2%2F", "x"), Some("2%2F"));
        assert_eq!((parameter("http://a/x=1", "x"), parameter("http://a/k?xy=1", "x")), (None, None));
    }
}
