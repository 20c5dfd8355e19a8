//! What can go wrong between a command and a server, and whether to try again.

use std::{fmt, io, time::Duration};

use ureq::http::Response;

use crate::{
    entropy::{Entropy, SystemEntropy},
    http::problem::ProblemDocument,
};

/// How often something is tried before it is given up.
const TRIES: u32 = 7;

/// The pause after the first try; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// No server is let to send anybody to sleep for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why a request failed.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// The status of an answer; none when there was no whole answer.
    pub(super) status: Option<u16>,
    /// The code of the problem document, if it was one.
    pub(super) code: String,
    /// How long an answer asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// Whether another try may help.
    pub(super) is_passing: bool,
    said: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// Nothing that another try would change.
    pub(super) fn other(said: &impl ToString) -> Self {
        Self { status: None, code: String::new(), retry_after: None, is_passing: false, said: said.to_string() }
    }

    /// No answer, or half of one. Where nothing was ever reached, the name or the
    /// port is wrong more often than the moment, and nobody is kept waiting.
    pub(super) fn unreachable(url: &str, was_reached: bool, fault: &ureq::Error) -> Self {
        use ureq::Error;
        let is_passing = match fault {
            Error::HostNotFound | Error::ConnectionFailed | Error::Timeout(ureq::Timeout::Connect) => was_reached,
            Error::Io(fault) if fault.kind() == io::ErrorKind::ConnectionRefused => was_reached,
            Error::Io(_) | Error::Timeout(_) | Error::Protocol(_) => true,
            // What is wrong with the request or the certificate stays wrong.
            _ => false,
        };
        Self { is_passing, ..Self::other(&format!("{url} cannot be reached: {fault}")) }
    }

    /// The same for a connection that broke while bytes came down.
    pub(super) fn broken(fault: &io::Error) -> Self {
        Self { is_passing: true, ..Self::other(&format!("the connection broke: {fault}")) }
    }

    /// An answer of the API that says no.
    pub(super) fn refused(url: &str, status: u16, body: &str, retry_after: Option<Duration>) -> Self {
        let (code, said) = match serde_json::from_str::<ProblemDocument>(body) {
            Ok(problem) => {
                let detail = problem.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
                let pointer = problem.pointer.map(|pointer| format!(" ({pointer})")).unwrap_or_default();
                (problem.code, format!("{}{pointer}{detail}", problem.title))
            }
            Err(_) => (String::new(), format!("{url} answered {status}; is it a Cloakroom server?")),
        };
        Self { code, ..Self::answered(status, said, retry_after) }
    }

    /// An answer of the object storage that says no.
    pub(super) fn of_storage(status: u16, body: &str, retry_after: Option<Duration>) -> Self {
        let told = match serde_json::from_str::<serde_json::Value>(body) {
            Ok(problem) => problem["title"].as_str().unwrap_or_default().to_owned(),
            // S3 answers XML.
            Err(_) => between(body, "<Message>", "</Message>").unwrap_or_default().to_owned(),
        };
        let told = if told.is_empty() { String::new() } else { format!(": {told}") };
        let fault = Self::answered(status, format!("the storage answered {status}{told}"), retry_after);
        // S3: two requests met, or the line was too slow. Both pass.
        let is_passing = fault.is_passing || body.contains("<Code>RequestTimeout<") || status == 409;
        Self { is_passing, ..fault }
    }

    fn answered(status: u16, said: String, retry_after: Option<Duration>) -> Self {
        let is_passing = matches!(status, 408 | 429 | 500..);
        Self { status: Some(status), retry_after, is_passing, ..Self::other(&said) }
    }
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    text.split_once(begin)?.1.split_once(end).map(|(inner, _)| inner)
}

/// For how long an answer asks to be left alone. Dates are not understood, and not needed.
pub(super) fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Tries, and again after a while where that may help.
///
/// # Errors
/// The last fault, and at once one that will not pass.
pub(super) fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut tries = 1;
    loop {
        match attempt() {
            Err(fault) if fault.is_passing && tries < TRIES => {
                // A password that was tried too often is waited for by people, not by us.
                if fault.retry_after.is_some_and(|wanted| wanted > LONGEST_PAUSE) {
                    return Err(fault);
                }
                std::thread::sleep(pause(tries, fault.retry_after));
                tries += 1;
            }
            done => return done,
        }
    }
}

/// What was asked for, or else doubling; with a random share, so that many who
/// were turned away together do not come back together.
fn pause(tries: u32, wanted: Option<Duration>) -> Duration {
    let span = wanted.unwrap_or_else(|| FIRST_PAUSE.saturating_mul(1 << tries.min(16))).min(LONGEST_PAUSE);
    let random = u32::from(u16::from_le_bytes((&SystemEntropy as &dyn Entropy).bytes()));
    let share = |of: Duration| of.mul_f64(f64::from(random) / f64::from(u16::MAX));
    match wanted {
        // Never earlier than asked for.
        Some(_) => span + share(FIRST_PAUSE),
        None => span / 2 + share(span / 2),
    }
}

/// Waits as a 202 asks for; a server that says nothing, or 0, is asked again ever less often.
pub(super) fn wait_for(wanted: Option<Duration>, tries: u32) {
    std::thread::sleep(pause(tries, wanted.filter(|wanted| !wanted.is_zero())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_not_tried_again_and_an_outage_is() {
        let tried = |status| {
            let mut tries = 0;
            let done = patiently(|| {
                tries += 1;
                if tries < 3 { Err(Fault::refused("x", status, "", Some(Duration::ZERO))) } else { Ok(()) }
            });
            (tries, done.is_ok())
        };
        for refusal in [400, 401, 403, 404, 409, 412, 422] {
            assert_eq!(tried(refusal), (1, false), "{refusal}");
        }
        for passing in [408, 429, 500, 502, 503] {
            assert_eq!(tried(passing), (3, true), "{passing}");
        }
    }

    #[test]
    fn pauses_grow_to_a_bound_and_are_never_shorter_than_asked_for() {
        for tries in 1..40 {
            assert!(pause(tries, None) <= LONGEST_PAUSE);
        }
        assert!(pause(1, None) < pause(6, None));
        let wanted = Duration::from_secs(7);
        assert!((wanted..wanted + FIRST_PAUSE * 2).contains(&pause(1, Some(wanted))));
        assert!(pause(1, Some(Duration::MAX)) <= LONGEST_PAUSE + FIRST_PAUSE);
    }

    #[test]
    fn storage_is_quoted_in_its_own_words() {
        let s3 =
            "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
        assert_eq!(Fault::of_storage(403, s3, None).to_string(), "the storage answered 403: Request has expired");
        let ours = "{\"title\":\"the bytes differ\"}";
        assert_eq!(Fault::of_storage(400, ours, None).to_string(), "the storage answered 400: the bytes differ");
        assert_eq!(Fault::of_storage(500, "<html>", None).to_string(), "the storage answered 500");
    }
}
