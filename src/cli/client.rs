//! A small client of the API, for the commands.

use clap::Args;
use serde_json::Value;
use ureq::{Agent, http::Response};

use crate::{crypto::secret::SecretText, domain::text::is_invisible, http::problem::ProblemDocument};

use super::Failed;

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

/// Talks to one server.
pub(super) struct Client {
    agent: Agent,
    url: String,
    key: Option<SecretText>,
}

/// An agent that gives every answer back as it is.
pub(super) fn agent() -> Agent {
    Agent::new_with_config(
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(std::time::Duration::from_secs(10)))
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
        Ok(Self { key: Some(SecretText::new(key.trim())), ..Self::public(&server.url) })
    }

    /// A client without a key.
    pub(super) fn public(url: &str) -> Self {
        Self { agent: agent(), url: url.trim_end_matches('/').to_owned(), key: None }
    }

    /// The same client with this bearer token instead.
    pub(super) fn bearing(self, token: SecretText) -> Self {
        Self { key: Some(token), ..self }
    }

    fn authorization(&self) -> Option<String> {
        self.key.as_ref().map(|key| format!("Bearer {}", key.expose()))
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Failed> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(value) = self.authorization() {
            request = request.header("Authorization", value);
        }
        self.answer(request.call())
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, Failed> {
        let mut request = self.agent.delete(format!("{}{path}", self.url));
        if let Some(value) = self.authorization() {
            request = request.header("Authorization", value);
        }
        self.answer(request.call())
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        if let Some(value) = self.authorization() {
            request = request.header("Authorization", value);
        }
        self.answer(request.send_json(body))
    }

    fn answer(&self, sent: Result<Response<ureq::Body>, ureq::Error>) -> Result<Value, Failed> {
        let mut response = sent.map_err(|fault| format!("{} cannot be reached: {fault}", self.url))?;
        let status = response.status();
        let text = response.body_mut().read_to_string()?;
        if status.is_success() {
            return if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) };
        }
        match serde_json::from_str::<ProblemDocument>(&text) {
            Ok(problem) => {
                let detail = problem.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
                let pointer = problem.pointer.map(|pointer| format!(" ({pointer})")).unwrap_or_default();
                Err(format!("{}{pointer}{detail}", problem.title).into())
            }
            Err(_) => Err(format!("{} answered {status}; is it a Cloakroom server?", self.url).into()),
        }
    }
}

/// A text field of an answer.
pub(super) fn text<'a>(answer: &'a Value, field: &str) -> &'a str {
    answer.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A name that others chose, on one line of a list.
pub(super) fn cleaned(name: &str) -> String {
    name.chars().map(|character| if is_invisible(character) { '\u{FFFD}' } else { character }).collect()
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
    fn names_cannot_steer_a_terminal() {
        assert_eq!(cleaned("a\u{1b}[31m\u{202e}b"), "a\u{fffd}[31m\u{fffd}b");
    }
}
