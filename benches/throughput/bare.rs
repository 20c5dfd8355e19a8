//! The bare handler that the broker is compared with, in a process of its own.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use actix_web::{App, HttpResponse, HttpServer, web};

use crate::process::{Process, free_addresses, try_call};

/// The argument with which this program is a bare handler.
pub(crate) const BARE: &str = "--be-the-bare-handler";

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
