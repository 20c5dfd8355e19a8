//! A relay before a service, which fails as a test has planned: call by call, each time until it is mended.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::operation::named;
use crate::relaying::{Arriving, relay};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service says this, and does nothing: a status and a code.
    Told(u16, &'static str),
    /// It says so, having done all of it.
    ToldDone(u16, &'static str),
    /// It cancels a transaction: this was in the way of every item.
    Cancelled(&'static str),
    /// It leaves everything undone that a batch asks for, and says so with 200.
    LeftUndone,
    /// It begins with 200, as S3 may, and then says this.
    ToldLate(&'static str),
    /// The connection ends before the service has heard anything.
    Unheard,
    /// The connection ends when it was done, without an answer.
    Lost,
    /// It was done, and half of the answer comes.
    Half,
    /// It was done, and what comes is no HTTP.
    Garbled,
    /// Nothing is done, and no answer ever comes.
    Silent,
    /// It was done, and no answer ever comes.
    SilentDone,
}

impl Fault {
    /// Whether the service has done what it was asked.
    pub fn is_done(self) -> bool {
        matches!(self, Self::ToldDone(..) | Self::Lost | Self::Half | Self::Garbled | Self::SilentDone)
    }
}

/// An emulator, and the relay before it.
pub struct Unreliable {
    pub url: String,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    /// Faults of calls, and how often each is still met; none: until it is mended.
    faults: BTreeMap<&'static str, (Fault, Option<usize>)>,
    met: BTreeMap<String, usize>,
    asked: BTreeMap<String, usize>,
}

impl Plan {
    fn next(&mut self, operation: &str) -> Option<Fault> {
        *self.asked.entry(operation.to_owned()).or_default() += 1;
        let (fault, left) = self.faults.get_mut(operation)?;
        if let Some(left) = left {
            *left = left.checked_sub(1)?;
        }
        *self.met.entry(operation.to_owned()).or_default() += 1;
        Some(*fault)
    }
}

impl Unreliable {
    pub fn before(endpoint: &str) -> Self {
        let plan = Arc::<Mutex<Plan>>::default();
        let (behind, planned) = (endpoint.strip_prefix("http://").unwrap().to_owned(), plan.clone());
        let url = relay(move |request| {
            let operation = named(&request.line, &request.headers);
            let fault = planned.lock().unwrap().next(&operation);
            match fault {
                None => request.pass(&behind, |_| {}),
                Some(fault) => fail(request, fault, &behind),
            }
        });
        Self { url, plan }
    }

    /// From now on this call fails so.
    pub fn plan(&self, operation: &'static str, fault: Fault) {
        self.plan.lock().unwrap().faults.insert(operation, (fault, None));
    }

    /// The next so many of this call fail so.
    pub fn plan_some(&self, operation: &'static str, fault: Fault, times: usize) {
        self.plan.lock().unwrap().faults.insert(operation, (fault, Some(times)));
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        self.plan.lock().unwrap().faults.clear();
    }

    /// How often this call was sent.
    pub fn asked(&self, operation: &str) -> usize {
        self.plan.lock().unwrap().asked.get(operation).copied().unwrap_or(0)
    }

    /// How often this call has failed so far.
    pub fn met(&self, operation: &str) -> usize {
        self.plan.lock().unwrap().met.get(operation).copied().unwrap_or(0)
    }
}

fn fail(mut request: Arriving, fault: Fault, behind: &str) -> io::Result<()> {
    let body = request.body()?;
    let done = if fault.is_done() { request.done(behind, &body)? } else { Vec::new() };
    let is_dynamodb = request.headers.to_lowercase().contains("x-amz-target:");
    let says =
        |status, code: &str| if is_dynamodb { json_error(status, code, Value::Null) } else { xml_error(status, code) };
    let answer = match fault {
        Fault::Told(status, code) | Fault::ToldDone(status, code) => says(status, code),
        Fault::ToldLate(code) => xml_error(200, code),
        Fault::Cancelled(code) => {
            let items = serde_json::from_slice::<Value>(&body)?["TransactItems"].as_array().map_or(0, Vec::len);
            json_error(400, "TransactionCanceledException", json!(vec![json!({ "Code": code }); items]))
        }
        Fault::LeftUndone => {
            let asked = &serde_json::from_slice::<Value>(&body)?["RequestItems"];
            answer(200, JSON, &json!({ "Responses": {}, "UnprocessedKeys": asked }).to_string())
        }
        Fault::Unheard | Fault::Lost => Vec::new(),
        Fault::Half => done[..done.len() / 2].to_vec(),
        Fault::Garbled => b"\x15\x03\x01\x00\x02\x02\x28 what is this\r\n\r\n".to_vec(),
        Fault::Silent | Fault::SilentDone => return request.client.read(&mut [0]).map(drop),
    };
    let is_head = request.line.starts_with("HEAD ");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").filter(|_| is_head && !fault.is_done());
    request.client.write_all(&answer[..end.map_or(answer.len(), |end| end + 4)])?;
    request.client.shutdown(Shutdown::Both)
}

const JSON: &str = "application/x-amz-json-1.0";

fn json_error(status: u16, code: &str, reasons: Value) -> Vec<u8> {
    let mut body =
        json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "planned by a test" });
    if !reasons.is_null() {
        body["CancellationReasons"] = reasons;
    }
    answer(status, JSON, &body.to_string())
}

fn xml_error(status: u16, code: &str) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>planned by a test</Message>\
         <RequestId>R</RequestId></Error>"
    );
    answer(status, "application/xml", &body)
}

fn answer(status: u16, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

impl Arriving {
    /// What comes after the head.
    pub fn body(&mut self) -> io::Result<Vec<u8>> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(':'));
        let mut length = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.next().map_or(0, |(_, value)| value.trim().parse().unwrap());
        let mut body = vec![0; length];
        self.client.read_exact(&mut body)?;
        Ok(body)
    }

    /// The whole answer of the server to this request.
    pub fn done(&self, behind: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut server: TcpStream = self.begun(behind)?;
        server.write_all(body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(answer)
    }
}
