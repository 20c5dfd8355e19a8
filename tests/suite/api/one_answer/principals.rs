//! Who presents credentials of their own: keys, sessions of the console, tickets of event streams; and who delivers.

use cloakroom::crypto::{
    opaque::{ApiKeySecret, ConsoleSecret, FileRequestToken},
    sealed::Purpose,
    secret::SecretText,
};
use serde_json::{Value, json};

use super::{
    altered::{instead, never_given_out, not_ours, opened, sealed},
    house::House,
    table::Case,
    tickets::{Held, Ticket},
};
use crate::api::{
    harness::{Api, Key, claim_key, text},
    laboratory::Laboratory,
};

impl House {
    /// Breaks the row of whoever's key this is.
    fn doctor_key(&self, id: &str) {
        self.doctor(&format!("keys#{}", self.api.ledger()), id);
    }

    fn new_key(&self) -> Key {
        self.api.new_key(self.api.admin(), "live", &[("/", "admin")])
    }

    /// A file request of whoever has this key.
    pub fn asked(&self, key: &str, more: Value) -> Value {
        asked(&self.api, key, more)
    }

    /// The first time that somebody delivers under this claim key.
    fn delivery(&self, made: &Value, claim_key: &str) -> String {
        let body = json!({ "token": made["token"], "claim_key": claim_key });
        text(&self.api.public("/v1/file-requests/redeem", &body).expect(200), "session_token")
    }

    fn request_pointer(&self, token: &str) -> String {
        format!("request-token#{}", FileRequestToken::parse(&SecretText::new(token)).unwrap().hash())
    }
}

fn asked(api: &Api, key: &str, more: Value) -> Value {
    let mut body = json!({ "folder": "incoming/" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api.post(key, "/v1/file-requests", &body).expect(201)
}

#[test]
fn every_dead_file_request_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let token = |made: &Value| Held::new(text(made, "token"));
    let begun = |made: &Value| {
        let key = claim_key();
        house.delivery(made, &key);
        Held::of(text(made, "token"), key)
    };
    let password = json!({ "password": "open sesame" });

    let expired = [json!({ "expires_in": 60 }), json!({ "expires_in": 60, "password": "open sesame" })];
    let expired = expired.map(|more| token(&house.asked(admin, more)));
    let over = begun(&house.asked(admin, json!({ "access_expires_in": 60 })));
    house.passes(60);
    let mut cases = house.ended(Ticket::Request, &|key| token(&house.asked(key, password.clone())));
    cases.extend(expired.map(|held| Case::new("expired", "", held)));
    cases.push(Case::new("access ended", "", over));

    let live = token(&house.asked(admin, json!({})));
    let (elsewhere, _, _) = Laboratory::served();
    let foreign = text(&asked(&elsewhere, elsewhere.admin(), json!({})), "token");
    let share = house.share(admin, &json!({})).token;
    let link = api.link(admin, &api.publish_page(admin).id, json!({})).token;
    cases.extend(never_given_out("crf_", &live, &[&share, &link, admin], &foreign, Held::new));
    for row in ["pointer", "request", "state"] {
        let made = house.asked(admin, json!({}));
        let (id, token) = (text(&made, "id"), token(&made));
        match row {
            "pointer" => house.doctor(&house.request_pointer(&token.token), "pointer"),
            "request" => house.doctor(&format!("requests#{}", api.ledger()), &id),
            _ => house.doctor(&format!("request#{id}"), "state"),
        }
        cases.push(Case::new("with a doctored row", row, token));
    }
    let full = house.asked(admin, json!({ "submissions": 1 }));
    begun(&full);
    cases.push(Case::new("used", "", token(&full)));
    for more in [json!({}), password] {
        let closed = house.asked(admin, more);
        house.delete(&format!("/v1/file-requests/{}", text(&closed, "id")));
        cases.push(Case::new("revoked", "", token(&closed)));
    }
    house.hold(Ticket::Request, cases);
    api.public("/v1/file-requests/redeem", &json!({ "token": live.token, "claim_key": claim_key() })).expect(200);
}

#[test]
fn whoever_delivers_no_more_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let begun = |made: &Value| Held::new(house.delivery(made, &claim_key()));
    let deliver = |key: &str| begun(&house.asked(key, json!({})));
    let expired = deliver(admin);
    let over = begun(&house.asked(admin, json!({ "access_expires_in": 60 })));
    house.passes(900);
    let mut cases = house.ended(Ticket::Submission, &deliver);
    cases.push(Case::new("expired", "", expired));
    cases.push(Case::new("expired", "with its access", over));

    let live = deliver(admin);
    cases.extend(not_ours(&house, (Purpose::Submission, "csb_"), &live, Held::new));
    let words = opened(api, Purpose::Submission, "csb_", &live.token);
    for (what, from, length) in [("the request", 0, 16), ("the claim", 24, 32)] {
        let words = instead(&words, from, &vec![7; length]);
        let token = sealed(&api.broker().keyring, Purpose::Submission, "csb_", &words);
        cases.push(Case::new("never existed", what, Held::new(token)));
    }
    for row in ["namespace", "request", "state", "submission#"] {
        let made = house.asked(admin, json!({}));
        let (id, held) = (text(&made, "id"), begun(&made));
        let partition = format!("request#{id}");
        match row {
            "request" => house.doctor(&format!("requests#{}", api.ledger()), &id),
            _ => {
                let rows = api.rows(&partition);
                house.doctor(&partition, &rows.iter().find(|found| found.key.sort.starts_with(row)).unwrap().key.sort);
            }
        }
        cases.push(Case::new("with a doctored row", row, held));
    }
    let closed = house.asked(admin, json!({}));
    let held = begun(&closed);
    house.delete(&format!("/v1/file-requests/{}", text(&closed, "id")));
    cases.push(Case::new("revoked", "", held));

    house.hold(Ticket::Submission, cases);
    let upload = json!({ "path": "b.txt", "size": 1, "content_type": "text/plain" });
    api.post(&live.token, "/v1/session/uploads", &upload).expect(201);
}

