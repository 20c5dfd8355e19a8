//! An issuer of our own, on a real socket: it publishes what a test wants, and misbehaves as it wants.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use super::signer::Signer;

/// How it answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Proper,
    /// It hangs up.
    Gone,
    /// Not at all, and the connection stays open.
    Silent,
    /// With this status line and header, and the right body.
    Status(&'static str),
    /// So many bytes of keys.
    Endless(usize),
}

pub struct Published {
    pub metadata: Value,
    pub keys: Value,
    /// The status and the body of the token endpoint.
    pub tokens: (&'static str, Value),
    pub manner: Manner,
    /// Path and head and body of each request, in order.
    pub requests: Vec<(String, String)>,
}

/// It listens until the tests end.
pub struct OwnIssuer {
    url: String,
    published: Arc<Mutex<Published>>,
}

impl OwnIssuer {
    /// It publishes these keys.
    pub fn with(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/realm", listener.local_addr().unwrap());
        let metadata = json!({
            "issuer": url, "jwks_uri": format!("{url}/keys"),
            "authorization_endpoint": format!("{url}/authorize?x=1"), "token_endpoint": format!("{url}/token"),
        });
        let published = Published {
            metadata,
            keys: Value::Null,
            tokens: ("200 OK", json!({})),
            manner: Manner::Proper,
            requests: Vec::new(),
        };
        let issuer = Self { url, published: Arc::new(Mutex::new(published)) };
        issuer.publish(signers);
        let published = Arc::clone(&issuer.published);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let published = Arc::clone(&published);
                thread::spawn(move || answer(connection.unwrap(), &published));
            }
        });
        issuer
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
        self.change(|published| published.keys = json!({ "keys": keys }));
    }

    pub fn behave(&self, manner: Manner) {
        self.change(|published| published.manner = manner);
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut Published) -> T) -> T {
        change(&mut self.published.lock().unwrap())
    }

    /// How often it was asked for this path.
    pub fn asked(&self, path: &str) -> usize {
        self.change(|published| published.requests.iter().filter(|(head, _)| head.contains(path)).count())
    }
}

/// The head and the body of a request.
fn request(connection: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    connection.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

fn answer(mut connection: TcpStream, published: &Mutex<Published>) {
    let Some((head, body)) = request(&mut connection) else { return };
    let (path, manner, answer) = {
        let mut published = published.lock().unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        published.requests.push((head, body));
        let (status, document) = match path.as_str() {
            "/realm/.well-known/openid-configuration" => ("200 OK", published.metadata.clone()),
            "/realm/keys" => ("200 OK", published.keys.clone()),
            "/realm/token" => published.tokens.clone(),
            other => panic!("nobody should ask for {other}"),
        };
        (path, published.manner.clone(), (status, document.to_string()))
    };
    let (status, body) = answer;
    let status = match manner {
        Manner::Proper => status,
        Manner::Gone => return,
        Manner::Silent => {
            let _until_they_hang_up = connection.read_to_end(&mut Vec::new());
            return;
        }
        Manner::Status(status) => status,
        Manner::Endless(bytes) if path.ends_with("/keys") => return endless(connection, bytes),
        Manner::Endless(_) => status,
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _written = connection.write_all((head + &body).as_bytes());
}

/// Keys that never come to an end that anybody would wait for.
fn endless(mut connection: TcpStream, bytes: usize) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n{{\"keys\":[");
    let mut written = connection.write_all(head.as_bytes());
    for _ in 0..bytes / 65_536 {
        if written.is_err() {
            return;
        }
        written = connection.write_all(&[b' '; 65_536]);
    }
}
