//! What connections cost that do nothing: each has had one answer, and is kept open.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use super::{
    data_directory,
    process::{Server, request},
};

const CONNECTIONS: [usize; 4] = [100, 1_000, 4_000, 10_000];

/// Open files that the broker needs beside two for each connection; what measures needs one for each.
const BESIDE: u64 = 1_000;

pub(crate) fn figures(program: &Path, workers: usize) -> Value {
    let most = allow_open_files();
    let (_folder, data) = data_directory();
    // Those of proxies are kept open for 75 seconds, others for 5.
    let settings = [
        ("CLOAKROOM_LIMITS", "off".to_owned()),
        ("CLOAKROOM_TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("CLOAKROOM_CONNECTIONS", "10240".to_owned()),
    ];
    let (server, _) = Server::start_with(program, &data, workers, &settings);
    let mut held: Vec<TcpStream> = Vec::new();
    let mut figures = json!({});
    let before = server.process.resident();
    println!("{:<34} {before:6.1} MB", "idle, no connections");
    for count in CONNECTIONS.map(|count| count.min(most)) {
        held.clear();
        held.resize_with(count, || answered_once(&server));
        let after = server.process.resident();
        // Nothing of it counts that was closed meanwhile.
        assert!(held.iter().all(is_open), "so many connections are not kept open for so long");
        let each = (after - before) * 1e3 / count as f64;
        println!("{:<34} {after:6.1} MB, {each:.1} kB each", format!("{count} connections"));
        figures[count.to_string()] = json!({ "resident_mb": after, "kb_each": each });
    }
    println!();
    figures
}

/// For how many connections there can be open files here.
fn allow_open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    limit.maximum.map_or(usize::MAX, |most| ((most - BESIDE) / 2) as usize)
}

/// A connection that is kept open after an answer.
fn answered_once(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.api).unwrap();
    stream.write_all(&request(server.api, "GET", "/healthz", "", "", "keep-alive")).unwrap();
    let mut answer = Vec::new();
    // Small answers come in one piece, but need not.
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut piece = [0; 4_096];
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "it closes the connection: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..length]);
    }
    stream
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    // Bytes of a body that were not read, or none yet; not the end.
    !matches!(stream.peek(&mut [0]), Ok(0))
}
