//! The program killed at any moment under load, and started again, as often as wanted: nothing that was acknowledged is lost, nothing
//! is claimed twice, what is used is what is kept, and the trail is whole. What clients do, and what is held against their
//! answers, is in `crashing_tokens` and `crashing_files`.

use std::{
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{
    crashing_files::{self, File, Room},
    crashing_tokens::{self, Token},
    process::{Place, Served, said, until},
};

const CLIENTS: usize = 4;

/// Of what was looked at before, so much is looked at again after each kill, drawn anew each time.
const LOOKED_AT_AGAIN: usize = 12;

/// How it is killed.
pub struct Plan {
    /// How often.
    pub kills: usize,
    /// Each time up to so long after the load has begun.
    pub longest: Duration,
    /// After so many kills all that was ever answered is looked at, and the whole trail.
    pub all_after: usize,
    /// The same one brings the same moments, and clients that want the same.
    pub seed: u64,
}

/// Numbers that a seed repeats (xorshift64).
pub struct Drawn(u64);

impl Drawn {
    pub fn new(seed: u64) -> Self {
        // Neighbours are to have nothing in common (splitmix64).
        let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ mixed >> 31).max(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn is_one_in(&mut self, so_many: u64) -> bool {
        self.below(so_many) == 0
    }
}

/// Somebody who asks a broker, until it answers no more.
pub struct Asking {
    agent: ureq::Agent,
    url: String,
    key: String,
    content_host: String,
}

impl Asking {
    pub fn new(served: &Served, key: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_idle_connections(0).proxy(None);
        let (url, content_host) = (served.url(), format!("localhost:{}", served.ports[1]));
        Self { agent: config.build().into(), url, key: key.into(), content_host }
    }

    /// The answer, if one comes whole.
    pub fn tried(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.key));
        let answer = match body {
            Some(body) => {
                self.agent.run(request.header("content-type", "application/json").body(body.to_string()).ok()?)
            }
            None => self.agent.run(request.body(()).ok()?),
        };
        let mut answer = answer.ok()?;
        let (status, text) = (answer.status().as_u16(), answer.body_mut().read_to_string().ok()?);
        // It was not heard in time, on a machine that has much to do.
        if status == 408 {
            return None;
        }
        Some((status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).ok()? }))
    }

    /// The same where there has to be one, of what may be asked again.
    #[track_caller]
    pub fn told(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        until(&format!("{method} {path} is answered"), || match self.tried(method, path, body) {
            Some((202, _)) | None => None,
            told => told,
        })
    }

    /// What was answered without what is another one with each start: the port that content has.
    pub fn comparable(&self, answer: &Value) -> String {
        answer.to_string().replace(self.content_host.trim_start_matches("localhost"), "")
    }

    /// Sends bytes, or fetches some, where a signed request says.
    pub fn carried(&self, signed: &Value, bytes: Option<&[u8]>) -> Option<(u16, Vec<u8>)> {
        let url = signed["url"].as_str()?.replacen("localhost", "127.0.0.1", 1);
        let mut request = ureq::http::Request::builder()
            .method(if bytes.is_some() { "PUT" } else { "GET" })
            .uri(url)
            .header("host", &self.content_host);
        for (name, value) in signed["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str()?);
        }
        let answer = match bytes {
            Some(bytes) => self.agent.run(request.body(bytes).ok()?),
            None => self.agent.run(request.body(()).ok()?),
        };
        let mut answer = answer.ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_vec().ok()?))
    }
}

/// All that clients were ever answered, as far as it still counts.
struct Kept {
    artifact: String,
    tokens: Vec<Token>,
    /// How many of those, and of the files, were looked at already.
    looked_at: [usize; 2],
    files: Vec<File>,
    room: Room,
    numbers: AtomicUsize,
}

/// Kills it as planned, and holds it against all that was answered.
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "what fails tells by which seed, and what was seen is told, and how long it took"
)]
pub fn killed_many_times(plan: &Plan) {
    println!("seed {:#x}", plan.seed);
    let (place, mut drawn, began) = (Place::new(), Drawn::new(plan.seed), Instant::now());
    let served = serve(&place);
    let key = place.admin_key();
    let mut kept = Kept::begin(&Asking::new(&served, &key));
    served.stop();
    let mut in_starts = 0;
    for kill in 1..=plan.kills {
        if drawn.is_one_in(8) {
            in_starts += 1;
            killed_in_its_start(&place, drawn.below(400));
            continue;
        }
        let served = serve(&place);
        kept.holds(&served, &key, &mut drawn, false);
        if kill.is_multiple_of(plan.all_after) {
            kept.holds_all(&served, &key);
            println!("{kill} kills, {} s: {}", began.elapsed().as_secs(), kept.said());
        }
        let after = Duration::from_micros(drawn.below(plan.longest.as_micros() as u64));
        kept.under_load_until_killed(&served, &key, &mut drawn, after);
        served.kill();
    }
    let served = serve(&place);
    kept.holds(&served, &key, &mut drawn, true);
    kept.holds_all(&served, &key);
    let told = said(&served.client_in(&place.path("."), &key, &["audit", "verify"]));
    assert!(told.contains("intact: ") && told.contains("proven: "), "{told}");
    served.stop();
    println!("{} kills, {in_starts} of them in a start; {}; {}", plan.kills, kept.said(), told.trim_end());
}

