//! The client: it hands over bytes of a file without touching them, and drops
//! what it is sent, so that little of what is measured is its own work.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use serde_json::Value;

use crate::process::call;

/// How much is read or written at a time, where that is chosen here.
pub(crate) const PIECE: usize = 256 * 1024;

/// Some bytes of a file.
#[derive(Clone, Copy)]
pub(crate) struct Span<'a> {
    pub(crate) file: &'a Path,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl<'a> Span<'a> {
    /// The same bytes as so many spans, as even as can be.
    pub(crate) fn divided(self, count: u64) -> impl Iterator<Item = Span<'a>> {
        (0..count).map(move |index| {
            let begin = self.length * index / count;
            let end = self.length * (index + 1) / count;
            Span { file: self.file, offset: self.offset + begin, length: end - begin }
        })
    }

    pub(crate) fn open(self) -> io::Take<File> {
        let mut file = File::open(self.file).unwrap();
        file.seek(SeekFrom::Start(self.offset)).unwrap();
        file.take(self.length)
    }
}

/// A request of the API that must be answered with this status.
pub(crate) fn json(api: SocketAddr, method: &str, path: &str, key: &str, body: &Value, expected: u16) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = call(api, method, path, key, &body);
    assert_eq!(status, expected, "{method} {path}: {answer}");
    if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
}

/// What stands around the bytes of a file in the body of a request.
#[derive(Default)]
pub(crate) struct Around {
    pub(crate) before: String,
    pub(crate) after: String,
}

/// A form with these fields, and then a file.
pub(crate) fn form(fields: &Value) -> (String, Around) {
    const BOUNDARY: &str = "a-boundary-that-is-in-no-file";
    let mut before = String::new();
    for (name, value) in fields.as_object().unwrap() {
        let value = value.as_str().unwrap();
        before += &format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    before += &format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    let around = Around { before, after: format!("\r\n--{BOUNDARY}--\r\n") };
    (format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\n"), around)
}

/// The headers of a signed request, as lines.
pub(crate) fn lines(headers: &Value) -> String {
    let headers = headers.as_object().into_iter().flatten();
    headers.map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap())).collect()
}

/// Sends bytes of a file to a URL of this machine, over a connection of its own.
pub(crate) fn send(method: &str, url: &str, headers: &str, around: &Around, span: Span<'_>) {
    let (mut stream, host, path) = connected(url);
    let length = around.before.len() as u64 + span.length + around.after.len() as u64;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{}",
        around.before
    );
    stream.write_all(head.as_bytes()).unwrap();
    // From a file into a socket: `sendfile`.
    let sent = io::copy(&mut span.open(), &mut stream).and_then(|_| stream.write_all(around.after.as_bytes()));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(matches!(answer.get(9..12), Some("200" | "201" | "204")), "{method}: {answer}");
    sent.unwrap();
}

/// Reads what a URL of this machine gives, and drops it; tells how much it was.
pub(crate) fn fetch(url: &str) -> u64 {
    fetch_by("GET", url, "", "")
}

/// The same by another method, with more headers and a body. Counts what marks off chunks, too.
pub(crate) fn fetch_by(method: &str, url: &str, headers: &str, body: &str) -> u64 {
    let (mut stream, host, path) = connected(url);
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut piece = vec![0; PIECE];
    let (mut filled, mut end) = (0, None);
    while end.is_none() {
        let read = stream.read(&mut piece[filled..]).unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&piece[..filled]));
        filled += read;
        end = piece[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n");
    }
    assert_eq!(&piece[9..12], b"200", "{}", String::from_utf8_lossy(&piece[..filled]));
    let mut received = (filled - end.unwrap() - 4) as u64;
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => return received,
            read => received += read as u64,
        }
    }
}

/// Where a URL leads, which is always this machine: a connection, the host by its name, and the path.
fn connected(url: &str) -> (TcpStream, &str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, _) = rest.split_once('/').unwrap();
    let port = host.rsplit_once(':').unwrap().1.parse().unwrap();
    let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    (stream, host, &rest[host.len()..])
}
