//! A small client of the API, for the commands.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::Args;
use serde_json::Value;
use ureq::{Agent, http::Request};

use crate::{
    crypto::secret::SecretText,
    domain::text::is_invisible,
    entropy::{Entropy, SystemEntropy},
    outward,
};

use super::{
    Failed,
    claim::Claim,
    fault::{Fault, patiently, retry_after},
};

/// How long a connection may be silent. Completing a large upload takes a server a while.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);

/// How long a stream of events may pause: something comes every quarter of a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// No list has more pages; a server that tells more goes round in circles.
const MOST_PAGES: usize = 2_000;

/// Which server, and with which key.
#[derive(Args, Debug)]
pub(super) struct Server {
    /// The server
    #[arg(long, global = true, env = "CLOAKROOM_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(super) url: String,
    /// The file with your API key, when it is not in CLOAKROOM_API_KEY
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<std::path::PathBuf>,
}

/// Talks to one server, from as many threads as one likes.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    url: String,
    credential: Credential,
    /// Whether anything ever answered.
    was_reached: Arc<AtomicBool>,
}

/// Who the client says that it is.
#[derive(Clone)]
enum Credential {
    Nobody,
    Key(SecretText),
    Claim(Arc<Claim>),
}

/// An answer of the API that is no refusal.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether there is more to come: 202.
    pub(super) is_preliminary: bool,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// The body.
    pub(super) body: Value,
}

/// An agent that gives every answer back as it is, and hangs on none for ever.
pub(super) fn agent() -> Agent {
    Agent::new_with_config(
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_per_read(Some(LONGEST_SILENCE))
            .timeout_per_write(Some(LONGEST_SILENCE))
            .tls_config(outward::trust())
            .build(),
    )
}

impl Client {
    /// A client with the caller's API key.
    pub(super) fn with_key(server: &Server) -> Result<Self, Failed> {
        // From a file or the environment, never an argument: those are seen by others.
        let key = match &server.key_file {
            Some(file) => std::fs::read_to_string(file).map_err(|fault| format!("{}: {fault}", file.display()))?,
            None => std::env::var("CLOAKROOM_API_KEY")
                .map_err(|_| "set CLOAKROOM_API_KEY to your API key, or name its file with --key-file")?,
        };
        Ok(Self { credential: Credential::Key(SecretText::new(key.trim())), ..Self::public(&server.url) })
    }

    /// A client without a key.
    pub(super) fn public(url: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { agent: agent(), url, credential: Credential::Nobody, was_reached: Arc::default() }
    }

    /// The same client with the credential of a claim instead.
    pub(super) fn claiming(self, claim: Arc<Claim>) -> Self {
        Self { credential: Credential::Claim(claim), ..self }
    }

    /// The server's URL, without a slash at its end.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Fault> {
        self.ask("GET", path, None).map(|answer| answer.body)
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, Fault> {
        self.ask("DELETE", path, None).map(|answer| answer.body)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.ask("POST", path, Some(body)).map(|answer| answer.body)
    }

    /// Creates something. Where an answer is lost, it is asked for again under the same key, and created once.
    pub(super) fn create(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let once = base16ct::lower::encode_string(&(&SystemEntropy as &dyn Entropy).bytes::<16>());
        patiently(|| self.send("POST", path, Some(body), Some(&once)).map(|answer| answer.body))
    }

    /// Events, read as they come: after this number, or from now on.
    pub(super) fn stream(&self, path: &str, after: Option<u64>) -> Result<impl Read + use<>, Fault> {
        let mut request = Request::builder().uri(format!("{}{path}", self.url)).header("Accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        if let Credential::Key(key) = &self.credential {
            request = request.header("Authorization", format!("Bearer {}", key.expose()));
        }
        let request = request.body(()).map_err(|fault| Fault::other(&fault))?;
        let request = self.agent.configure_request(request).timeout_per_read(Some(LONGEST_PAUSE)).build();
        let unreachable = |fault| Fault::unreachable(&self.url, self.was_reached.load(Ordering::Relaxed), &fault);
        let mut response = self.agent.run(request).map_err(unreachable)?;
        self.was_reached.store(true, Ordering::Relaxed);
        if response.status().is_success() {
            return Ok(response.into_body().into_reader());
        }
        let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
        let text = response.body_mut().read_to_string().map_err(unreachable)?;
        Err(Fault::refused(&self.url, status, &text, retry_after))
    }

    /// One request, once.
    pub(super) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Fault> {
        self.send(method, path, body, None)
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>, once: Option<&str>) -> Result<Answer, Fault> {
        let bearer = match &self.credential {
            Credential::Nobody => None,
            Credential::Key(key) => Some(key.clone()),
            Credential::Claim(claim) => Some(claim.credential()),
        };
        let answer = self.send_as(bearer.as_ref(), method, path, body, once);
        match (answer, &self.credential, bearer) {
            (Err(fault), Credential::Claim(claim), Some(stale)) if fault.status == Some(401) => {
                self.send_as(Some(&claim.renew(&stale)?), method, path, body, once)
            }
            (answer, ..) => answer,
        }
    }

