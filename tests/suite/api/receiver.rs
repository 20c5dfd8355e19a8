//! Somebody to whom webhooks send: real sockets, and answers as a test wants them.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::harness::text;

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Got {
    #[track_caller]
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).clone()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The type of the event.
    pub fn kind(&self) -> String {
        text(&self.json(), "type")
    }

    /// The number of the event in the ledger.
    pub fn seq(&self) -> u64 {
        self.json()["data"]["seq"].as_u64().unwrap()
    }
}

/// What a receiver does with a message.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers this, to the letter, and hangs up.
    Text(String),
    /// Answers nothing.
    Hang,
    /// Hangs up.
    Close,
    /// Answers 200, and then goes on and on.
    Endless,
    /// Never comes to the end of its headers.
    EndlessHeaders,
}

/// An answer without a body.
pub fn status(status: u16) -> Reply {
    answer(status, "")
}

/// The same with other headers, each with its line end.
pub fn answer(status: u16, headers: &str) -> Reply {
    Reply::Text(format!("HTTP/1.1 {status} Whatever\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n"))
}

type Rule = Box<dyn FnMut(&Got) -> Reply + Send>;

/// A receiver on this machine. It takes everything until it is told otherwise.
pub struct Receiver {
    pub port: u16,
    got: Arc<Mutex<Vec<Got>>>,
    rule: Arc<Mutex<Rule>>,
}

impl Receiver {
    pub fn new() -> Self {
        Self::that(|_| status(204))
    }

    /// One that does as it is told.
    pub fn that(rule: impl FnMut(&Got) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
        let (all, rules) = (got.clone(), rule.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (all, rules) = (all.clone(), rules.clone());
                thread::spawn(move || serve(stream, &all, &rules));
            }
        });
        Self { port, got, rule }
    }

    /// From now on it does as it is told.
    pub fn now(&self, rule: impl FnMut(&Got) -> Reply + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// All that came so far.
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// What came of these types.
    pub fn of(&self, kind: &str) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.kind() == kind).collect()
    }

    /// Forgets what came.
    pub fn forget(&self) {
        self.got.lock().unwrap().clear();
    }

    /// Waits until something has come that this finds.
    #[track_caller]
    pub fn until<T>(&self, find: impl Fn(&[Got]) -> Option<T>) -> T {
        // A minute.
        for _ in 0..6_000 {
            if let Some(found) = find(&self.got()) {
                return found;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it did not come: {:?}", self.got());
    }
}

fn serve(mut stream: TcpStream, all: &Mutex<Vec<Got>>, rules: &Mutex<Rule>) {
    let Some(got) = read(&stream) else { return };
    let reply = (rules.lock().unwrap())(&got);
    all.lock().unwrap().push(got);
    match reply {
        Reply::Text(text) => drop(stream.write_all(text.as_bytes())),
        Reply::Close => {}
        // Until the other side has had enough.
        Reply::Hang => drop(stream.read(&mut [0])),
        Reply::Endless => {
            let begun = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            if begun.is_ok() {
                while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
            }
        }
        Reply::EndlessHeaders => {
            let begun = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            if begun.is_ok() {
                while stream.write_all(b"x-more: and more\r\n").is_ok() {}
            }
        }
    }
}

fn read(stream: &TcpStream) -> Option<Got> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    assert!(line.starts_with("POST "), "{line}");
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        assert!(headers.insert(name.to_ascii_lowercase(), value.to_owned()).is_none(), "{name} came twice");
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Got { path, headers, body })
}
