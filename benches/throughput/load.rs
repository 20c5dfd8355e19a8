//! The client: keep-alive HTTP/1.1 over plain sockets, with requests that are
//! ready-made bytes, so that little of what is measured is the client's own work.
//!
//! The loop is closed: a connection sends its next request when it has the last answer. That finds out how much is answered at
//! most; but while the server stalls, little is sent, so that latencies tell less of a stall than somebody who comes by
//! their own clock would. For those, see `paced.rs`.

use std::{
    cell::RefCell,
    collections::VecDeque,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime, task,
};

use crate::histogram::Histogram;

/// The threads that the connections are divided among.
const THREADS: usize = 2;

/// The requests of one round.
pub(crate) struct Requests {
    /// Each of them whole, head and body.
    pub(crate) bytes: Vec<Vec<u8>>,
    /// Whether to begin again where they end; else each is sent once.
    pub(crate) again: bool,
}

/// Under which load.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) span: Duration,
}

/// What a round came to.
pub(crate) struct Round {
    pub(crate) answered: usize,
    pub(crate) seconds: f64,
    /// The tokens in the answers.
    pub(crate) tokens: Vec<String>,
    /// How long each answer took, of all that were asked for: those too that came too late to count.
    pub(crate) latencies: Histogram,
}

impl Round {
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.seconds
    }
}

/// What the threads of a round share.
struct Shared {
    address: SocketAddr,
    requests: Arc<Requests>,
    expected: u16,
    next: AtomicUsize,
    /// Passed when every connection is open.
    connected: Barrier,
    tokens: Mutex<Vec<String>>,
}

/// Sends requests over all connections at once until time or requests run
/// out. Every answer must have the expected status.
pub(crate) fn round(address: SocketAddr, requests: &Arc<Requests>, expected: u16, load: Load) -> Round {
    let shared = Arc::new(Shared {
        address,
        requests: Arc::clone(requests),
        expected,
        next: AtomicUsize::new(0),
        connected: Barrier::new(THREADS),
        tokens: Mutex::default(),
    });
    let threads = (0..THREADS).map(|thread| {
        let connections = (load.connections + thread) / THREADS;
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_io().build().unwrap();
            task::LocalSet::new().block_on(&runtime, connections_of(shared, connections, load.span))
        })
    });
    let threads: Vec<_> = threads.collect();
    let (mut answered, mut seconds, mut latencies) = (0, 0.0_f64, Histogram::new());
    for thread in threads {
        let (count, lasted, taken) = thread.join().unwrap();
        answered += count;
        seconds = seconds.max(lasted);
        latencies.add(&taken);
    }
    let tokens = std::mem::take(&mut *shared.tokens.lock().unwrap());
    Round { answered, seconds, tokens, latencies }
}

/// How many requests were answered in time, when the last of them was, and how long each took.
async fn connections_of(shared: Arc<Shared>, connections: usize, span: Duration) -> (usize, f64, Histogram) {
    let mut open = VecDeque::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(shared.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        open.push_back(Connection { stream, buffer: Vec::with_capacity(64 * 1024) });
    }
    let latencies = Rc::new(RefCell::new(Histogram::new()));
    shared.connected.wait();
    let started = Instant::now();
    let tasks = open.into_iter().map(|connection| {
        let (shared, latencies) = (Arc::clone(&shared), Rc::clone(&latencies));
        task::spawn_local(connection.run(shared, latencies, started, span))
    });
    let tasks: Vec<_> = tasks.collect();
    let (mut answered, mut last) = (0, Duration::ZERO);
    for task in tasks {
        let (count, lasted) = task.await.unwrap();
        answered += count;
        last = last.max(lasted);
    }
    (answered, last.as_secs_f64(), latencies.replace(Histogram::new()))
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn run(
        mut self,
        shared: Arc<Shared>,
        latencies: Rc<RefCell<Histogram>>,
        started: Instant,
        span: Duration,
    ) -> (usize, Duration) {
        let (mut answered, mut last) = (0, Duration::ZERO);
        let mut tokens = Vec::new();
        let requests = &shared.requests;
        while last < span {
            let next = shared.next.fetch_add(1, Ordering::Relaxed);
            if next >= requests.bytes.len() && !requests.again {
                break;
            }
            let asked = started.elapsed();
            self.stream.write_all(&requests.bytes[next % requests.bytes.len()]).await.unwrap();
            let body = self.answer(shared.expected).await;
            tokens.extend(token(&self.buffer[body..]));
            let now = started.elapsed();
            latencies.borrow_mut().record(now - asked);
            // An answer that came too late does not count, but its token does.
            answered += usize::from(now <= span);
            last = now;
        }
        shared.tokens.lock().unwrap().append(&mut tokens);
        (answered, last.min(span))
    }

    /// Reads one answer whole; tells where its body begins in the buffer.
    async fn answer(&mut self, expected: u16) -> usize {
        self.buffer.clear();
        let mut whole = None;
        loop {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "the connection was closed");
            whole = whole.or_else(|| head(&self.buffer));
            let Some((status, body, length)) = whole else { continue };
            if self.buffer.len() >= body + length {
                let text = || String::from_utf8_lossy(&self.buffer).into_owned();
                assert_eq!(status, expected, "{}", text());
                assert_eq!(self.buffer.len(), body + length, "{}", text());
                return body;
            }
        }
    }
}

/// Status, begin of the body and its length, once the head is there.
pub(crate) fn head(answer: &[u8]) -> Option<(u16, usize, usize)> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)).and_then(|status| status.parse().ok()).unwrap();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    Some((status, end + 4, length.expect("every answer says how long it is")))
}

/// The token in the body of an answer, if it has one.
pub(crate) fn token(body: &[u8]) -> Option<String> {
    const FIELD: &[u8] = b"\"token\":\"";
    let begin = body.windows(FIELD.len()).position(|bytes| bytes == FIELD)? + FIELD.len();
    let length = body[begin..].iter().position(|byte| *byte == b'"')?;
    Some(String::from_utf8_lossy(&body[begin..begin + length]).into_owned())
}
