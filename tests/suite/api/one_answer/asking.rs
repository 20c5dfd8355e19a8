//! Requests as they go over the wire, and answers as they come: nothing between may hide a difference.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use crate::api::harness::Api;

/// One request, to the API or to the content listener.
pub struct Request {
    pub method: &'static str,
    pub path: String,
    /// None for the API's own.
    pub host: Option<String>,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Request {
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), host: None, headers: Vec::new(), body: String::new() }
    }

    pub fn json(path: &'static str, body: &serde_json::Value) -> Self {
        Self { body: body.to_string(), ..Self::new("POST", path).header("content-type", "application/json") }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn at(mut self, host: &str) -> Self {
        self.host = Some(host.into());
        self
    }
}

/// An answer, and the request id in it, where it has one.
#[derive(Clone)]
pub struct Answered {
    /// Status line, all headers in their order by name, and body; but for the request id and the time of day.
    pub text: String,
    /// Whether the connection ends with it: what a server does that has not read all that was sent.
    pub closes: bool,
    pub request: Option<String>,
}

impl Api {
    pub fn present(&self, request: &Request) -> Answered {
        let Request { method, path, host, headers, body } = request;
        let (port, host) = match host {
            Some(host) => (self.ports[1], host.clone()),
            None => (self.ports[0], format!("127.0.0.1:{}", self.ports[0])),
        };
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        let body = if ["GET", "HEAD"].contains(method) { "" } else { body };
        if !["GET", "HEAD"].contains(method) {
            text += &format!("content-length: {}\r\n", body.len());
        }
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
        stream.get_mut().write_all(format!("{text}\r\n{body}").as_bytes()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).unwrap(), 0, "{method} {path}: {head}");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.unwrap_or_else(|| panic!("{method} {path} is answered without a length: {head}"));
        let mut body = vec![0; if *method == "HEAD" { 0 } else { length.parse().unwrap() }];
        stream.read_exact(&mut body).unwrap();
        let (status, headers) = head.trim_end().split_once("\r\n").unwrap();
        // The server shuffles its headers anew for every answer.
        let mut headers: Vec<_> = headers.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
        headers.sort_unstable();
        let closes = headers.contains(&"connection: close");
        headers.retain(|line| *line != "connection: close");
        let request = headers.iter().find_map(|line| line.strip_prefix("request-id: ")).map(str::to_owned);
        let text = format!("{status}\n{}\n\n{}", headers.join("\n"), String::from_utf8(body).unwrap());
        let text = match &request {
            Some(id) => text.replace(id, "ID"),
            None => text,
        };
        Answered { text, closes, request }
    }
}

/// Every byte but letters and digits percent-encoded.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