#[test]
fn every_dead_api_key_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let grants = json!([{ "path": "/", "permission": "admin" }]);
    let expired = text(&house.post("/v1/api-keys", &json!({ "grants": grants, "expires_in": 60 })), "secret");
    house.passes(60);
    let mut cases = house.ended(Ticket::Key, &|key| Held::new(key));
    cases.push(Case::new("expired", "", Held::new(expired)));

    let live = Held::new(admin);
    let (elsewhere, _, _) = Laboratory::served();
    let session = house.claimed(admin, &json!({}));
    let others = [session.token.as_str(), &session.session];
    cases.extend(never_given_out("crk_live_", &live, &others, elsewhere.admin(), Held::new));
    cases.retain(|case| case.held.token != admin.replace("crk_live_", "crk_test_"));
    cases.push(Case::new("of the other mode", "", Held::new(admin.replace("crk_live_", "crk_test_"))));
    let test = api.new_key(admin, "test", &[("/", "admin")]).secret;
    cases.push(Case::new("of the other mode", "", Held::new(test.replace("crk_test_", "crk_live_"))));
    let (by_hash, by_id) = (house.new_key(), house.new_key());
    let hash = ApiKeySecret::parse(&SecretText::new(by_hash.secret.as_str())).unwrap().hash();
    house.doctor(&format!("key-hash#{hash}"), "pointer");
    house.doctor_key(&by_id.id);
    cases.push(Case::new("with a doctored row", "the pointer", Held::new(by_hash.secret)));
    cases.push(Case::new("with a doctored row", "the key", Held::new(by_id.secret)));
    let revoked = house.new_key();
    house.delete(&format!("/v1/api-keys/{}", revoked.id));
    cases.push(Case::new("revoked", "", Held::new(revoked.secret)));
    let replaced = house.new_key();
    house.post(&format!("/v1/api-keys/{}/rotate", replaced.id), &json!({ "overlap": 0 }));
    cases.push(Case::new("replaced", "", Held::new(replaced.secret)));

    house.hold(Ticket::Key, cases);
    api.get(admin, "/v1/shares").expect(200);
}

