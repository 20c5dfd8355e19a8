//! A broker for browsers: on an address of its own behind two relays that see each request, and let it pass, lose
//! its answer or cut it off as a test has planned.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Barrier, Mutex, OnceLock},
};

use cloakroom::clock::ManualClock;

use crate::{
    api::{
        harness::{Api, Backend},
        laboratory::Laboratory,
    },
    relaying::{Arriving, relay},
};

/// What becomes of a request. A browser repeats by itself what it was not answered, so some of these hold for all
/// that follow, until [`House::mend`].
#[derive(Clone)]
pub enum Fate {
    /// It is done, and its answer is lost: this one's, and those of all others.
    LoseAnswer,
    /// It comes to nobody, and none that follows.
    BreakOff,
    /// It waits until as many others have come as meet here.
    Meet(Arc<Barrier>),
    /// So many bytes of its body pass; then the connection breaks.
    CutAfter(usize),
    /// It, and all that follow, are answered with this status and this script. Nobody else is asked.
    Answer(u16, &'static str),
    /// So many bytes of its body pass; then its client is gone, and the server is not told before somebody comes to meet.
    LeaveOpen(usize, Arc<Barrier>),
    /// So many bytes of its answer pass; then the connection breaks.
    CutAnswerAfter(u64),
}

/// A request as it came by: its head, and what it was answered.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Method, target and version.
    pub line: String,
    pub headers: String,
    /// Empty until it is answered.
    pub status: String,
}

#[derive(Default)]
struct Record {
    seen: Vec<Seen>,
    planned: Vec<(String, Fate)>,
}

pub struct House {
    pub api: Api,
    /// The origin of the API and its pages.
    pub url: String,
    record: Arc<Mutex<Record>>,
}

impl House {
    /// A whole broker, as `cloakroom serve` would start it.
    pub fn open() -> Self {
        Self::behind(|url, content| (Api::start_behind(url, content), ())).0
    }

    /// A broker whose clock is moved by the test.
    pub fn with_a_clock() -> (Self, Arc<ManualClock>) {
        Self::behind(Laboratory::served_behind)
    }

    /// A whole broker without relays: nothing is seen of what passes.
    pub fn direct() -> Self {
        let api = Api::start(Backend::Embedded);
        Self { url: format!("http://127.0.0.1:{}", api.ports[0]), api, record: Arc::default() }
    }

    fn behind<T>(start: impl FnOnce(&str, &str) -> (Api, T)) -> (Self, T) {
        let record = Arc::<Mutex<Record>>::default();
        // Known only once the broker listens.
        let ports = Arc::new(OnceLock::<[u16; 3]>::new());
        let [url, content] = [0, 1].map(|number| {
            let (record, ports) = (record.clone(), ports.clone());
            relay(move |arriving| {
                let behind = format!("127.0.0.1:{}", ports.wait()[number]);
                meet(&record, arriving, &behind)
            })
        });
        let (mut api, more) = start(&url, &content.replace("127.0.0.1", "localhost"));
        ports.set(api.ports).unwrap();
        let port = |url: &str| url.rsplit(':').next().unwrap().parse().unwrap();
        api.ports = [port(&url), port(&content), api.ports[2]];
        (Self { api, url, record }, more)
    }

    /// What becomes of the next request whose line begins like this, and has in it what stands behind a star.
    pub fn plan(&self, line: &str, fate: Fate) {
        self.record.lock().unwrap().planned.push((line.into(), fate));
    }

    /// From now on everything passes.
    pub fn mend(&self) {
        self.record.lock().unwrap().planned.clear();
    }

    /// Whether everything planned has happened.
    pub fn is_done(&self) -> bool {
        self.record.lock().unwrap().planned.is_empty()
    }

    /// All requests whose line begins like this, and has in it what stands behind a star.
    pub fn seen(&self, line: &str) -> Vec<Seen> {
        self.record.lock().unwrap().seen.iter().filter(|seen| matches(&seen.line, line)).cloned().collect()
    }
}

