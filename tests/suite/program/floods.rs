//! Heads of requests that do not end: cut at a size, a number and a time, and no memory is spent on them.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use super::process::{Place, Served, connect};

/// What a head may have in all: 128 KiB, and 96 fields (actix-http).
const LARGEST_HEAD: usize = 128 * 1024;
const MOST_FIELDS: usize = 96;

/// Sends as much as is taken, and gives what comes back and how much was taken.
fn pour(mut stream: TcpStream, head: &str, line: &str, most: usize) -> (String, usize) {
    let mut taken = 0;
    let mut next = stream.write_all(head.as_bytes());
    while next.is_ok() && taken < most {
        next = stream.write_all(line.as_bytes());
        taken += line.len();
    }
    let mut answer = Vec::new();
    // Whoever goes on after the refusal loses the connection.
    let _reset = stream.read_to_end(&mut answer);
    (String::from_utf8_lossy(&answer).into_owned(), taken)
}

fn status_of(served: &Served, fields: &str) -> String {
    let port = served.ports[0];
    let mut stream = connect(port);
    let head = format!("GET /s HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n{fields}\r\n");
    // It may be refused before all of it was sent.
    let _refused = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or("none").to_owned()
}

#[test]
fn a_head_has_a_size_and_a_number_of_fields() {
    let place = Place::new();
    let served = place.serve();
    let fields = |number: usize| (0..number).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    assert_eq!(status_of(&served, &fields(MOST_FIELDS - 2)), "200");
    for number in [MOST_FIELDS - 1, 1_000] {
        assert_eq!(status_of(&served, &fields(number)), "431", "{number} more fields");
    }
    assert_eq!(status_of(&served, &format!("x: {}\r\n", "y".repeat(LARGEST_HEAD / 2))), "200");
    let refused = status_of(&served, &format!("x: {}\r\n", "y".repeat(2 * LARGEST_HEAD)));
    // The answer is lost where the connection was reset while we were still sending.
    assert!(["431", "none"].contains(&refused.as_str()), "{refused}");
    served.stop();
}

/// The most memory that a process has had, in bytes.
fn most_memory(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1_024
}

#[test]
fn heads_without_end_take_no_memory() {
    const CONNECTIONS: usize = 64;
    const POURED: usize = 16 << 20;
    let place = Place::new();
    let served = place.serve();
    for port in served.ports {
        let before = most_memory(served.id());
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let head = format!("GET / HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nx: ");
                    let (answer, taken) = pour(connect(port), &head, &"y".repeat(16 * 1024), POURED);
                    assert!(taken < POURED, "everything was taken");
                    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
                });
            }
        });
        let more = most_memory(served.id()) - before;
        // Each has a buffer of the largest head, and no more than one of twice that while it grows.
        assert!(more < CONNECTIONS * 4 * LARGEST_HEAD, "{more} bytes more");
    }
    assert_eq!(served.ask("GET", "/v1/objects", &place.admin_key(), None).0, 200);
    served.stop();
}

#[test]
fn a_soft_limit_of_open_files_is_raised_for_all_connections() {
    for (connections, wanted) in [("", 11_520), ("6000", 15_328)] {
        let allowed = open_files_allowed(connections);
        assert!(allowed >= wanted, "{allowed} files for {connections} connections");
    }
}

/// How many files a broker lets itself open that began with 300, with so many connections to the API, or as many as usual.
fn open_files_allowed(connections: &str) -> u64 {
    let place = Place::new();
    let mut limited = std::process::Command::new("sh");
    let inner = place.command("serve");
    // Rust itself leaves limits alone, so that a shell has to set them.
    limited.args(["-c", "ulimit -S -n 300; exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
    limited.current_dir(place.path("."));
    for (name, value) in inner.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    if !connections.is_empty() {
        limited.env("CLOAKROOM_CONNECTIONS", connections);
    }
    let served = place.serve_as(limited);
    let limits = fs::read_to_string(format!("/proc/{}/limits", served.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = files.split_whitespace().nth(3).unwrap().parse().unwrap();
    served.stop();
    soft
}
