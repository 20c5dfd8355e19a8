//! HAProxy before three replicas, set up as docs/operations.md advises.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use cloakroom::entropy::{Entropy, SystemEntropy};
use tempfile::TempDir;

use super::process::until;

/// Where it asks replicas from: the one address that they believe when it says who has asked.
pub const ADDRESS: &str = "127.0.0.9";

/// The ports that were given away already: whoever has one may not listen yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A free port below those that the system gives to outgoing connections: it is still free when whoever listens on it
/// has been killed and is started again.
pub fn free_port() -> u16 {
    until("a port is free", || {
        let drawn = u16::from_be_bytes((&SystemEntropy as &dyn Entropy).bytes());
        let port = 10_000 + drawn % 10_000;
        let is_free = TcpListener::bind(("127.0.0.1", port)).is_ok();
        (is_free && GIVEN.lock().unwrap().insert(port)).then_some(port)
    })
}

/// HAProxy, on a port of its own. It is killed when this is dropped.
pub struct Balancer {
    child: Child,
    folder: TempDir,
    pub port: u16,
}

impl Balancer {
    /// Before replicas whose API and operator's listener are at these ports.
    pub fn before(replicas: &[[u16; 2]]) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let mut configuration = format!(
            "global\n  stats socket {socket} mode 600 level admin\n  log stdout format raw local0\n\
             defaults\n  mode http\n  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n  timeout check 4s\n  \
             option forwardfor\n  option redispatch 1\n  retries 3\n  \
             retry-on conn-failure empty-response response-timeout\n\
             frontend api\n  bind 127.0.0.1:{port}\n  log global\n  http-request capture req.hdr(x-number) len 16\n  \
             log-format \"%[capture.req.hdr(0)] %s %ST %ts\"\n  \
             # Once something was sent, only what changes nothing is sent again.\n  \
             http-request disable-l7-retry unless {{ method GET HEAD }}\n  default_backend replicas\n\
             backend replicas\n  balance roundrobin\n  source {ADDRESS}\n  option httpchk\n  \
             http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost\n  http-check expect status 200\n  \
             default-server check inter 500ms fall 3 rise 2\n",
            socket = folder.path().join("socket").display(),
        );
        for (number, [api, ops]) in replicas.iter().enumerate() {
            configuration += &format!("  server {number} 127.0.0.1:{api} port {ops}\n");
        }
        let file = folder.path().join("haproxy.cfg");
        fs::write(&file, configuration).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new("haproxy")
            .arg("-db")
            .arg("-f")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("haproxy is needed: ./test unpacks it");
        let mut balancer = Self { child, folder, port };
        until("the load balancer listens", || {
            assert_eq!(balancer.child.try_wait().unwrap(), None, "{}", balancer.log());
            UnixStream::connect(balancer.folder.path().join("socket")).ok()
        });
        balancer
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks it something, as its operator.
    fn ask(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(self.folder.path().join("socket")).unwrap();
        socket.write_all(format!("{command}\n").as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Whether it sends requests to a replica.
    pub fn sends_to(&self, replica: usize) -> bool {
        let statistics = self.ask("show stat");
        let mut lines = statistics.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let column = lines.next().unwrap().iter().position(|name| *name == "status").unwrap();
        let line = lines.find(|line| line[..2] == ["replicas", &replica.to_string()]).unwrap();
        // "UP 1/2" is on its way down or up, and is sent requests.
        line[column].starts_with("UP")
    }

    /// Gives up all requests that are under way at a replica.
    pub fn give_up_on(&self, replica: usize) {
        assert_eq!(self.ask(&format!("shutdown sessions server replicas/{replica}")).trim(), "");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// To which replica the request of this number was sent, and how that ended: its status, and two letters. It is
    /// told when the request has ended.
    pub fn told_of(&self, number: u64) -> (Option<usize>, String) {
        let number = number.to_string();
        until("the load balancer tells of a request", || {
            let log = self.log();
            let line = log.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|line| line[0] == number)?;
            Some((line[1].parse().ok(), line[2..].join(" ")))
        })
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