/// Whether a line begins like this, and has in it what stands behind a star.
fn matches(line: &str, pattern: &str) -> bool {
    let (begin, within) = pattern.split_once('*').unwrap_or((pattern, ""));
    line.starts_with(begin) && line.contains(within)
}

fn meet(record: &Mutex<Record>, mut arriving: Arriving, behind: &str) -> io::Result<()> {
    let (place, fate) = {
        let mut record = record.lock().unwrap();
        let (line, headers) = (arriving.line.clone(), arriving.headers.clone());
        let planned = record.planned.iter().position(|(pattern, _)| matches(&line, pattern));
        let fate = planned.map(|place| match record.planned[place].1 {
            ref lasting @ (Fate::BreakOff | Fate::LoseAnswer | Fate::Answer(..)) => lasting.clone(),
            _ => record.planned.remove(place).1,
        });
        record.seen.push(Seen { line, headers, status: String::new() });
        (record.seen.len() - 1, fate)
    };
    let answered = |status: &str| status.clone_into(&mut record.lock().unwrap().seen[place].status);
    match fate {
        None => arriving.pass(behind, answered),
        Some(Fate::Meet(others)) => {
            others.wait();
            arriving.pass(behind, answered)
        }
        Some(Fate::LoseAnswer) => lose_answer(arriving, behind),
        Some(Fate::CutAfter(bytes)) => cut(arriving, behind, bytes),
        Some(Fate::CutAnswerAfter(bytes)) => cut_answer(arriving, behind, bytes),
        Some(Fate::Answer(status, script)) => answer(arriving, status, script),
        Some(Fate::LeaveOpen(bytes, others)) => {
            let server = passed(&mut arriving, behind, bytes)?;
            arriving.break_off()?;
            others.wait();
            server.shutdown(Shutdown::Both)
        }
        Some(Fate::BreakOff) => arriving.break_off(),
    }
}

fn lose_answer(mut arriving: Arriving, behind: &str) -> io::Result<()> {
    let mut server = done(&mut arriving, behind)?;
    // Once all of the answer is here, it has been done.
    io::copy(&mut server, &mut io::sink())?;
    arriving.break_off()
}

fn answer(mut arriving: Arriving, status: u16, script: &str) -> io::Result<()> {
    let length = script.len();
    let headers = "Access-Control-Allow-Origin: *\r\nConnection: close\r\nContent-Type: text/javascript";
    write!(arriving.client, "HTTP/1.1 {status} X\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{script}")?;
    arriving.client.shutdown(Shutdown::Write)?;
    // What still comes is read, or the client would lose the answer.
    io::copy(&mut arriving.client, &mut io::sink()).map(|_| ())
}

fn cut_answer(mut arriving: Arriving, behind: &str, bytes: u64) -> io::Result<()> {
    let server = done(&mut arriving, behind)?;
    io::copy(&mut server.take(bytes), &mut arriving.client)?;
    arriving.break_off()
}

/// Hands on the whole of a request: where its answer comes from.
fn done(arriving: &mut Arriving, behind: &str) -> io::Result<TcpStream> {
    let mut server = arriving.begun(behind)?;
    let header = |line: &str| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned);
    let length: usize = arriving.headers.lines().find_map(header).unwrap_or_default().parse().unwrap_or(0);
    let mut body = vec![0; length];
    arriving.client.read_exact(&mut body)?;
    server.write_all(&body)?;
    Ok(server)
}

fn cut(mut arriving: Arriving, behind: &str, bytes: usize) -> io::Result<()> {
    passed(&mut arriving, behind, bytes)?.shutdown(Shutdown::Both)?;
    arriving.break_off()
}

/// Hands on so much of a request's body.
fn passed(arriving: &mut Arriving, behind: &str, bytes: usize) -> io::Result<TcpStream> {
    let mut server = arriving.begun(behind)?;
    let mut part = vec![0; bytes];
    arriving.client.read_exact(&mut part)?;
    server.write_all(&part)?;
    Ok(server)
}
