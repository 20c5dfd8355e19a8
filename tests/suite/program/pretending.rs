//! Servers of somebody else's: they answer what a test wants, break off, and
//! remember what they were asked.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use super::process::Served;

/// A request, whole.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and target, as in `GET /x?y`.
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What is answered, and how much of it.
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// So many bytes of the body are sent before the line goes dead; none: not even a head.
    cut: Option<usize>,
}

impl Reply {
    pub fn bytes(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, body.to_string()).with("Content-Type", "application/json")
    }

    pub fn problem(status: u16, code: &str) -> Self {
        let kind = format!("urn:cloakroom:problem:{code}");
        let (title, detail) = (format!("title of {code}"), format!("detail of {code}"));
        Self::json(status, &json!({ "type": kind, "title": title, "status": status, "code": code, "detail": detail }))
    }

    /// No answer at all: the connection is closed.
    pub fn lost() -> Self {
        Self { cut: Some(usize::MAX), ..Self::bytes(200, "") }
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.into(), value.to_string()));
        self
    }

    /// The connection closes after so many bytes of the body.
    pub fn cut_after(self, bytes: usize) -> Self {
        Self { cut: Some(bytes), ..self }
    }

    fn send(self, mut connection: &TcpStream) -> std::io::Result<()> {
        let sent = match self.cut {
            Some(usize::MAX) => return Ok(()),
            Some(bytes) => &self.body[..bytes],
            None => &self.body,
        };
        let mut head = format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        connection.write_all((head + "Connection: close\r\n\r\n").as_bytes())?;
        connection.write_all(sent)
    }
}

/// A server on a port of its own.
#[derive(Clone)]
pub struct Pretender {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Pretender {
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), asked: Arc::default() };
        let (answer, asked) = (Arc::new(answer), server.asked.clone());
        thread::spawn(move || {
            while let Ok((connection, _)) = listener.accept() {
                let (answer, asked) = (answer.clone(), asked.clone());
                thread::spawn(move || {
                    // A client that goes away in the middle is what some tests are about.
                    if let Some(request) = read(&connection) {
                        asked.lock().unwrap().push(request.clone());
                        let _gone = answer(&request).send(&connection);
                    }
                });
            }
        });
        server
    }

    /// One that passes on to the API of a real broker; what it is not let to pass is lost.
    pub fn before(served: &Served, lets: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> Self {
        let url = served.url();
        Self::start(move |asked| {
            if !lets(asked) {
                return Reply::lost();
            }
            let (method, target) = asked.line.split_once(' ').unwrap();
            let mut request = ureq::http::Request::builder().method(method).uri(format!("{url}{target}"));
            for name in ["authorization", "content-type"] {
                if let Some(value) = asked.headers.get(name) {
                    request = request.header(name, value);
                }
            }
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_idle_connections(0)
                .proxy(None)
                .build()
                .into();
            let mut answer = match asked.body.as_slice() {
                [] => agent.run(request.body(()).unwrap()),
                body => agent.run(request.body(body.to_vec()).unwrap()),
            }
            .unwrap();
            let status = answer.status().as_u16();
            match serde_json::from_str::<Value>(&answer.body_mut().read_to_string().unwrap()) {
                Ok(body) => Reply::json(status, &body),
                Err(_) => Reply::bytes(status, ""),
            }
        })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests so far whose line begins like this.
    pub fn asked(&self, line: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.line.starts_with(line)).cloned().collect()
    }
}

fn read(mut connection: &TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
            let mut lines = head.lines();
            let line = lines.next()?.rsplit_once(' ')?.0.to_owned();
            let pairs = lines.filter_map(|line| line.split_once(": "));
            let headers: BTreeMap<_, _> = pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
            let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = bytes.split_off(end + 4);
            while body.len() < length {
                match connection.read(&mut piece).ok()? {
                    0 => return None,
                    read => body.extend(&piece[..read]),
                }
            }
            return Some(Asked { line, headers, body });
        }
        match connection.read(&mut piece).ok()? {
            0 => return None,
            read => bytes.extend(&piece[..read]),
        }
    }
}
