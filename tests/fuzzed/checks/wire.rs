//! One connection, what is sent on it, and what comes back until it ends: read by hand, since a client that is kind would
//! forgive an answer that is not well-formed.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

/// Nothing that is asked here takes longer, on a machine that is slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// Nor is anything larger.
const LARGEST: usize = 16 * 1024 * 1024;

/// What came back.
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}\n{}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    /// A header that is there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "two of {name}: {self:?}");
        value
    }
}

/// Sends the bytes of a request, and reads the answer. `is_all` says that nothing will follow, as whoever hangs up does.
pub fn ask(port: u16, request: &[u8], is_all: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // Whoever is refused before all was read may be hung up on.
    let _ = stream.write_all(request);
    if is_all {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let (mut answer, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return answer,
            Ok(read) => answer.extend_from_slice(&piece[..read]),
            Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("there is no end of it after {PATIENCE:?}: {}", String::from_utf8_lossy(&answer))
            }
            // A connection that is reset has been answered too: with what came before.
            Err(_) => return answer,
        }
        // What goes on for ever is told by its head.
        if never_ends(&answer) {
            return answer;
        }
        assert!(answer.len() < LARGEST, "there is no end of it");
    }
}

fn never_ends(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&answer[..answer.len().min(4096)]);
    let head = text.split_once("\r\n\r\n").map(|(head, _)| head);
    head.is_some_and(|head| head.starts_with("HTTP/1.1 101") || head.contains("content-type: text/event-stream"))
}

/// Takes the first answer off these bytes; none, where nothing came. What is not one is a fault.
pub fn read(bytes: &[u8], to_head: bool) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end else {
        assert!(bytes.is_empty(), "no answer: {}", String::from_utf8_lossy(bytes));
        return None;
    };
    let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok());
    let status: u16 = status.unwrap_or_else(|| panic!("no status: {head}"));
    let after = &bytes[end + 4..];
    if status == 100 {
        return read(after, to_head);
    }
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line:?} in {head}"));
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let mut answer = Answer { status, headers: lines.map(header).collect(), body: Vec::new() };
    if !never_ends(bytes) && !to_head && !matches!(status, 204 | 304) {
        let is_chunked = answer.header("transfer-encoding") == Some("chunked");
        let length = answer.header("content-length").map(|length| length.parse::<usize>().expect("a length"));
        answer.body = match length {
            _ if is_chunked => unchunked(after),
            Some(length) => after.get(..length).unwrap_or_else(|| panic!("cut off: {answer:?}")).to_vec(),
            None => after.to_vec(),
        };
    }
    Some(answer)
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("the length of a chunk");
        let length = std::str::from_utf8(&rest[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let length = length.expect("the length of a chunk");
        rest = &rest[end + 2..];
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[..length]);
        rest = rest[length..].strip_prefix(b"\r\n").expect("the end of a chunk");
    }
}