fn serve(place: &Place) -> Served {
    let mut command = place.command("serve");
    // It is to be busy with what it does, not with telling it.
    command.env("CLOAKROOM_LOG", "info");
    place.serve_as(command)
}

/// Starts it, and lets it come so far.
fn killed_in_its_start(place: &Place, millis: u64) {
    let mut child = place.command("serve").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(Duration::from_millis(millis));
    child.kill().unwrap();
    child.wait().unwrap();
}

impl Kept {
    fn begin(asking: &Asking) -> Self {
        let room = Room::begin(asking);
        let numbers = AtomicUsize::new(0);
        let published = crashing_files::published(asking, &numbers);
        let (status, artifact) = asking.told("POST", "/v1/artifacts", Some(&json!({ "paths": [published.path] })));
        assert_eq!(status, 201, "{artifact}");
        let artifact = artifact["id"].as_str().unwrap().into();
        Self { artifact, tokens: Vec::new(), looked_at: [0; 2], files: vec![published], room, numbers }
    }

    /// What is new is as it was answered, and some of the rest; or all of it.
    fn holds(&mut self, served: &Served, key: &str, drawn: &mut Drawn, all: bool) {
        let asking = Asking::new(served, key);
        let Self { tokens, files, looked_at, numbers, .. } = self;
        let wanted = |before: usize, count: usize, drawn: &mut Drawn| -> Vec<usize> {
            let again = (0..LOOKED_AT_AGAIN.min(before)).map(|_| drawn.below(before as u64) as usize);
            if all { (0..count).collect() } else { again.chain(before..count).collect() }
        };
        let (some_tokens, some_files) =
            (wanted(looked_at[0], tokens.len(), drawn), wanted(looked_at[1], files.len(), drawn));
        some_tokens.into_iter().for_each(|token| tokens[token].holds(&asking, numbers));
        crashing_files::find_unanswered(&asking, files, looked_at[1]);
        some_files.into_iter().for_each(|file| files[file].holds(&asking));
        // Of a declaration that never was, nothing is to be expected, nor of a file whose end was seen.
        files.retain(|file| !file.is_nothing());
        *looked_at = [tokens.len(), files.len()];
        self.room.holds(&asking, files);
    }

    /// The trail is whole, and no account says something else than is kept.
    fn holds_all(&mut self, served: &Served, key: &str) {
        let asking = Asking::new(served, key);
        for token in &mut self.tokens {
            token.holds(&asking, &self.numbers);
        }
        self.files.iter_mut().for_each(|file| file.holds(&asking));
        crashing_tokens::trail_holds(&asking);
        self.room.reconciles(&asking);
        self.room.holds(&asking, &self.files);
    }

    fn said(&self) -> String {
        let claimed = self.tokens.iter().filter(|token| token.is_claimed).count();
        let links = self.tokens.iter().filter(|token| token.is_link()).count();
        let (shares, files) = (self.tokens.len() - links, crashing_files::said(&self.files));
        format!("{shares} shares and {links} links, {claimed} of them redeemed before; {files}; {}", self.room.said())
    }

    /// What clients have got by the time when it is killed.
    fn under_load_until_killed(&mut self, served: &Served, key: &str, drawn: &mut Drawn, after: Duration) {
        let Self { artifact, numbers, room, .. } = self;
        let (acknowledged, artifact, numbers) = (AtomicUsize::new(0), &*artifact, &*numbers);
        let raising = room.raising();
        let seeds = [(); CLIENTS].map(|()| drawn.next());
        let got = thread::scope(|scope| {
            let clients = seeds.map(|seed| {
                let (asking, acknowledged, raising) = (Asking::new(served, key), &acknowledged, &raising);
                scope.spawn(move || {
                    let (mut drawn, mut tokens, mut files) = (Drawn::new(seed), Vec::new(), Vec::new());
                    loop {
                        let goes_on = match drawn.below(8) {
                            0..3 => crashing_tokens::share(&asking, numbers, &mut tokens),
                            3 => crashing_tokens::link(&asking, artifact, numbers, &mut tokens),
                            _ => crashing_files::file(&asking, raising, numbers, &mut drawn, &mut files),
                        };
                        if goes_on.is_none() {
                            return (tokens, files);
                        }
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                })
            });
            until("something is acknowledged", || (acknowledged.load(Ordering::SeqCst) > 0).then_some(()));
            // Any moment is one at which it may be killed.
            thread::sleep(after);
            let process = Pid::from_raw(served.id() as i32).unwrap();
            kill_process(process, Signal::KILL).unwrap();
            clients.map(|client| client.join().unwrap())
        });
        for (tokens, files) in got {
            self.tokens.extend(tokens);
            self.files.extend(files);
        }
        self.room.raised(raising);
    }
}
