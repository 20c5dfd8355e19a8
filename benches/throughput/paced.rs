//! The other client: requests by the clock, so many a second, whatever becomes of those before.
//!
//! The loop is open: each request has a time at which it is to be sent, and its latency counts from then, also where the connection
//! was still waiting for an earlier answer. Whoever comes while the server stalls has waited for that stall.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use crate::{
    histogram::Histogram,
    load::{self, Load, Requests, Round},
};

pub(crate) const LARGEST_ANSWER: usize = 256 * 1024;

/// Where requests go, and how many a second.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) address: SocketAddr,
    pub(crate) expected: u16,
    pub(crate) rate: f64,
}

/// Sends them over all connections in turns. Each has a thread that sleeps until the time has come: what the system adds to such a
/// sleep (some 50 µs on Linux) is in each latency, of whichever server.
pub(crate) fn round(pace: Pace, requests: &Requests, load: Load) -> Round {
    let connected = Barrier::new(load.connections);
    let parts: Vec<Round> = thread::scope(|scope| {
        let connected = &connected;
        let connections = (0..load.connections).map(|first| {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(pace.address).unwrap();
                stream.set_nodelay(true).unwrap();
                connected.wait();
                connection(&mut stream, pace, requests, load, first)
            })
        });
        let connections: Vec<_> = connections.collect();
        connections.into_iter().map(|connection| connection.join().unwrap()).collect()
    });
    let mut whole = Round { answered: 0, seconds: 0.0, tokens: Vec::new(), latencies: Histogram::new() };
    for part in parts {
        whole.answered += part.answered;
        whole.seconds = whole.seconds.max(part.seconds);
        whole.tokens.extend(part.tokens);
        whole.latencies.add(&part.latencies);
    }
    whole
}

/// Every request whose turn is this connection's.
fn connection(stream: &mut TcpStream, pace: Pace, requests: &Requests, load: Load, first: usize) -> Round {
    let (started, mut buffer) = (Instant::now(), vec![0; LARGEST_ANSWER]);
    let mut done = Round { answered: 0, seconds: 0.0, tokens: Vec::new(), latencies: Histogram::new() };
    for number in (first..).step_by(load.connections) {
        let intended = Duration::from_secs_f64(number as f64 / pace.rate);
        // Who cannot keep up with half of what it did before is not waited for without end.
        let is_hopeless = started.elapsed() > load.span * 4;
        if intended > load.span || is_hopeless || (!requests.again && number >= requests.bytes.len()) {
            break;
        }
        thread::sleep(intended.saturating_sub(started.elapsed()));
        let request = &requests.bytes[number % requests.bytes.len()];
        let body = exchange(stream, request, pace.expected, &mut buffer);
        let answered = started.elapsed();
        done.tokens.extend(load::token(body));
        done.latencies.record(answered - intended);
        done.answered += 1;
        done.seconds = answered.as_secs_f64();
    }
    done
}

/// Sends a request and reads its answer whole; returns the body.
pub(crate) fn exchange<'a>(stream: &mut TcpStream, request: &[u8], expected: u16, buffer: &'a mut [u8]) -> &'a [u8] {
    stream.write_all(request).unwrap();
    let (mut length, mut whole) = (0, None);
    loop {
        let read = stream.read(&mut buffer[length..]).unwrap();
        assert_ne!(read, 0, "the connection was closed, or the answer is larger than {LARGEST_ANSWER} bytes");
        length += read;
        whole = whole.or_else(|| load::head(&buffer[..length]));
        let Some((status, body, announced)) = whole else { continue };
        if length >= body + announced {
            assert_eq!(status, expected, "{}", String::from_utf8_lossy(&buffer[..length]));
            return &buffer[body..length];
        }
    }
}
