//! The two processes that are compared: the real program, and a bare handler.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use actix_web::{App, HttpResponse, HttpServer, web};

/// The argument with which this program is a bare handler.
pub(crate) const BARE: &str = "--be-the-bare-handler";

/// A process that is ended, by its own id, when it is dropped.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Seconds of processor time taken so far.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // After the name, which is in brackets and may contain anything.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks = |field: &str| field.parse::<f64>().unwrap();
        (ticks(fields[11]) + ticks(fields[12])) / 100.0
    }

    /// Resident memory now, in MB.
    pub(crate) fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
    }
}

/// A broker with a data directory.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) api: SocketAddr,
    /// How long it took from the start of the process to its first 200 for `/readyz`.
    pub(crate) ready_after: Duration,
}

impl Server {
    pub(crate) fn start(program: &Path, data: &Path, workers: usize) -> Self {
        let [api, content, ops] = free_addresses();
        let mut command = Command::new(program);
        command.arg("serve").arg("--data-dir").arg(data);
        for (flag, value) in [("--listen", api), ("--content-listen", content), ("--ops-listen", ops)] {
            command.arg(flag).arg(value.to_string());
        }
        command.arg("--workers").arg(workers.to_string());
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let process = Process(command.spawn().unwrap());
        await_ready(ops, started);
        Self { process, api, ready_after: started.elapsed() }
    }
}

fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    // All at once, so that they differ.
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

fn await_ready(ops: SocketAddr, started: Instant) {
    while try_call(ops, "GET", "/readyz", "", "").is_none_or(|(status, _)| status != 200) {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not become ready");
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// One request over a connection of its own.
pub(crate) fn call(address: SocketAddr, method: &str, path: &str, key: &str, body: &str) -> (u16, String) {
    try_call(address, method, path, key, body).unwrap()
}

fn try_call(address: SocketAddr, method: &str, path: &str, key: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(&request(address, method, path, key, body, "close")).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.get(9..12)?.parse().ok()?, body.to_owned()))
}

/// A request as bytes.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    key: &str,
    body: &str,
    connection: &str,
) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: {connection}\r\n");
    if !key.is_empty() {
        head.push_str(&format!("authorization: Bearer {key}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// A bare handler in a process of its own.
pub(crate) struct Bare {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Bare {
    /// A handler that reads the body of whatever comes and gives this answer.
    pub(crate) fn start(answer: &str, workers: usize) -> Self {
        let [address] = free_addresses();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([BARE, &address.to_string(), &workers.to_string()]).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let (process, started) = (Process(child), Instant::now());
        while try_call(address, "GET", "/", "", "").is_none() {
            assert!(started.elapsed() < Duration::from_secs(10), "the bare handler does not start");
            std::thread::sleep(Duration::from_millis(1));
        }
        Self { process, address }
    }
}

/// Is the bare handler: it takes its address and number of workers from its
/// arguments and its answer from standard input.
pub(crate) fn be_bare(mut arguments: impl Iterator<Item = String>) {
    let address = arguments.next().unwrap();
    let workers = arguments.next().unwrap().parse().unwrap();
    let mut answer = String::new();
    std::io::stdin().read_to_string(&mut answer).unwrap();
    let answer: serde_json::Value =
        serde_json::from_str(&answer).unwrap_or_else(|_| serde_json::Value::String(answer.clone()));
    let answer = web::Data::new(answer);
    let server = HttpServer::new(move || App::new().app_data(answer.clone()).default_service(web::to(bare)));
    let server = server.workers(workers).bind(address).unwrap().run();
    actix_web::rt::System::new().block_on(server).unwrap();
}

async fn bare(_read: web::Bytes, answer: web::Data<serde_json::Value>) -> HttpResponse {
    HttpResponse::Ok().json(answer.get_ref())
}
