//! Pages of the audit trail of a long ledger.

use std::time::Instant;

use cloakroom::{
    domain::{
        audit_filter::AuditFilter,
        event::{EventType, Outcome},
    },
    service::listing::PageRequest,
};
use serde_json::{Value, json};

use super::{Measured, append, percentiles};

pub(crate) async fn measure(measured: &Measured, records: usize) -> Value {
    let none = AuditFilter::default;
    let shares = records / 10;
    println!("\n{:<44} {:>9} {:>9} {:>7}", "a page of the audit trail, 50 at most, ms", "median", "p99", "found");
    let mut figures = json!({});
    let mut tell = |name: &str, what: &str, (mut spans, found): (Vec<f64>, usize)| {
        let (median, p99) = percentiles(&mut spans);
        println!("{what:<44} {median:>9.2} {p99:>9.2} {found:>7}");
        figures[name] = json!({ "median_ms": median, "p99_ms": p99, "found": found });
    };
    let fixed = async |times, filter: AuditFilter| timed(measured, times, |_| filter.clone()).await;
    tell("newest", "the newest", fixed(500, none()).await);
    let refused = AuditFilter { kind: Some(EventType::ShareRefused), ..none() };
    tell("rare_type", "a type that one in a thousand has", fixed(100, refused.clone()).await);
    let actor = AuditFilter { actor: Some(append::rare_key().to_string()), ..none() };
    tell("rare_actor", "an actor who did one in a thousand", fixed(100, actor).await);
    // Spread over all of the ledger, the same share each time the same.
    let resource = |number: usize| append::share(shares * (number % 97) / 97).to_string();
    let one = timed(measured, 300, |number| AuditFilter { resource: Some(resource(number)), ..none() }).await;
    tell("one_resource", "one resource, to the end", one);
    let other =
        |number: usize| AuditFilter { resource: Some(resource(number)), outcome: Some(Outcome::Refused), ..none() };
    tell("two_conditions", "one resource, refused alone", timed(measured, 300, other).await);
    let nobody = |number: usize| AuditFilter { resource: Some(append::share(records + number).to_string()), ..none() };
    tell("nothing", "nothing found", timed(measured, 300, nobody).await);
    let window = |number: usize| {
        let middle = records / 3 + number * 101 % (records / 3);
        let (after, before) = (append::time_of(middle), append::time_of(middle + 40));
        AuditFilter { after: Some(after), before: Some(before), ..none() }
    };
    tell("window", "four seconds in the middle", timed(measured, 300, window).await);
    figures
}

/// Milliseconds until all pages of a search are there, and how much the last found; of what is found on one page, one.
async fn timed(measured: &Measured, times: usize, filter: impl Fn(usize) -> AuditFilter) -> (Vec<f64>, usize) {
    let (mut spans, mut found) = (Vec::new(), 0);
    for number in 0..times {
        let filter = filter(number);
        let (started, mut cursor) = (Instant::now(), None);
        found = 0;
        loop {
            let request = PageRequest { limit: Some(50), cursor };
            let page = measured.broker.audit(&measured.admin, &filter, &request).await.unwrap();
            found += page.items.len();
            cursor = page.next_cursor;
            if cursor.is_none() || found >= 50 {
                break;
            }
        }
        spans.push(started.elapsed().as_secs_f64() * 1e3);
    }
    (spans, found)
}
