//! The program as a process: started, watched, told to stop, killed.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpSocket;

/// How often, and with which pause, something is looked at before a test gives up.
const LOOKS: usize = 3_000;
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until there is something.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(PAUSE);
    }
    panic!("in vain: {what}")
}

/// The same for what may take minutes, since a database is rewritten for it, or an emulator has much to do: what does
/// not come soon is looked at less often.
#[track_caller]
pub fn patiently<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut looks = 0;
    until(what, || {
        looks += 1;
        if looks > 100 {
            thread::sleep(9 * PAUSE);
        }
        look()
    })
}

/// The program with nothing from the environment of the tests.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// What came of a command that is expected to end by itself.
#[track_caller]
pub fn outcome(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = (0..LOOKS).any(|_| {
        let ended = child.try_wait().unwrap().is_some();
        if !ended {
            thread::sleep(PAUSE);
        }
        ended
    });
    if !ended {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(ended, "it runs and runs: {output:?}");
    output
}

/// A folder in which one broker at a time is served.
pub struct Place {
    folder: TempDir,
}

/// A broker that runs. It is killed when this is dropped.
pub struct Served {
    child: Child,
    log: PathBuf,
    /// Ports of the API, of user content and of the operator's listener.
    pub ports: [u16; 3],
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A file or folder in the place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    /// Settings for a broker here, on ports that are free.
    pub fn command(&self, name: &str) -> Command {
        let mut command = program();
        command.arg(name).current_dir(self.folder.path()).env("CLOAKROOM_DATA_DIR", self.data_dir());
        for listen in ["CLOAKROOM_LISTEN", "CLOAKROOM_CONTENT_LISTEN", "CLOAKROOM_OPS_LISTEN"] {
            command.env(listen, "127.0.0.1:0");
        }
        command.env("CLOAKROOM_WORKERS", "2").env("CLOAKROOM_LIMITS", "off");
        command
    }

    /// Starts a broker and waits until it is ready.
    #[track_caller]
    pub fn serve(&self) -> Served {
        self.serve_as(self.command("serve"))
    }

    #[track_caller]
    pub fn serve_as(&self, command: Command) -> Served {
        self.try_serve_as(command).unwrap_or_else(|told| panic!("{told}"))
    }

    /// The same; what it told, where it ends instead.
    #[track_caller]
    pub fn try_serve_as(&self, mut command: Command) -> Result<Served, String> {
        let log = self.path("log");
        let written = File::create(&log).unwrap();
        // A file says for itself how much is logged.
        if !command.get_envs().any(|(name, _)| name == "CLOAKROOM_CONFIG" || name == "CLOAKROOM_LOG") {
            command.env("CLOAKROOM_LOG", "trace");
        }
        command.env("CLOAKROOM_LOG_FORMAT", "json").stdout(written.try_clone().unwrap()).stderr(written);
        let mut child = command.spawn().unwrap();
        let ports = patiently("the broker is ready", || {
            let ended = child.try_wait().unwrap();
            let text = fs::read_to_string(&log).unwrap();
            if let Some(status) = ended {
                return Some(Err(format!("{status}: {text}")));
            }
            let ready = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let ready = ready.into_iter().find(|line| line["message"] == "ready")?;
            Some(Ok(["api", "content", "ops"]
                .map(|name| ready[name].as_str().unwrap().rsplit_once(':').unwrap().1.parse::<u16>().unwrap())))
        });
        ports.map(|ports| Served { child, log, ports })
    }

    /// Runs a command that is expected to end by itself.
    pub fn run(&self, name: &str) -> Output {
        outcome(&mut self.command(name))
    }

    /// The admin key that the first start has written.
    #[track_caller]
    pub fn admin_key(&self) -> String {
        fs::read_to_string(self.data_dir().join("admin-key")).unwrap().trim().to_owned()
    }
}

impl Served {
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What its operator's listener has for Prometheus.
    pub fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.ports[2]);
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        agent.get(url).call().unwrap().body_mut().read_to_string().unwrap()
    }

    /// All that it has written to standard output and standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Sends a signal to this process.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The exit code, once it has ended.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        patiently("the broker ends", || self.child.try_wait().unwrap()).code()
    }

    #[track_caller]
    pub fn stop(self) {
        self.signal("TERM");
        self.stops();
    }

    /// Waits until it has ended well, since it was told to.
    #[track_caller]
    pub fn stops(mut self) {
        assert_eq!(self.ended(), Some(0), "{}", self.log());
        // Whatever a test has done: no credential is in what was written meanwhile.
        for secret in ["crk_", "crs_", "crl_", "crf_", "cst_", "cet_", "Bearer", "open sesame"] {
            assert!(!self.log().contains(secret), "{}", self.log());
        }
    }

    /// A command of the command line, as a client of this broker.
    pub fn client(&self, key: &str, arguments: &[&str]) -> Output {
        self.client_in(Path::new("."), key, arguments)
    }

    pub fn client_in(&self, folder: &Path, key: &str, arguments: &[&str]) -> Output {
        let mut command = program();
        command.current_dir(folder).env("CLOAKROOM_URL", self.url()).env("CLOAKROOM_API_KEY", key).args(arguments);
        outcome(&mut command)
    }

    /// A request to the API: status and body.
    pub fn ask(&self, method: &str, path: &str, key: &str, body: Option<&Value>) -> (u16, Value) {
        ask(&self.url(), method, path, key, body)
    }

    /// The token of a share of this path.
    #[track_caller]
    pub fn mint(&self, key: &str, path: &str) -> (String, String) {
        mint(&self.url(), key, path)
    }
}

/// A request to the API there: status and body.
pub fn ask(url: &str, method: &str, path: &str, key: &str, body: Option<&Value>) -> (u16, Value) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).max_idle_connections(0).proxy(None).build().into();
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{url}{path}"))
        .header("authorization", format!("Bearer {key}"));
    let answer = match body {
        Some(body) => agent.run(request.header("content-type", "application/json").body(body.to_string()).unwrap()),
        None => agent.run(request.body(()).unwrap()),
    };
    let mut answer = answer.unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// The id and token of a share of this path, by a broker there.
#[track_caller]
pub fn mint(url: &str, key: &str, path: &str) -> (String, String) {
    let body = serde_json::json!({ "paths": [path], "permission": "read", "allow_missing": true });
    let (status, minted) = ask(url, "POST", "/v1/shares", key, Some(&body));
    assert_eq!(status, 201, "{minted}");
    (minted["id"].as_str().unwrap().into(), minted["token"].as_str().unwrap().into())
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// What a command wrote, once its exit code is this.
#[track_caller]
pub fn wrote(output: &Output, code: i32) -> (String, String) {
    let (said, remarked) =
        (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap());
    assert_eq!(output.status.code(), Some(code), "{said}\n{remarked}");
    (said, remarked)
}

/// Standard output of a command that succeeded, without the line's end.
#[track_caller]
pub fn said(output: &Output) -> String {
    wrote(output, 0).0.trim_end().to_owned()
}

/// What a command that failed told: one line, for people.
#[track_caller]
pub fn fault(output: &Output) -> String {
    let (said, remarked) = wrote(output, 1);
    assert_eq!(said, "");
    let last = remarked.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("cloakroom: "), "{remarked}");
    assert!(!remarked.contains("panicked") && !remarked.contains("Error {"), "{remarked}");
    last
}

/// An address of this machine at which nobody listens: as long as the socket is there, nobody else gets it.
pub fn nobody() -> (TcpSocket, SocketAddr) {
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    (taken, address)
}

/// A raw connection to a port of this machine.
pub fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).unwrap()
}
