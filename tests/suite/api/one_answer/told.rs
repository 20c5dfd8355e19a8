//! What the holder of a living ticket is told beside the one answer, and why; and that it depends on nothing else.

use std::collections::BTreeSet;

use cloakroom::domain::event::{Event, Outcome};
use serde_json::{Value, json};

use super::{
    asking::Request,
    house::House,
    tickets::{Held, Ticket},
};
use crate::api::harness::{Minted, claim_key, text};

/// Something that only the holder of a living ticket is told.
pub struct Told {
    ticket: Ticket,
    /// Of which it is told.
    what: &'static str,
    /// The answer.
    status: u16,
    code: &'static str,
    /// What its owner reads, where it is a refusal.
    pub reason: Option<&'static str>,
    /// Why it is no secret from whoever holds it.
    why: &'static str,
}

const fn told(
    (ticket, what): (Ticket, &'static str),
    (status, code): (u16, &'static str),
    reason: Option<&'static str>,
    why: &'static str,
) -> Told {
    Told { ticket, what, status, code, reason, why }
}

const LATER: &str = "who holds it would take it for dead, and ask for another";
const ASKED: &str = "without being asked nobody can say it";
const PERSON: &str = "people mistype; whether it was the address or the code, and what is wrong with that, is not told";
const GUESSING: &str = "who may go on in a while would take it for dead; a dead one is never told it";

/// All of it.
pub static TOLD: [Told; 20] = [
    told((Ticket::Share, "opens later"), (409, "not_yet"), Some("not_yet"), LATER),
    told((Ticket::Share, "a code, before it opens"), (409, "not_yet"), Some("not_yet"), LATER),
    told((Ticket::Share, "for recipients"), (403, "recipient_required"), None, ASKED),
    told((Ticket::Share, "not with this code"), (403, "recipient_wrong"), Some("wrong_code"), PERSON),
    told((Ticket::Share, "codes tried too often"), (429, "too_many_tries"), None, GUESSING),
    told(
        (Ticket::Share, "asked for a code by nobody"),
        (202, ""),
        Some("not_a_recipient"),
        "the same as for a recipient",
    ),
    told((Ticket::Share, "asked for one code more"), (202, ""), Some("no_code_sent"), "the same as for the first"),
    told((Ticket::Share, "asked for a code"), (202, ""), None, "whoever is a recipient waits for mail"),
    told((Ticket::Share, "no code is wanted"), (409, "no_code_wanted"), None, "nobody would send one"),
    told((Ticket::Link, "opens later"), (409, "not_yet"), Some("not_yet"), LATER),
    told((Ticket::Link, "with a password"), (403, "password_required"), None, ASKED),
    told((Ticket::Link, "another password"), (403, "password_wrong"), Some("wrong_password"), "people mistype"),
    told((Ticket::Link, "passwords tried too often"), (429, "too_many_tries"), None, GUESSING),
    told((Ticket::Link, "not with this code"), (403, "recipient_wrong"), Some("wrong_code"), PERSON),
    told((Ticket::Request, "with a password"), (403, "password_required"), None, ASKED),
    told((Ticket::Request, "another password"), (403, "password_wrong"), Some("wrong_password"), "people mistype"),
    told(
        (Ticket::Console, "without its token against forgery"),
        (403, "csrf"),
        None,
        "a page that lost it signs in anew",
    ),
    told(
        (Ticket::Event, "for another site's page"),
        (403, "wrong_origin"),
        None,
        "whoever drew it is told what to allow",
    ),
    told((Ticket::Url, "used"), (412, "already-uploaded"), None, "whoever sends it again has it there already"),
    told((Ticket::Url, "its upload ended"), (404, "upload-ended"), None, "whoever sends parts would send all of them"),
];

fn redeem(route: &'static str, token: &str, more: &Value) -> Request {
    let mut body = json!({ "token": token, "claim_key": claim_key() });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Request::json(route, &body)
}

fn code(kind: &str, token: &str, address: &str) -> Request {
    let route = if kind == "share" { "/v1/shares/redeem/code" } else { "/v1/links/redeem/code" };
    Request::json(route, &json!({ "token": token, "address": address }))
}

fn proof(address: &str, code: &str) -> Value {
    json!({ "recipient": { "address": address, "code": code } })
}

/// Requests that are all told this.
fn asked(house: &House, of: &Told) -> Vec<Request> {
    let (api, admin) = (&house.api, house.api.admin());
    let share = |more| house.share(admin, &more).token;
    let link = |more| -> Minted { api.link(admin, &api.publish_page(admin).id, more) };
    let to = json!({ "recipients": ["ada@example.org", "bob@example.org"] });
    let later = json!({ "not_before": api.broker().now().plus(std::time::Duration::from_secs(3_600)).to_string() });
    let (shares, links, requests) = ("/v1/shares/redeem", "/v1/links/redeem", "/v1/file-requests/redeem");
    let with_password = json!({ "password": "open sesame" });
    let guesses = ["guess", "", "open sesame "].map(|guess| json!({ "password": guess }));
    // Nobody's address, a recipient's who was sent none, one who was sent another.
    let wrong = |route, token: &str, kind| {
        assert_eq!(
            api.present(&code(kind, token, "ada@example.org")).text.lines().next(),
            Some("HTTP/1.1 202 Accepted")
        );
        let proofs =
            [proof("eve@example.org", "12345678"), proof("bob@example.org", "12345678"), proof("ada@example.org", "x")];
        proofs.iter().map(|proof| redeem(route, token, proof)).collect::<Vec<_>>()
    };
    match (of.ticket, of.what) {
        (Ticket::Share, "opens later") => vec![redeem(shares, &share(later), &json!({}))],
        (Ticket::Share, "a code, before it opens") => {
            let mut more = to;
            more["not_before"] = later["not_before"].clone();
            let token = share(more);
            ["ada@example.org", "eve@example.org"].map(|address| code("share", &token, address)).into()
        }
        (Ticket::Share, "for recipients") => vec![redeem(shares, &share(to), &json!({}))],
        (Ticket::Share, "not with this code") => wrong(shares, &share(to), "share"),
        (Ticket::Share, "codes tried too often") => {
            let token = share(to);
            for _ in 0..5 {
                api.present(&redeem(shares, &token, &proof("eve@example.org", "12345678")));
            }
            ["ada", "eve"].map(|who| redeem(shares, &token, &proof(&format!("{who}@example.org"), "1"))).into()
        }
        (Ticket::Share, "asked for a code by nobody") => vec![code("share", &share(to), "eve@example.org")],
        (Ticket::Share, "asked for one code more") => {
            let token = share(to);
            for _ in 0..3 {
                api.present(&code("share", &token, "ada@example.org"));
            }
            vec![code("share", &token, "ada@example.org")]
        }
        (Ticket::Share, "asked for a code") => vec![code("share", &share(to), "ada@example.org")],
        (Ticket::Share, "no code is wanted") => vec![code("share", &share(json!({})), "ada@example.org")],
        (Ticket::Link, "opens later") => vec![redeem(links, &link(later).token, &json!({}))],
        (Ticket::Link, "with a password") => vec![redeem(links, &link(with_password).token, &json!({}))],
        (Ticket::Link, "another password") => {
            let token = link(with_password).token;
            guesses.iter().map(|guess| redeem(links, &token, guess)).collect()
        }
        (Ticket::Link, "passwords tried too often") => {
            let token = link(with_password.clone()).token;
            for _ in 0..5 {
                api.present(&redeem(links, &token, &guesses[0]));
            }
            // Nor is it told whether this one would have been right.
            vec![redeem(links, &token, &guesses[0]), redeem(links, &token, &with_password)]
        }
        (Ticket::Link, "not with this code") => wrong(links, &link(to).token, "link"),
        (Ticket::Request, "with a password") => {
            vec![redeem(requests, &text(&house.asked(admin, with_password), "token"), &json!({}))]
        }
        (Ticket::Request, "another password") => {
            let token = text(&house.asked(admin, with_password), "token");
            guesses.iter().map(|guess| redeem(requests, &token, guess)).collect()
        }
        (Ticket::Console, "without its token against forgery") => {
            let (console, other) = (api.sign_in(admin), api.sign_in(admin));
            let ask = || {
                let cookies = format!("cloakroom-console={}; cloakroom-csrf={}", console.secret, console.csrf);
                Request::json("/v1/shares", &json!({})).header("cookie", cookies)
            };
            let wrong = ["", "x", other.csrf.as_str()].map(|token| ask().header("cloakroom-csrf", token));
            wrong.into_iter().chain([ask()]).collect()
        }
        (Ticket::Event, "for another site's page") => {
            let drawn = api.call("POST", "/v1/events/tickets").bearer(admin).send().text("ticket");
            let requests = Ticket::Event.requests(house, &Held::new(drawn), false);
            requests.into_iter().map(|(_, request)| request.header("origin", "https://evil.example")).collect()
        }
        (Ticket::Url, "used") => {
            let declared = api.declare(admin, "/v1/uploads", "used.txt", b"a");
            assert_eq!(api.put(&declared, b"a").status, 200);
            vec![put(house, &declared)]
        }
        (Ticket::Url, "its upload ended") => {
            let body = json!({ "path": "ended.txt", "size": 1, "content_type": "text/plain", "method": "multipart" });
            let upload = text(&api.declare_as(admin, &body), "id");
            let signed = house.post(&format!("/v1/uploads/{upload}/parts"), &json!({ "parts": [{ "number": 1 }] }));
            house.delete(&format!("/v1/uploads/{upload}"));
            vec![put(house, &signed["items"][0])]
        }
        (ticket, what) => panic!("say here how a {} is told of: {what}", ticket.name()),
    }
}

fn put(house: &House, signed: &Value) -> Request {
    let url = text(signed, "url");
    let path = url[url.find("/o/").unwrap()..].to_owned();
    let request = Request::new("PUT", path).at(&format!("localhost:{}", house.api.ports[1]));
    let request = request.header("content-type", "text/plain").header("if-none-match", "*");
    Request { body: "a".into(), ..request }
}

#[test]
fn what_the_holder_of_a_living_one_is_told_is_that_and_no_more() {
    let house = House::open();
    for told in &TOLD {
        let name = format!("{}, {}", told.ticket.name(), told.what);
        assert!(told.why.contains(' '), "{name}: why?");
        let answers: Vec<_> = asked(&house, told).iter().map(|request| house.present(request)).collect();
        for answer in &answers {
            assert_eq!(answer.text, answers[0].text, "{name}");
            assert!(answer.text.starts_with(&format!("HTTP/1.1 {} ", told.status)), "{name}: {}", answer.text);
            assert!(answer.text.contains(told.code), "{name}: {}", answer.text);
        }
        let events = house.api.events(&house.api.ledger());
        let refused = |event: &&Event| event.outcome == Outcome::Refused;
        for answer in answers.iter().filter_map(|answer| answer.request.as_ref()) {
            let mine = events.iter().filter(|event| event.request.is_some_and(|id| id.to_string() == *answer));
            let reasons: BTreeSet<_> = mine.filter(refused).map(|event| event.reason.unwrap().as_str()).collect();
            assert_eq!(reasons, told.reason.into_iter().collect(), "{name}");
        }
    }
}

/// What is wrong with the rest of a request is told whatever the ticket in it is: so it tells nothing about that.
#[test]
fn what_is_wrong_with_a_request_is_told_before_its_ticket_is_looked_at() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let dead = house.claimed(admin, &json!({})).token;
    let link = || api.link(admin, &api.publish_page(admin).id, json!({ "password": "open sesame" })).token;
    let used = link();
    let with = json!({ "token": used, "claim_key": claim_key(), "password": "open sesame" });
    api.public("/v1/links/redeem", &with).expect(200);
    let full = text(&house.asked(admin, json!({ "submissions": 1 })), "token");
    api.public("/v1/file-requests/redeem", &json!({ "token": full, "claim_key": claim_key() })).expect(200);
    let kinds = [
        ("/v1/shares/redeem", vec![house.share(admin, &json!({})).token, dead, "crs_".into(), String::new()]),
        ("/v1/links/redeem", vec![link(), used, "crl_".into(), String::new()]),
        ("/v1/file-requests/redeem", vec![text(&house.asked(admin, json!({})), "token"), full, "crf_".into()]),
    ];
    for (route, tokens) in kinds {
        for more in [
            json!({ "claim_key": "short" }),
            json!({ "claim_key": format!("{}=", claim_key()) }),
            json!({ "claim_key": 7 }),
            json!({ "claim_key": claim_key(), "else": 1 }),
            json!({ "claim_key": claim_key(), "name": "a/b" }),
            json!({ "claim_key": claim_key(), "recipient": { "address": "nobody", "code": "1" } }),
            json!({}),
        ] {
            let answers = tokens.iter().map(|token| {
                let mut body = more.clone();
                body["token"] = json!(token);
                api.present(&Request::json(route, &body)).text
            });
            let answers: BTreeSet<_> = answers.collect();
            assert_eq!(answers.len(), 1, "{route} {more}: {answers:#?}");
            assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 422 ")), "{route} {more}: {answers:#?}");
        }
    }
}
