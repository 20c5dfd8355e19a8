//! Somebody who follows events: server-sent ones over a raw connection, and a WebSocket.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use cloakroom::clock::{Clock, SystemClock};
use serde_json::Value;

use super::harness::Api;

/// For how long a test waits for something to be sent, and for an event among what is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream of server-sent events.
pub struct Following {
    connection: BufReader<TcpStream>,
    /// What came of the body, and was not read yet.
    body: Vec<u8>,
    pub status: u16,
    pub head: String,
    /// The id of the last event.
    pub last: Option<u64>,
    /// The comments so far.
    pub comments: Vec<String>,
}

impl Api {
    /// Follows events with this key; `path` may have a query.
    #[track_caller]
    pub fn follow(&self, bearer: &str, path: &str, headers: &[(&str, &str)]) -> Following {
        let authorization = format!("Bearer {bearer}");
        let headers = [&[("authorization", authorization.as_str())], headers].concat();
        self.follow_as(path, &headers, TcpStream::connect(("127.0.0.1", self.ports[0])).unwrap())
    }

    /// Follows events over this connection.
    #[track_caller]
    pub fn follow_as(&self, path: &str, headers: &[(&str, &str)], connection: TcpStream) -> Following {
        let headers = [headers, &[("accept", "text/event-stream")]].concat();
        let (connection, head) = asked(self, path, &headers, connection);
        let status = head[9..12].parse().unwrap();
        Following { connection, body: Vec::new(), status, head, last: None, comments: Vec::new() }
    }
}

/// A GET that was sent, and the head of its answer.
fn asked(api: &Api, path: &str, headers: &[(&str, &str)], connection: TcpStream) -> (BufReader<TcpStream>, String) {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n", api.ports[0]);
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    (&connection).write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let (mut connection, mut head) = (BufReader::new(connection), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(connection.read_line(&mut head).unwrap(), 0, "{head}");
    }
    (connection, head)
}

impl Following {
    /// The whole of an answer that is no stream.
    pub fn refused(mut self) -> (u16, Value) {
        let line = self.head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; line.unwrap().parse().unwrap()];
        self.connection.read_exact(&mut body).unwrap();
        (self.status, serde_json::from_slice(&body).unwrap())
    }

    /// Another chunk of the body (RFC 9112, section 7.1); none at its end, nor where the connection broke.
    fn more(&mut self) -> Option<()> {
        let mut line = String::new();
        self.connection.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        self.connection.read_exact(&mut chunk).ok()?;
        self.body.extend(&chunk[..length]);
        (length > 0).then_some(())
    }

    /// The next event; none when there is none any more.
    #[track_caller]
    pub fn next(&mut self) -> Option<Value> {
        let clock = SystemClock::default();
        let begun = clock.now();
        loop {
            // The silence is filled, and would be waited through for ever.
            assert!(clock.now().since(begun) < PATIENCE, "in vain: nothing comes, and no end: {:?}", self.comments);
            while let Some(end) = self.body.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.body.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                self.comments.extend(field(":").map(str::to_owned));
                self.last = field("id:").map(|id| id.parse().unwrap()).or(self.last);
                if let Some(data) = field("data:") {
                    let event: Value = serde_json::from_str(data).unwrap();
                    assert_eq!(event["seq"].as_u64(), self.last, "the id of a message is the number of its event");
                    return Some(event);
                }
            }
            self.more()?;
        }
    }

    /// The next event.
    #[track_caller]
    pub fn event(&mut self) -> Value {
        let next = self.next();
        next.unwrap_or_else(|| panic!("it ended: {:?}", self.comments))
    }

    /// The events up to this one.
    #[track_caller]
    pub fn until(&mut self, seq: u64) -> Vec<Value> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Value| event["seq"].as_u64() < Some(seq)) {
            events.push(self.event());
        }
        events
    }

    /// What was said at its end, with whatever was told until then.
    #[track_caller]
    pub fn end(&mut self) -> String {
        while self.next().is_some() {}
        self.comments.last().cloned().unwrap_or_default()
    }
}

/// A WebSocket (RFC 6455), as far as a test needs one.
pub struct Socket {
    connection: BufReader<TcpStream>,
}

/// What came by a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Close(u16, String),
    /// The connection ended.
    Gone,
}

impl Api {
    /// Opens a WebSocket.
    ///
    /// # Errors
    /// The status and the code of a refusal.
    pub fn socket(&self, path: &str, headers: &[(&str, &str)]) -> Result<Socket, (u16, String)> {
        let upgrade = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "x3JJHMbDL1EzLkh9GBhXDw=="),
        ];
        let connection = TcpStream::connect(("127.0.0.1", self.ports[0])).unwrap();
        let (connection, head) = asked(self, path, &[&upgrade, headers].concat(), connection);
        if head.starts_with("HTTP/1.1 101") {
            assert!(head.to_lowercase().contains("sec-websocket-accept: hsmrc0smlyukagmm5oppg2hagwk="), "{head}");
            return Ok(Socket { connection });
        }
        let status = head[9..12].parse().unwrap();
        let answer = Following { connection, body: Vec::new(), status, head, last: None, comments: Vec::new() };
        let (status, problem) = answer.refused();
        Err((status, problem["code"].as_str().unwrap().to_owned()))
    }
}

impl Socket {
    /// What comes next; pings are passed over, and not answered.
    pub fn frame(&mut self) -> Frame {
        loop {
            let mut head = [0; 2];
            if self.connection.read_exact(&mut head).is_err() {
                return Frame::Gone;
            }
            let length = match head[1] {
                126 => self.number::<2>(),
                127 => self.number::<8>(),
                length => u64::from(length),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.connection.read_exact(&mut payload).unwrap();
            return match head[0] {
                0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
                0x89 => continue,
                0x88 if payload.is_empty() => Frame::Close(0, String::new()),
                0x88 => {
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    Frame::Close(code, String::from_utf8(payload[2..].to_vec()).unwrap())
                }
                other => panic!("{other:x}"),
            };
        }
    }

    fn number<const N: usize>(&mut self) -> u64 {
        let mut bytes = [0; N];
        self.connection.read_exact(&mut bytes).unwrap();
        bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    #[track_caller]
    pub fn event(&mut self) -> Value {
        match self.frame() {
            Frame::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a short text, under the mask that changes nothing.
    pub fn say(&mut self, text: &str) {
        let head = [0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        self.connection.get_mut().write_all(&[&head, text.as_bytes()].concat()).unwrap();
    }
}
