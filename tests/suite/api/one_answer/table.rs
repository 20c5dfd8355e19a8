//! The table that people read, `one_answer.txt`, and what the broker is held to by it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use cloakroom::{
    domain::event::{Event, Outcome},
    service::Refused,
};

use super::{
    asking::{Answered, Request},
    house::House,
    tickets::{Held, Ticket},
};
use crate::api::harness::events;

const TABLE: &str = include_str!("../one_answer.txt");

/// Where whoever is refused was not heard out, whatever it is that is refused.
const UNHEARD: [&str; 2] = ["GET /v1/events/ws", "content PUT /o/{token}"];

/// A ticket that opens nothing, for this cause.
pub struct Case {
    pub cause: &'static str,
    /// Which of several of this cause.
    pub what: String,
    pub held: Held,
    /// Only where its claim key is presented, too, is this the cause.
    pub with_its_claim_key: bool,
}

impl Case {
    pub fn new(cause: &'static str, what: impl Into<String>, held: Held) -> Self {
        Self { cause, what: what.into(), held, with_its_claim_key: false }
    }

    pub fn with_its_claim_key(self) -> Self {
        Self { with_its_claim_key: true, ..self }
    }
}

/// The entries by their causes: one for each column.
pub fn table() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let mut lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let columns: Vec<_> = lines.next().unwrap().split_whitespace().skip(1).collect();
    assert_eq!(columns, Ticket::ALL.map(Ticket::name), "the columns of one_answer.txt");
    let mut table = BTreeMap::new();
    for line in lines {
        let (cause, entries) = line.split_once("  ").unwrap_or_else(|| panic!("no entries: {line}"));
        let entries: Vec<_> = entries.split_whitespace().collect();
        assert_eq!(entries.len(), columns.len(), "a row has an entry for each column: {line}");
        assert!(entries.iter().any(|entry| *entry != "."), "nothing has this cause: {line}");
        let row = columns.iter().copied().zip(entries).collect();
        assert!(table.insert(cause, row).is_none(), "two rows of {cause}");
    }
    table
}

/// The causes that this kind of ticket knows, with who is told them.
pub fn column(ticket: Ticket) -> BTreeMap<&'static str, &'static str> {
    let of = |(cause, row): (&'static str, BTreeMap<_, &'static str>)| (cause, row[ticket.name()]);
    table().into_iter().map(of).filter(|(_, entry)| *entry != ".").collect()
}

/// What was counted of what a ledger does not have.
fn counted(house: &House) -> [u64; 2] {
    let broker = house.api.broker();
    let strangers = broker.security.refusals(Refused::Token) + broker.security.refusals(Refused::SignIn);
    [broker.tallies.unattributed(), strangers]
}

/// Every refusal in any ledger.
fn refused(house: &House) -> Vec<Event> {
    let rows = house.faults.backend().all().into_iter();
    let ledgers: BTreeSet<_> = rows
        .filter_map(|row| {
            let mut of = row.key.partition.split('#');
            let kind = of.next().filter(|kind| ["ledger", "outbox"].contains(kind));
            kind.and_then(|_| Some(format!("{}#{}", of.next().filter(|id| id.starts_with("ten_"))?, of.next()?)))
        })
        .collect();
    let all = ledgers.iter().flat_map(|ledger| house.api.wait(events(house.api.broker(), ledger)));
    all.filter(|event| event.outcome == Outcome::Refused).collect()
}

/// Who was told of a refusal, as the table spells it.
fn entry(reasons: &[String], [unattributed, strangers]: [u64; 2]) -> String {
    match (reasons, unattributed, strangers) {
        ([reason], 0, 1) => reason.clone(),
        ([], 1, 1) => "operator".into(),
        ([], 0, 1) => "counted".into(),
        ([], 0, 0) => "-".into(),
        other => format!("more than once, or not where it is counted, {other:?},"),
    }
}

struct Presented {
    case: String,
    cause: &'static str,
    route: String,
    answered: Answered,
    counted: [u64; 2],
    /// Where an answer has no request id: the reasons that came to the ledgers with it.
    reasons: Vec<String>,
}

fn id(event: &Event) -> Option<String> {
    event.request.map(|request| request.to_string())
}

fn reason(event: &Event) -> String {
    event.reason.map_or("none", |reason| reason.as_str()).to_owned()
}

impl House {
    /// Presents all of these wherever such a ticket is presented, and holds answers and records to the table.
    pub fn hold(&self, ticket: Ticket, cases: Vec<Case>) {
        let mut known: BTreeSet<_> = refused(self).iter().filter_map(id).collect();
        let column = column(ticket);
        let mut wrong = String::new();
        let made: BTreeSet<_> = cases.iter().map(|case| case.cause).collect();
        for cause in column.keys().filter(|cause| !made.contains(*cause)) {
            writeln!(wrong, "{cause}: has an entry, and was not made").unwrap();
        }
        let mut all = Vec::new();
        for case in cases {
            for (route, request) in ticket.requests(self, &case.held, case.with_its_claim_key) {
                all.push(self.presented(&case, route, &request, &mut known));
            }
        }
        let refused = refused(self);
        let reasons = |presented: &Presented| match &presented.answered.request {
            None => presented.reasons.clone(),
            Some(id) => refused.iter().filter(|event| self::id(event).as_ref() == Some(id)).map(reason).collect(),
        };
        let expected: Vec<_> = ticket.usual(self).iter().map(|request| self.present(request).text).collect();
        assert!(expected.windows(2).all(|two| two[0] == two[1]), "{expected:#?}");
        for presented in &all {
            let Presented { case, cause, route, answered, counted, .. } = presented;
            let head = route.contains("HEAD ");
            let expected = if head { self.present(&ticket.usual_head(self)).text } else { expected[0].clone() };
            // How much of a body was read when it is refused must not depend on why.
            if answered.closes != UNHEARD.contains(&route.as_str()) {
                writeln!(wrong, "{cause} ({case}), {route}: is, or is not, answered before it was heard").unwrap();
            }
            if answered.text != expected {
                writeln!(wrong, "{cause} ({case}), {route}: is answered\n{}\n---- not\n{expected}", answered.text)
                    .unwrap();
            }
            let got = entry(&reasons(presented), *counted);
            match column.get(cause) {
                Some(expected) if *expected == got => {}
                Some(expected) => {
                    writeln!(wrong, "{cause} ({case}), {route}: {expected} is to be told, and {got} is").unwrap()
                }
                None => writeln!(wrong, "{cause} ({case}), {route}: has no entry. Told now: {got}").unwrap(),
            }
        }
        assert!(wrong.is_empty(), "one_answer.txt and what is answered to a {} differ:\n{wrong}", ticket.name());
    }

    fn presented(&self, case: &Case, route: String, request: &Request, known: &mut BTreeSet<String>) -> Presented {
        let [unattributed, strangers] = counted(self);
        self.faults.take_asked();
        let answered = self.present(request);
        let after = counted(self);
        // Another listener tells no request id: what is new is of this one.
        let is_written = answered.request.is_none() && self.faults.take_asked().commits > 0;
        let events = if is_written { refused(self) } else { Vec::new() };
        let reasons = events.iter().filter(|event| id(event).is_some_and(|id| known.insert(id))).map(reason).collect();
        let counted = [after[0] - unattributed, after[1] - strangers];
        let (case, cause) = (case.what.clone(), case.cause);
        Presented { case, cause, route, answered, counted, reasons }
    }

    pub fn present(&self, request: &Request) -> Answered {
        self.api.present(request)
    }
}
