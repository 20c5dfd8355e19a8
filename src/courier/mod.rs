//! Carries messages to receivers that others have named: over HTTP, to an address that was judged before anything is sent, and
//! with nothing taken back but the status.
//!
//! Never here: what is in a message, whether it is sent again, and who may name receivers.

mod resolver;

use std::{
    fmt, io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use ureq::{
    Agent, Error,
    http::{Response, header::RETRY_AFTER},
    unversioned::transport::DefaultConnector,
};

use crate::{
    domain::{
        webhook::{Reachable, WebhookUrl},
        webhook_delivery::{Failure, Tried, Trouble},
    },
    outward,
};

pub use resolver::{Names, SystemNames};

use resolver::{Guarded, NotAllowed};

/// How long a receiver may take, from its name to its answer.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// How long, after that, is waited for the rest of an answer, of which nothing is needed.
const REST: Duration = Duration::from_secs(2);

/// How much of an answer is read, so that a receiver which has sent it all is not cut off.
const MOST_READ: u64 = 16 * 1024;

/// The most bytes before the body of an answer.
const MOST_HEADERS: usize = 16 * 1024;

/// A message on its way.
#[derive(Clone)]
pub struct Message {
    /// To whom.
    pub url: WebhookUrl,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes)", self.body.len())
    }
}

/// Carries messages.
pub struct Courier {
    reachable: Arc<Reachable>,
    names: Arc<dyn Names>,
    patience: Duration,
    /// Made when the first message is sent: reading whom this machine trusts takes a while.
    agents: OnceLock<[Agent; 2]>,
}

impl Courier {
    /// One that goes as far as that.
    pub fn new(reachable: Reachable, names: Arc<dyn Names>, patience: Duration) -> Self {
        Self { reachable: Arc::new(reachable), names, patience, agents: OnceLock::new() }
    }

    /// How far it goes.
    pub fn reachable(&self) -> &Reachable {
        &self.reachable
    }

    /// Sends a message, once, and waits for the status of the answer.
    pub async fn send(self: Arc<Self>, message: Message) -> Tried {
        let sent = tokio::task::spawn_blocking(move || self.send_blocking(&message)).await;
        sent.unwrap_or(Err(Failure { what: Trouble::Broken, status: None, retry_after: None }))
    }

    fn send_blocking(&self, message: &Message) -> Tried {
        // As it is now: what an operator does not let through any more is not gone to.
        let Ok(url) = WebhookUrl::parse(message.url.as_str(), &self.reachable) else {
            return Err(Failure { what: Trouble::AddressRefused, status: None, retry_after: None });
        };
        let is_encrypted = url.as_str().starts_with("https:");
        let agent = &self.agents.get_or_init(|| [false, true].map(|tls| self.agent(tls)))[usize::from(is_encrypted)];
        let request = message
            .headers
            .iter()
            .fold(agent.post(url.as_str()), |request, (name, value)| request.header(*name, value.as_str()));
        match request.send(message.body.as_slice()) {
            Ok(answer) => judged(answer),
            Err(fault) => Err(Failure { what: trouble(&fault), status: None, retry_after: None }),
        }
    }

    /// No redirect, no proxy, and no connection that was made before: each goes to an address that was judged just now.
    fn agent(&self, is_encrypted: bool) -> Agent {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .max_idle_connections(0)
            .max_response_header_size(MOST_HEADERS)
            .timeout_global(Some(self.patience))
            .timeout_recv_body(Some(REST))
            .user_agent(concat!("Cloakroom/", env!("CARGO_PKG_VERSION"), " (webhooks)"))
            .https_only(is_encrypted)
            .tls_config(outward::trust())
            .build();
        let (names, reachable) = (Arc::clone(&self.names), Arc::clone(&self.reachable));
        Agent::with_parts(config, DefaultConnector::default(), Guarded { names, reachable, is_encrypted })
    }
}

/// The status counts, whatever comes after it.
fn judged(mut answer: Response<ureq::Body>) -> Tried {
    let status = answer.status();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    // Of what is longer or slower no more is read, and the connection ends.
    let _ = answer.body_mut().with_config().limit(MOST_READ).read_to_vec();
    if status.is_success() {
        return Ok(status.as_u16());
    }
    let retry_after = retry_after.map(Duration::from_secs);
    Err(Failure { what: Trouble::Status, status: Some(status.as_u16()), retry_after })
}

fn trouble(fault: &Error) -> Trouble {
    match fault {
        Error::Timeout(_) => Trouble::Timeout,
        Error::HostNotFound => Trouble::NameNotFound,
        Error::Io(fault) => of_io(fault),
        Error::ConnectionFailed => Trouble::Unreachable,
        Error::Tls(_) | Error::Pem(_) | Error::Rustls(_) => Trouble::Certificate,
        _ => Trouble::Broken,
    }
}

fn of_io(fault: &io::Error) -> Trouble {
    if fault.get_ref().is_some_and(|inner| inner.is::<NotAllowed>()) {
        return Trouble::AddressRefused;
    }
    if fault.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return Trouble::Certificate;
    }
    match fault.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Trouble::Timeout,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => Trouble::Unreachable,
        _ => Trouble::Broken,
    }
}