#[test]
fn every_dead_session_of_the_console_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let held = |key: &str| {
        let console = api.sign_in(key);
        Held { name: console.csrf, ..Held::new(console.secret) }
    };
    let expired = held(admin);
    house.passes(12 * 3_600);
    let mut cases = house.ended(Ticket::Console, &held);
    cases.push(Case::new("expired", "", expired));

    let live = held(admin);
    let (elsewhere, _, _) = Laboratory::served();
    let session = house.claimed(admin, &json!({}));
    let others = [admin, session.token.as_str(), &session.session];
    let foreign = elsewhere.sign_in(elsewhere.admin()).secret;
    // Each with the token against forgery that goes with it: what is refused is the session.
    let presented = |secret: String| {
        let csrf = ConsoleSecret::parse(&SecretText::new(secret.as_str())).map(|secret| secret.csrf_token());
        Held { name: csrf.map_or(live.name.clone(), |csrf| csrf.expose().to_owned()), ..Held::new(secret) }
    };
    cases.extend(never_given_out("crc_", &live, &others, &foreign, presented));
    let doctored = held(admin);
    let hash = ConsoleSecret::parse(&SecretText::new(doctored.token.as_str())).unwrap().hash();
    house.doctor(&format!("console#{hash}"), "session");
    cases.push(Case::new("with a doctored row", "", doctored));
    let signed_out = api.sign_in(admin);
    api.call("DELETE", "/v1/console/session").console(&signed_out).send().expect(204);
    cases.push(Case::new("revoked", "signed out", Held { name: signed_out.csrf, ..Held::new(signed_out.secret) }));

    house.hold(Ticket::Console, cases);
    let cookie = format!("cloakroom-console={}", live.token);
    api.call("GET", "/v1/shares").header("cookie", &cookie).send().expect(200);
}

#[test]
fn every_dead_ticket_of_an_event_stream_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let drawn = |key: &str| Held::new(api.call("POST", "/v1/events/tickets").bearer(key).send().text("ticket"));
    let expired = drawn(admin);
    house.passes(30);
    let mut cases = house.ended(Ticket::Event, &drawn);
    cases.push(Case::new("expired", "", expired));

    let live = drawn(admin);
    cases.extend(not_ours(&house, (Purpose::EventTicket, "cet_"), &live, Held::new));
    let words: Value = serde_json::from_slice(&opened(api, Purpose::EventTicket, "cet_", &live.token)).unwrap();
    let other = api.new_tenant("Other").id;
    let nobody = cloakroom::domain::ids::TenantId::from_bytes([7; 16]).to_string();
    let changed: [(&str, &[&str], Value); 3] = [
        ("never existed", &["credential", "principal"], json!(format!("key_{}", "7".repeat(32)))),
        ("of another tenant", &["credential", "namespace", "tenant"], json!(other)),
        ("of no tenant", &["credential", "namespace", "tenant"], json!(nobody)),
    ];
    for (cause, place, value) in changed {
        let mut words = words.clone();
        *place.iter().fold(&mut words, |at, name| &mut at[*name]) = value;
        let token = sealed(&api.broker().keyring, Purpose::EventTicket, "cet_", words.to_string().as_bytes());
        cases.push(Case::new(cause, "", Held::new(token)));
    }
    let doctored = house.new_key();
    let ticket = drawn(&doctored.secret);
    house.doctor_key(&doctored.id);
    cases.push(Case::new("with a doctored row", "", ticket));
    let used = drawn(admin);
    let open = |held: &Held| api.socket(&format!("/v1/events/ws?ticket={}", held.token), &[]);
    let socket = open(&used).ok().unwrap();
    cases.push(Case::new("used", "", used));
    let replaced = house.new_key();
    let ticket = drawn(&replaced.secret);
    house.post(&format!("/v1/api-keys/{}/rotate", replaced.id), &json!({ "overlap": 0 }));
    cases.push(Case::new("replaced", "", ticket));

    house.hold(Ticket::Event, cases);
    assert!(open(&live).is_ok());
    drop(socket);
}