    /// Lines of JSON.
    pub(super) fn lines(&self, path: &str) -> Result<Vec<Value>, Fault> {
        let bearer = match &self.credential {
            Credential::Key(key) => Some(key),
            Credential::Nobody | Credential::Claim(_) => None,
        };
        let Told { text, .. } = self.tell(bearer, "GET", path, None, None)?;
        let lines: Result<Vec<_>, _> = text.lines().map(serde_json::from_str).collect();
        lines.map_err(|_| Fault::other(&format!("{} does not answer as Cloakroom does", self.url)))
    }

    fn send_as(
        &self,
        bearer: Option<&SecretText>,
        method: &str,
        path: &str,
        body: Option<&Value>,
        once: Option<&str>,
    ) -> Result<Answer, Fault> {
        let Told { status, retry_after, text } = self.tell(bearer, method, path, body, once)?;
        let body = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text) };
        let body = body.map_err(|_| Fault::other(&format!("{} does not answer as Cloakroom does", self.url)))?;
        Ok(Answer { is_preliminary: status == 202, retry_after, body })
    }

    fn tell(
        &self,
        bearer: Option<&SecretText>,
        method: &str,
        path: &str,
        body: Option<&Value>,
        once: Option<&str>,
    ) -> Result<Told, Fault> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(once) = once {
            request = request.header("Idempotency-Key", once);
        }
        if let Some(bearer) = bearer {
            request = request.header("Authorization", format!("Bearer {}", bearer.expose()));
        }
        let sent = match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json").body(body.to_string());
                self.agent.run(request.map_err(|fault| Fault::other(&fault))?)
            }
            None => self.agent.run(request.body(()).map_err(|fault| Fault::other(&fault))?),
        };
        let unreachable = |fault| Fault::unreachable(&self.url, self.was_reached.load(Ordering::Relaxed), &fault);
        let mut response = sent.map_err(unreachable)?;
        self.was_reached.store(true, Ordering::Relaxed);
        let status = response.status();
        let retry_after = retry_after(&response);
        let text = response.body_mut().read_to_string().map_err(unreachable)?;
        if !status.is_success() {
            return Err(Fault::refused(&self.url, status.as_u16(), &text, retry_after));
        }
        Ok(Told { status: status.as_u16(), retry_after, text })
    }
}

/// What was answered, as it came.
struct Told {
    status: u16,
    retry_after: Option<Duration>,
    text: String,
}

/// The items of all pages of a list; `ask` gets what to add to the query for the next page.
pub(super) fn all_pages(mut ask: impl FnMut(&str) -> Result<Value, Fault>) -> Result<Vec<Value>, Fault> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    for _ in 0..MOST_PAGES {
        let mut page = ask(&cursor)?;
        items.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => return Ok(items),
        }
    }
    Err(Fault::other(&"the server's list does not end"))
}

/// A text field of an answer.
pub(super) fn text<'a>(answer: &'a Value, field: &str) -> &'a str {
    answer.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A path in a URL; slashes stay.
pub(super) fn encoded(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encode = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(encode).collect()
}

/// A name that others chose, on one line of a list.
pub(super) fn cleaned(name: &str) -> String {
    name.chars().map(|character| if is_invisible(character) { '\u{FFFD}' } else { character }).collect()
}

/// JSON on one line, with characters escaped that a terminal must not be given as they are.
pub(super) fn json_line(value: &Value) -> String {
    let mut line = String::new();
    for character in value.to_string().chars() {
        if is_invisible(character) {
            // Within strings alone: there are none between them.
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| line += &format!("\\u{unit:04x}"));
        } else {
            line.push(character);
        }
    }
    line
}

/// A number of bytes as people say it.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// So many of something: `1 file`, `2 files`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_say_them() {
        for (count, expected) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (999_999, "1.0 MB"), (5_368_709_120, "5.4 GB")]
        {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn a_list_is_read_to_its_end_and_one_without_end_is_given_up() {
        let page = |cursor: &str| match cursor {
            "" => serde_json::json!({ "items": [1, 2], "next_cursor": "a b" }),
            "&cursor=a%20b" => serde_json::json!({ "items": [3], "next_cursor": null }),
            _ => panic!("{cursor}"),
        };
        assert_eq!(all_pages(|cursor| Ok(page(cursor))).unwrap(), [1, 2, 3]);
        assert!(all_pages(|_| Ok(serde_json::json!({ "items": [], "next_cursor": "x" }))).is_err());
    }

    #[test]
    fn paths_go_into_urls_encoded() {
        assert_eq!(encoded("docs/a b%é?#.txt"), "docs/a%20b%25%C3%A9%3F%23.txt");
    }

    #[test]
    fn json_means_the_same_and_steers_nothing() {
        let value = serde_json::json!({ "a\u{202e}": "\u{e0001}\u{1b}ä" });
        let line = json_line(&value);
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
        assert!(!line.contains(is_invisible) && line.contains('ä'));
    }

    #[test]
    fn names_cannot_steer_a_terminal() {
        assert_eq!(cleaned("a\u{1b}[31m\u{202e}b"), "a\u{fffd}[31m\u{fffd}b");
    }
}
