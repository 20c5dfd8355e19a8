//! Requests as they are built and sent, and what comes back.

use cloakroom::http::problem::ProblemDocument;
use serde_json::Value;
use ureq::http::{HeaderMap, Request};

use super::harness::Api;

/// One request, to be built and sent.
pub struct Call<'api> {
    agent: &'api ureq::Agent,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Api {
    /// A request to the API. `path` is sent as it is.
    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        self.call_url(method, &format!("http://127.0.0.1:{}{path}", self.ports[0]))
    }

    /// A request to the content listener under any host name: no name service is asked.
    pub fn call_content(&self, method: &str, host: &str, path: &str) -> Call<'_> {
        self.call_url(method, &format!("http://127.0.0.1:{}{path}", self.ports[1])).header("host", host)
    }

    /// What the operator's listener tells Prometheus.
    pub fn metrics(&self) -> String {
        let answer = self.call_url("GET", &format!("http://127.0.0.1:{}/metrics", self.ports[2])).send();
        String::from_utf8(answer.body).unwrap()
    }

    /// A request to any URL, such as a signed one.
    pub fn call_url(&self, method: &str, url: &str) -> Call<'_> {
        Call { agent: &self.agent, method: method.into(), url: url.into(), headers: Vec::new(), body: None }
    }

    pub fn get(&self, bearer: &str, path: &str) -> Answer {
        self.call("GET", path).bearer(bearer).send()
    }

    pub fn delete(&self, bearer: &str, path: &str) -> Answer {
        self.call("DELETE", path).bearer(bearer).send()
    }

    pub fn post(&self, bearer: &str, path: &str, body: &Value) -> Answer {
        self.call("POST", path).bearer(bearer).json(body).send()
    }

    /// A POST without any credential.
    pub fn public(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path).json(body).send()
    }
}

impl Call<'_> {
    pub fn bearer(self, secret: &str) -> Self {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string().as_bytes())
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    #[track_caller]
    pub fn send(self) -> Answer {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let carries = !matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS");
        let answer = match self.body {
            None if !carries => self.agent.run(request.body(()).unwrap()),
            None => self.agent.run(request.body(&[] as &[u8]).unwrap()),
            Some(body) => self.agent.run(request.body(body.as_slice()).unwrap()),
        };
        let (parts, mut body) = answer.unwrap_or_else(|fault| panic!("{}: {fault}", self.url)).into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.with_config().limit(1 << 30).read_to_vec().unwrap(),
        }
    }
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:#?}\n{}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of a cookie that is set.
    #[track_caller]
    pub fn cookie(&self, name: &str) -> String {
        let set = self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        let value = set.filter_map(|cookie| cookie.strip_prefix(name)?.strip_prefix('=')).next();
        value.unwrap_or_else(|| panic!("no {name}: {self:?}")).split(';').next().unwrap().to_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }

    /// The body, once the status is this.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem document, once it is one of this status and code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> ProblemDocument {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let document: ProblemDocument = serde_json::from_slice(&self.body).unwrap();
        assert_eq!((document.status, document.code.as_str()), (status, code), "{self:?}");
        assert_eq!(document.kind, format!("urn:cloakroom:problem:{code}"));
        assert_eq!(document.request_id.as_deref(), Some(self.header("request-id")), "{self:?}");
        document
    }

    /// Status, headers and body as text, without what differs from answer to
    /// answer by itself: the request id and the time of day.
    pub fn but_for_the_request_id(&self) -> String {
        let id = self.header("request-id");
        assert!(id.starts_with("req_"), "{self:?}");
        let body = String::from_utf8_lossy(&self.body).replace(id, "…");
        let mut headers: Vec<_> = self.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.retain(|line| !line.starts_with("date:") && !line.starts_with("request-id:"));
        headers.sort_unstable();
        format!("{}\n{}\n\n{body}", self.status, headers.join("\n"))
    }

    /// One text field of the body.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        text(&self.json(), name)
    }
}

/// What is answered in the end. Under a crowd an emulator may be too slow, which is told with 503, or of a completion
/// with 202; and whoever asks again gets what is theirs.
#[track_caller]
pub fn insisting(ask: impl Fn() -> Answer) -> Answer {
    let mut answers = (0..100).map(|_| ask());
    answers.find(|answer| ![202, 503].contains(&answer.status)).expect("an answer in the end")
}

/// One text field of an object.
#[track_caller]
pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}
