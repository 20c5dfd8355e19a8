//! A service that scans: the bytes in a POST, the verdict in its answer.
//!
//! 200 with `{"verdict":"clean"}` or `{"verdict":"infected","signature":"…"}`.
//! Everything else is no verdict: another status, another body, a redirect,
//! the end of patience, or an answer before everything was read.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use ureq::{Agent, SendBody};

use crate::{objects::ByteStream, outward};

use super::{
    NotUsable, ScanRequest, Scanner, Unavailable, Verdict,
    relay::{Moved, Relayed, relay},
    unavailable,
};

/// No answer is longer.
const LARGEST_ANSWER: u64 = 16 * 1024;

/// A service that is asked for each scan.
#[derive(Debug)]
pub struct HttpScanner {
    agent: Agent,
    url: String,
    patience: Duration,
    places: Semaphore,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    verdict: String,
    signature: Option<String>,
}

impl HttpScanner {
    /// A scanner that posts to this URL, at most `at_once` times at the same
    /// time. `patience` bounds the wait for a place, and then each scan.
    ///
    /// # Errors
    /// When it is no URL. Whether bytes may go there is decided by the configuration.
    pub fn new(url: &str, patience: Duration, at_once: usize) -> Result<Self, NotUsable> {
        url.parse::<ureq::http::Uri>().map_err(|fault| NotUsable(format!("CLOAKROOM_SCANNER_URL: {fault}")))?;
        Ok(Self { agent: outward::agent(patience), url: url.into(), patience, places: Semaphore::new(at_once) })
    }
}

#[async_trait]
impl Scanner for HttpScanner {
    async fn scan(&self, what: &ScanRequest, bytes: ByteStream) -> Result<Verdict, Unavailable> {
        let place = timeout(self.patience, self.places.acquire()).await;
        let _place =
            place.ok().and_then(Result::ok).ok_or_else(|| unavailable("other scans took all places for too long"))?;
        let (moving, relayed) = relay(bytes, what.size);
        let (agent, url, what) = (self.agent.clone(), self.url.clone(), what.clone());
        let all = async { tokio::join!(moving, spawn_blocking(move || ask(&agent, &url, &what, relayed))) };
        let (moved, answer) =
            timeout(self.patience, all).await.map_err(|_| unavailable("the service did not answer in time"))?;
        match moved {
            Moved::Whole => answer.map_err(|_| unavailable("a thread was lost"))?,
            Moved::NotTaken => Err(unavailable("the service did not read to the end")),
            Moved::Failed(fault) => Err(unavailable(fault)),
        }
    }
}

fn ask(agent: &Agent, url: &str, what: &ScanRequest, bytes: Relayed) -> Result<Verdict, Unavailable> {
    let mut request = agent
        .post(url)
        .header("Content-Type", what.content_type.as_str())
        .header("Content-Length", what.size.to_string())
        .header("Cloakroom-Upload", what.id.to_string());
    if let Some(sha256) = what.sha256 {
        request = request.header("Cloakroom-Sha256", base16ct::lower::encode_string(&sha256));
    }
    let answer = request.send(SendBody::from_owned_reader(bytes));
    let mut answer = answer.map_err(|fault| unavailable(format!("the service cannot be asked: {fault}")))?;
    if answer.status() != 200 {
        return Err(unavailable(format!("the service answered {}", answer.status())));
    }
    let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec();
    let body = body.map_err(|fault| unavailable(format!("the answer cannot be read: {fault}")))?;
    match serde_json::from_slice(&body) {
        Ok(Answer { verdict, signature: None }) if verdict == "clean" => Ok(Verdict::Clean),
        Ok(Answer { verdict, signature: Some(signature) }) if verdict == "infected" => {
            Ok(Verdict::infected(&signature))
        }
        _ => Err(unavailable("the answer is no verdict")),
    }
}
