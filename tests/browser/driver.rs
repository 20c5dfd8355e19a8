//! Chromium and its driver: started once, and gone with the tests.
//!
//! The driver gets the signal to end from the kernel when the tests end, however they end (`setpriv
//! --pdeathsig`), and a browser ends when the pipe to its driver closes (`--remote-debugging-pipe`). So a killed
//! test leaves nothing behind, and nobody needs rights for a namespace of processes.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{Arc, LazyLock, mpsc},
    thread,
};

use fantoccini::{Client, ClientBuilder, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::{
    runtime::Runtime,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use ureq::http::Method;
use url::Url;

/// At so many browsers at once two processors are busy.
const SEATS: usize = 2;

/// What makes a browser predictable, and keeps it on this machine. It shows our own pages only, so it does
/// without a sandbox, which a test that runs as root could not have.
const FLAGS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost",
];

/// The driver of all browsers of this process.
pub static DRIVER: LazyLock<Driver> = LazyLock::new(Driver::start);

pub struct Driver {
    pub runtime: Runtime,
    url: String,
    seats: Arc<Semaphore>,
}

impl Driver {
    fn start() -> Self {
        let (told, port) = mpsc::channel();
        // The kernel looks at the thread that started the driver: this one lives as long as the process.
        thread::spawn(move || {
            let driver = Command::new("setpriv")
                .args(["--pdeathsig", "KILL", "chromedriver", "--port=0"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn();
            let mut driver = driver.expect("setpriv, of util-linux, is needed");
            for line in BufReader::new(driver.stdout.take().unwrap()).lines() {
                let line = line.unwrap();
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    told.send(port.trim_end_matches('.').to_owned()).unwrap();
                }
            }
            driver.wait().unwrap();
        });
        let port = port.recv().expect("chromedriver does not start: run ./test, which installs it, or says how");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, url: format!("http://127.0.0.1:{port}"), seats: Arc::new(Semaphore::new(SEATS)) }
    }

    /// Waits until so many browsers may be started, together: one by one, two tests could wait for each other.
    pub fn seats(&self, browsers: usize) -> OwnedSemaphorePermit {
        let seats = self.seats.clone().acquire_many_owned(browsers.try_into().unwrap());
        self.runtime.block_on(seats).unwrap()
    }

    /// A new browser with this profile folder and these preferences.
    pub fn browser(&self, profile: &str, flags: &[String], preferences: &Value) -> Client {
        let mut arguments: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
        arguments.push(format!("--user-data-dir={profile}"));
        arguments.extend_from_slice(flags);
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments, "prefs": preferences },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "unhandledPromptBehavior": "ignore",
        });
        let Value::Object(wanted) = wanted else { unreachable!() };
        let wanted: Map<String, Value> = wanted;
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let session = builder.capabilities(wanted).connect(&self.url);
        self.runtime.block_on(Box::pin(session)).expect("chromium does not start: apt-get install chromium")
    }
}

/// A command of this driver beyond the standard: a POST below the session.
#[derive(Debug)]
pub struct Beyond {
    pub path: &'static str,
    pub body: Value,
}

impl WebDriverCompatibleCommand for Beyond {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
