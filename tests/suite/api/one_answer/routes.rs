//! That nothing is without a place in the table: no route, and no reason of a refusal.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use cloakroom::domain::refusal::Refusal;
use serde_json::json;

use super::{
    asking::Request,
    house::House,
    table::table,
    tickets::{Held, Ticket},
    told::TOLD,
};
use crate::api::{
    harness::claim_key,
    inventory::{self, routes},
};

/// What opens something on a route that asks for neither key nor session.
enum Opens {
    /// One of these tickets.
    Tickets(&'static [Ticket]),
    /// Nothing is presented there, and everybody is answered alike.
    Nothing,
    /// These tests hold it.
    Elsewhere(&'static str),
}

/// Every route that answers somebody without a key and without a session, with what may be presented there.
static OPEN: [(&str, Opens); 25] = [
    ("POST /v1/shares/redeem", Opens::Tickets(&[Ticket::Share, Ticket::Move])),
    ("POST /v1/shares/redeem/code", Opens::Tickets(&[Ticket::Share, Ticket::Move])),
    ("POST /v1/shares/redeem/preview", Opens::Tickets(&[Ticket::Share, Ticket::Move, Ticket::Key])),
    ("POST /v1/links/redeem", Opens::Tickets(&[Ticket::Link])),
    ("POST /v1/links/redeem/code", Opens::Tickets(&[Ticket::Link])),
    ("POST /v1/links/redeem/preview", Opens::Tickets(&[Ticket::Link])),
    ("POST /v1/file-requests/redeem", Opens::Tickets(&[Ticket::Request])),
    ("POST /v1/file-requests/redeem/preview", Opens::Tickets(&[Ticket::Request])),
    ("POST /v1/console/session", Opens::Tickets(&[Ticket::Key])),
    ("GET /v1/events/ws", Opens::Tickets(&[Ticket::Event])),
    ("artifact POST /.cloakroom/enter", Opens::Tickets(&[Ticket::Handoff])),
    ("artifact GET /{path}", Opens::Tickets(&[Ticket::Edge])),
    ("content GET /o/{token}", Opens::Tickets(&[Ticket::Url])),
    ("content HEAD /o/{token}", Opens::Tickets(&[Ticket::Url])),
    ("content POST /o/{token}", Opens::Tickets(&[Ticket::Url])),
    ("content PUT /o/{token}", Opens::Tickets(&[Ticket::Url])),
    ("GET /v1/console/providers", Opens::Nothing),
    ("GET /console/sign-in/{provider}", Opens::Nothing),
    ("GET /console/sign-in/{provider}/callback", Opens::Elsewhere("oidc::signing_in, oidc::refusals")),
    ("GET /openapi.json", Opens::Nothing),
    ("GET /docs", Opens::Nothing),
    ("GET /.well-known/security.txt", Opens::Nothing),
    ("ops GET /healthz", Opens::Nothing),
    ("ops GET /readyz", Opens::Nothing),
    ("ops GET /metrics", Opens::Nothing),
];

/// Pages are the same for everybody, and read nothing.
fn is_page(route: &str) -> bool {
    let (method, path) = route.split_once(' ').unwrap();
    let pages = ["/", "/console", "/console/{place}", "/l", "/r", "/s", "/session/{id}"];
    ["GET", "HEAD"].contains(&method) && (pages.contains(&path) || path.starts_with("/assets/"))
}

/// The routes that want a key or a session, as the other table has it for whoever has neither.
fn closed() -> BTreeSet<String> {
    let nobody = inventory::callers::COLUMNS.iter().position(|column| *column == "nobody").unwrap();
    let table = inventory::table();
    let wants = |route: &String| table.get(route.as_str()).is_none_or(|row| row[nobody] == "401");
    let all = routes::all().into_iter().filter(wants);
    all.filter(|route| !OPEN.iter().any(|(open, _)| open == route)).collect()
}

#[test]
fn every_route_has_a_place_in_the_table() {
    let all = routes::all();
    let (open, closed): (BTreeMap<_, _>, _) = (OPEN.iter().map(|(route, opens)| (*route, opens)).collect(), closed());
    let house = House::open();
    let mut wrong = String::new();
    for route in open.keys().filter(|route| !all.contains(**route)) {
        writeln!(wrong, "{route} is said to be open, and is no route").unwrap();
    }
    for route in all.iter().filter(|route| !closed.contains(*route) && !is_page(route)) {
        match open.get(route.as_str()) {
            None => writeln!(wrong, "{route} answers strangers: what may they present there?").unwrap(),
            Some(Opens::Tickets(tickets)) => {
                for ticket in *tickets {
                    let held = |name: &str| Held { host: "x".into(), name: name.into(), ..Held::new("crs_x") };
                    let mut asked =
                        ["GET", "PUT", "POST"].into_iter().flat_map(|name| ticket.requests(&house, &held(name), false));
                    if !asked.any(|(asked, _)| asked == *route) {
                        writeln!(wrong, "no {} is presented on {route}", ticket.name()).unwrap();
                    }
                }
            }
            Some(Opens::Elsewhere(tests)) => assert!(!tests.is_empty()),
            Some(Opens::Nothing) => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A new reason is not compiled before it is said here who is told it.
const fn is_for_holders(reason: Refusal) -> bool {
    use Refusal::*;
    match reason {
        // What is no token of ours names nobody, whose ledger it could be in.
        Malformed => false,
        NotYet | WrongPassword | NotARecipient | NoCodeSent | WrongCode => true,
        Unknown | WrongNetwork | Expired | AlreadyClaimed | AccessEnded | Moved | Revoked | Altered
        | TenantSuspended | GenerationChanged | MinterEnded | MinterLostRights | TargetGone | NoRecipientAnyMore => {
            false
        }
    }
}

#[test]
fn every_reason_has_a_place_in_the_table() {
    let table = table();
    let dead: BTreeSet<_> = table.values().flat_map(|row| row.values().copied()).collect();
    let living: BTreeSet<_> = TOLD.iter().filter_map(|told| told.reason).collect();
    for reason in Refusal::ALL {
        let (name, told) = (reason.as_str(), is_for_holders(reason));
        if reason != Refusal::Malformed {
            assert!(dead.contains(name) != told && living.contains(name) == told, "{name}");
        }
    }
    let words = ["operator", "counted", "-", "."];
    let is_reason = |entry: &&&str| Refusal::ALL.iter().any(|reason| reason.as_str() == **entry);
    let unknown: Vec<_> = dead.iter().filter(|entry| !words.contains(entry) && !is_reason(entry)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Every route behind a key or a session answers every dead one like none at all.
#[test]
fn every_route_that_wants_a_credential_answers_every_dead_one_alike() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let revoked = api.new_key(admin, "live", &[("/", "admin")]);
    let (console, over) = (api.sign_in(&revoked.secret), house.claimed(admin, &json!({})));
    house.delete(&format!("/v1/api-keys/{}", revoked.id));
    house.delete(&over.path());
    let expired = house.claimed(admin, &json!({}));
    house.passes(3_600);
    let made = house.asked(admin, json!({}));
    let body = json!({ "token": made["token"], "claim_key": claim_key() });
    let delivery = api.public("/v1/file-requests/redeem", &body).text("session_token");
    house.delete(&format!("/v1/file-requests/{}", crate::api::harness::text(&made, "id")));
    let live = house.claimed(admin, &json!({}));
    let bearers = [revoked.secret.as_str(), &over.session, &expired.session, &delivery, "crk_live_", "x", &live.token];
    let mut wrong = String::new();
    let mut seen = [0, 0];
    for route in closed() {
        let (method, pattern) = route.split_once(' ').unwrap();
        let method = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|known| *known == method);
        let path = pattern.replace("{id}", "x").replace("{path}", "a.txt").replace("{seq}", "1");
        let ask = || {
            let request = Request::new(method.unwrap(), path.clone()).header("content-type", "application/json");
            Request { body: "{}".into(), ..request }
        };
        let of_session = pattern.starts_with("/v1/session");
        let none = api.present(&ask());
        let usual = if of_session { Ticket::Session } else { Ticket::Key };
        let usual = api.present(&usual.usual(&house)[0]).text;
        let live_elsewhere = if of_session { admin } else { &live.session };
        let mut others: Vec<_> = bearers.iter().map(|bearer| ask().bearer(bearer)).collect();
        others.push(ask().bearer(live_elsewhere));
        others.push(ask().header("authorization", "Basic YTpi"));
        let cookies = format!("{}; cloakroom-{}={}", console.cookies(), over.name, over.session);
        others.push(ask().header("cookie", cookies).header("cloakroom-csrf", console.csrf.as_str()));
        seen[usize::from(of_session)] += 1;
        for (place, answer) in others.iter().map(|request| api.present(request)).enumerate() {
            if answer.text != usual || (&answer.text, answer.closes) != (&none.text, none.closes) {
                writeln!(wrong, "{route}, {place}:\n{}\n---- not\n{usual}", answer.text).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(seen[0] > 80 && seen[1] > 10, "{seen:?}");
}
