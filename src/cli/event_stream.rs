//! Follows events for a command: goes on after the last one that was taken, as often as the connection is lost.

use std::io::{BufRead, BufReader, Read};

use clap::Args;
use serde_json::Value;

use super::{
    Failed,
    client::{Client, encoded},
    fault::{Fault, wait_for},
    remark,
};

/// The longest line that is taken from a server, in bytes. An event has one of a few hundred.
const LONGEST_LINE: u64 = 1 << 20;

/// Which events; what is not said is not asked for.
#[derive(Args, Debug)]
pub(super) struct Wanted {
    /// Only events after this number
    #[arg(long, value_name = "NUMBER")]
    pub(super) after: Option<u64>,
    /// Only events of these types, with commas between, such as share.claimed,share.refused
    #[arg(long = "type", value_name = "TYPES")]
    pub(super) kinds: Option<String>,
}

/// One message, as far as it has come.
#[derive(Debug, Default)]
struct Message {
    id: Option<u64>,
    data: Option<String>,
}

impl Message {
    /// Takes a line (HTML standard, section 9.2.6): at an empty one, the message is whole.
    fn take(&mut self, line: &str) -> Option<Self> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" if !line.is_empty() => self.id = value.parse().ok(),
            "data" => self.data = Some(value.to_owned()),
            "" if line.is_empty() => return Some(std::mem::take(self)),
            _ => {}
        }
        None
    }
}

/// Hands on each event once, in order, for ever.
///
/// # Errors
/// When the server refuses, when it was never reached, or what `each` fails with.
pub(super) fn follow(
    client: &Client,
    wanted: &Wanted,
    mut each: impl FnMut(&Value) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let query = wanted.kinds.as_deref().map(|kinds| format!("?type={}", encoded(kinds))).unwrap_or_default();
    let (mut last, mut tries) = (wanted.after, 0);
    loop {
        let mut heard = false;
        let fault = match client.stream(&format!("/v1/events{query}"), last) {
            Ok(body) => read(body, &mut last, &mut heard, &mut each)?,
            Err(fault) if fault.is_passing => fault,
            Err(fault) => return Err(fault.into()),
        };
        tries = if heard { 1 } else { tries + 1 };
        remark(format!("{fault}; going on in a moment"));
        wait_for(fault.retry_after, tries);
    }
}

/// Reads one stream to its end, which is why it has to be gone on with.
fn read(
    body: impl Read,
    last: &mut Option<u64>,
    heard: &mut bool,
    each: &mut impl FnMut(&Value) -> Result<(), Failed>,
) -> Result<Fault, Failed> {
    let (mut body, mut message) = (BufReader::new(body), Message::default());
    loop {
        let mut line = String::new();
        match body.by_ref().take(LONGEST_LINE).read_line(&mut line) {
            Ok(0) => return Ok(Fault::other(&"the stream has ended")),
            Err(fault) => return Ok(Fault::broken(&fault)),
            Ok(_) if !line.ends_with('\n') => return Ok(Fault::other(&"the stream broke off")),
            Ok(_) => {}
        }
        *heard = true;
        let line = line.trim_end_matches(['\r', '\n']);
        if let Some(began) = line.strip_prefix(": after ") {
            // Before anything has happened, too, it is known where to go on.
            *last = last.or(began.parse().ok());
        }
        let Some(Message { id, data }) = message.take(line) else { continue };
        if let Some(data) = data {
            let event: Value = serde_json::from_str(&data)
                .map_err(|_| Fault::other(&"the server does not tell events as Cloakroom does"))?;
            each(&event)?;
        }
        *last = id.or(*last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(body: &str, last: Option<u64>) -> (Vec<u64>, Option<u64>) {
        let (mut last, mut heard, mut seen) = (last, false, Vec::new());
        let mut each = |event: &Value| {
            seen.push(event["seq"].as_u64().unwrap());
            Ok(())
        };
        read(body.as_bytes(), &mut last, &mut heard, &mut each).unwrap();
        (seen, last)
    }

    #[test]
    fn a_message_counts_when_it_is_whole() {
        let began = "retry: 2000\n: after 4\n\n";
        assert_eq!(read_all(began, None), (vec![], Some(4)));
        assert_eq!(read_all(began, Some(2)), (vec![], Some(2)));
        let one = "id: 5\ndata: {\"seq\":5}\n\n";
        assert_eq!(read_all(&format!("{began}{one}"), None), (vec![5], Some(5)));
        // It broke off before the end of the next.
        assert_eq!(read_all(&format!("{one}id: 6\ndata: {{\"seq\":6}}\n"), None), (vec![5], Some(5)));
        assert_eq!(read_all(&format!("{one}id: 6\ndata: {{\"seq"), None), (vec![5], Some(5)));
        // What has no data says where to go on, and nothing else.
        assert_eq!(read_all(&format!("{one}: still here\r\nid: 9\r\n\r\n"), None), (vec![5], Some(9)));
        assert_eq!(read_all("data:{\"seq\":7}\nevent: x\nunknown\n\n", Some(6)), (vec![7], Some(6)));
    }

    #[test]
    fn what_is_no_event_is_no_stream_of_ours() {
        let mut each = |_: &Value| Ok(());
        assert!(read("data: hello\n\n".as_bytes(), &mut None, &mut false, &mut each).is_err());
        let endless = vec![b'x'; 2 << 20];
        assert!(read(endless.as_slice(), &mut None, &mut false, &mut each).unwrap().to_string().contains("broke off"));
    }
}
