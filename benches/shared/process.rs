//! A process under measurement, and the broker as one.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A process that is ended, by its own id, when it is dropped.
pub(crate) struct Process(pub(crate) Child);

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
        processor_seconds(self.id())
    }

    /// Resident memory now, in MB.
    pub(crate) fn resident(&self) -> f64 {
        self.memory("VmRSS:")
    }

    /// A line about memory of the process's status, in MB.
    pub(crate) fn memory(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
    }
}

/// Seconds of processor time that a process has taken so far.
pub(crate) fn processor_seconds(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // After the name, which is in brackets and may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |field: &str| field.parse::<f64>().unwrap();
    (ticks(fields[11]) + ticks(fields[12])) / 100.0
}

/// A broker with a data directory.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) api: SocketAddr,
}

impl Server {
    /// Also tells how long it took from the start of the process to its first 200 for `/readyz`.
    pub(crate) fn start(program: &Path, data: &Path, workers: usize) -> (Self, Duration) {
        // Everything comes from one address, and far more of it than from any people.
        Self::start_limited(program, data, workers, Some("off"))
    }

    /// With these limits instead of the usual ones.
    pub(crate) fn start_limited(program: &Path, data: &Path, workers: usize, limits: Option<&str>) -> (Self, Duration) {
        let limits: Vec<_> = limits.map(|limits| ("CLOAKROOM_LIMITS", limits.to_owned())).into_iter().collect();
        Self::start_with(program, data, workers, &limits)
    }

    /// With these settings, as variables.
    pub(crate) fn start_with(
        program: &Path,
        data: &Path,
        workers: usize,
        settings: &[(&'static str, String)],
    ) -> (Self, Duration) {
        let [api, content, ops] = free_addresses();
        let mut command = Command::new(program);
        command.arg("serve").arg("--data-dir").arg(data);
        for (flag, value) in [("--listen", api), ("--content-listen", content), ("--ops-listen", ops)] {
            command.arg(flag).arg(value.to_string());
        }
        command.arg("--workers").arg(workers.to_string());
        command
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let process = Process(command.spawn().unwrap());
        await_ready(ops, started);
        (Self { process, api }, started.elapsed())
    }
}

pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
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

/// The key that a first start writes, shortly after it is ready, and then the sample file.
pub(crate) fn admin_key(data: &Path) -> String {
    loop {
        let key = fs::read_to_string(data.join("admin-key")).unwrap_or_default();
        if key.ends_with('\n') {
            return key.trim().to_owned();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One request over a connection of its own.
pub(crate) fn call(address: SocketAddr, method: &str, path: &str, key: &str, body: &str) -> (u16, String) {
    try_call(address, method, path, key, body).unwrap()
}

pub(crate) fn try_call(address: SocketAddr, method: &str, path: &str, key: &str, body: &str) -> Option<(u16, String)> {
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
