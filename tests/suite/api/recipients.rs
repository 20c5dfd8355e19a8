//! What goes to recipients alone: each redeems once, with a code that was sent to their address; and who is one of them
//! is told to the owner and to nobody else.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, thread::scope, time::Duration};

use cloakroom::mail::Sent;
use serde_json::{Value, json};

use super::{
    harness::{Answer, Api, Backend, Minted, claim_key, text},
    laboratory::Laboratory,
    once::at_once,
};

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";
const EVE: &str = "eve@example.org";

/// A share and a link, each with its routes, that go to these recipients.
struct Thing<'api> {
    api: &'api Api,
    kind: &'static str,
    minted: Minted,
}

impl Thing<'_> {
    fn path(&self) -> String {
        format!("/v1/{}/{}", self.kind, self.minted.id)
    }

    fn ask(&self, address: &str) -> Answer {
        let body = json!({ "token": self.minted.token, "address": address });
        self.api.public(&format!("/v1/{}/redeem/code", self.kind), &body)
    }

    fn redeem(&self, claim_key: &str, recipient: &Value) -> Answer {
        let mut body = json!({ "token": self.minted.token, "claim_key": claim_key });
        if !recipient.is_null() {
            body["recipient"] = recipient.clone();
        }
        self.api.public(&format!("/v1/{}/redeem", self.kind), &body)
    }

    fn preview(&self) -> Value {
        let body = json!({ "token": self.minted.token });
        self.api.public(&format!("/v1/{}/redeem/preview", self.kind), &body).expect(200)
    }

    fn see(&self) -> Value {
        self.api.get(self.api.admin(), &self.path()).expect(200)
    }

    fn change(&self, change: &Value) -> Answer {
        self.api.call("PATCH", &self.path()).bearer(self.api.admin()).json(change).send()
    }

    fn history(&self) -> Vec<Value> {
        let history = self.api.get(self.api.admin(), &format!("{}/events", self.path())).expect(200);
        history["items"].as_array().unwrap().clone()
    }

    fn reasons(&self) -> Vec<String> {
        self.history().iter().filter_map(|event| event["reason"].as_str().map(str::to_owned)).collect()
    }
}

fn share(api: &Api, more: Value) -> Thing<'_> {
    let mut body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Thing { api, kind: "shares", minted: api.mint_as(api.admin(), &body) }
}

fn link(api: &Api, more: Value) -> Thing<'_> {
    if api.get(api.admin(), "/v1/objects/a.txt").status != 200 {
        api.upload(api.admin(), "a.txt", b"bytes");
    }
    let artifact = api.publish(api.admin(), &["a.txt"]).id;
    Thing { api, kind: "links", minted: api.link(api.admin(), &artifact, more) }
}

fn both(api: &Api, more: Value) -> [Thing<'_>; 2] {
    [share(api, more.clone()), link(api, more)]
}

fn proof(address: &str, code: &str) -> Value {
    json!({ "address": address, "code": code })
}

pub fn a_recipient_redeems_with_a_code_from_their_mail_and_comes_back_without(api: &Api) {
    for thing in both(api, json!({ "recipients": ["Ada@Example.org", BOB], "message": "the draft" })) {
        assert_eq!(
            (&thing.see()["redemptions"], thing.preview()["requires"].clone()),
            (&json!(2), json!(["recipient"]))
        );
        assert!(!thing.preview().to_string().contains("example.org"));
        thing.redeem(&claim_key(), &Value::Null).problem(403, "recipient_required");
        let before = api.mails().len();
        assert_eq!(thing.ask(ADA).status, 202);
        let mail = api.mails().pop().unwrap();
        assert_eq!(api.mails().len(), before + 1);
        assert!(
            mail.contains("To: ada@example.org\r\n") && mail.contains("First") && !mail.contains("the draft"),
            "nobody's own words go to strangers through us: {mail}"
        );
        assert!(mail.contains("Auto-Submitted: auto-generated\r\n") && !mail.contains("http"), "{mail}");
        let code = api.code_for(ADA);
        assert!(!mail.contains(&code) && code.len() == 8, "in two groups, for people");
        let claimant = claim_key();
        // Spaces do not count, nor how the address is written.
        let spaced = format!("{} {}", &code[..4], &code[4..]);
        thing.redeem(&claimant, &proof("ADA@example.org", &spaced)).expect(200);
        thing.redeem(&claimant, &Value::Null).expect(200);
        thing.redeem(&claim_key(), &proof(ADA, &code)).problem(403, "recipient_wrong");
        let recipients = thing.see()["recipients"].clone();
        assert_eq!((&recipients[0]["address"], &recipients[1]), (&json!(ADA), &json!({ "address": BOB })));
        assert!(recipients[0]["claimed_at"].is_string(), "{recipients}");
        let listed = api.get(api.admin(), &format!("/v1/{}", thing.kind)).expect(200);
        assert_eq!(listed["items"][0]["recipients"], json!([{ "address": ADA }, { "address": BOB }]));
        assert_eq!(thing.see()["claims"], 1);
    }
}

pub fn each_recipient_claims_once_and_nobody_instead_of_another(api: &Api) {
    for thing in both(api, json!({ "recipients": [ADA, BOB] })) {
        thing.ask(ADA);
        let code = api.code_for(ADA);
        thing.redeem(&claim_key(), &proof(BOB, &code)).problem(403, "recipient_wrong");
        thing.redeem(&claim_key(), &proof(ADA, &code)).expect(200);
        // She has it: there is no other code for her, and nobody is told.
        let mails = api.mails().len();
        assert_eq!(thing.ask(ADA).status, 202);
        assert_eq!(api.mails().len(), mails);
        thing.redeem(&claim_key(), &proof(ADA, &code)).problem(403, "recipient_wrong");
        thing.ask(BOB);
        thing.redeem(&claim_key(), &proof(BOB, &api.code_for(BOB))).expect(200);
        thing.redeem(&claim_key(), &proof(BOB, "00000000")).problem(404, "dead_token");
        assert_eq!(thing.ask(BOB).problem(404, "dead_token").code, "dead_token");
        assert_eq!(thing.see()["status"], "claimed");
    }
}

pub fn one_code_is_used_once_by_however_many_at_once(api: &Api) {
    for _ in 0..api.rounds().min(3) {
        let thing = share(api, json!({ "recipients": [ADA, BOB, EVE] }));
        thing.ask(ADA);
        let code = api.code_for(ADA);
        // Five are free; more would be told to wait.
        let claim_keys: Vec<_> = (0..4).map(|_| claim_key()).collect();
        let answers = at_once(&claim_keys, |claim_key| thing.redeem(claim_key, &proof(ADA, &code)));
        let won = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((won, thing.see()["claims"].clone()), (1, json!(1)), "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.problem(403, "recipient_wrong");
        }
    }
}

pub fn nobody_is_told_who_is_a_recipient(api: &Api) {
    for thing in both(api, json!({ "recipients": [ADA] })) {
        let asked: BTreeSet<_> = [ADA, EVE].map(|address| thing.ask(address).but_for_the_request_id()).into();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(api.mails().iter().filter(|mail| mail.contains(EVE)).count(), 0);
        let tried: BTreeSet<_> = [ADA, EVE]
            .map(|address| thing.redeem(&claim_key(), &proof(address, "00000000")).but_for_the_request_id())
            .into();
        assert_eq!(tried.len(), 1, "{tried:?}");
        assert_eq!(thing.reasons(), ["wrong_code", "wrong_code", "not_a_recipient"]);
        let history = json!(thing.history()).to_string();
        assert!(!history.contains("example.org") && !history.contains(&api.code_for(ADA)), "{history}");
        // What is written is of one shape, whoever it is about.
        let names = |sort: &str| sort.starts_with("code#");
        let token_hash = |thing: &Thing<'_>| match thing.kind {
            "shares" => format!("share#{}", thing.minted.id),
            _ => {
                let text = cloakroom::crypto::secret::SecretText::new(thing.minted.token.as_str());
                format!("link#{}", cloakroom::crypto::opaque::LinkToken::parse(&text).unwrap().hash())
            }
        };
        let rows = api.rows(&token_hash(&thing));
        let codes: Vec<_> = rows.iter().filter(|row| names(&row.key.sort)).collect();
        assert_eq!(codes.len(), 4, "of her, of all others, what was asked for, and tries");
        for row in codes {
            let body = String::from_utf8_lossy(&row.body);
            assert!(!body.contains(&api.code_for(ADA)) && !row.key.sort.contains("ada"), "{body}");
        }
    }
}

pub fn a_dead_token_sends_nothing_and_gets_the_one_answer(api: &Api) {
    let (revoked, open) = (share(api, json!({ "recipients": [ADA] })), share(api, json!({})));
    api.delete(api.admin(), &revoked.path()).expect(204);
    let made_up = api.public("/v1/shares/redeem/code", &json!({ "token": "crs_x", "address": ADA }));
    let dead = revoked.ask(ADA);
    dead.problem(404, "dead_token");
    assert_eq!(dead.but_for_the_request_id(), made_up.but_for_the_request_id());
    api.public("/v1/links/redeem/code", &json!({ "token": "crl_x", "address": ADA })).problem(404, "dead_token");
    open.ask(ADA).problem(409, "no_code_wanted");
    let wrong = open.ask("ada@example.org\r\nBcc: eve@example.org").problem(422, "invalid");
    assert_eq!(wrong.pointer.as_deref(), Some("/address"));
    let wrong = open.redeem(&claim_key(), &proof("nobody", "1")).problem(422, "invalid");
    assert_eq!(wrong.pointer.as_deref(), Some("/recipient/address"));
    assert!(api.mails().is_empty());
    // What needs no code does not mind one.
    open.redeem(&claim_key(), &proof(ADA, "00000000")).expect(200);
}

pub fn recipients_are_addresses_each_once_and_no_fewer_than_redemptions(api: &Api) {
    let many: Vec<_> = (0..51).map(|number| format!("a{number}@example.org")).collect();
    for (wrong, pointer) in [
        (json!({ "recipients": [] }), "/recipients"),
        (json!({ "recipients": many }), "/recipients"),
        (json!({ "recipients": [ADA, "ADA@example.org"] }), "/recipients"),
        (json!({ "recipients": [ADA, "x"] }), "/recipients/1"),
        (json!({ "recipients": ["a@b\r\nBcc: c@d"] }), "/recipients/0"),
        (json!({ "recipients": [ADA], "redemptions": 2 }), "/redemptions"),
    ] {
        let mut body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true });
        body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let problem = api.post(api.admin(), "/v1/shares", &body).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer), "{body}");
    }
    let fifty = share(api, json!({ "recipients": many[..50] }));
    assert_eq!(fifty.see()["redemptions"], 50);
    let first_come = share(api, json!({ "recipients": [ADA, BOB], "redemptions": 1 }));
    assert_eq!(first_come.see()["redemptions"], 1);
}

pub fn who_is_no_recipient_any_more_is_cut_off(api: &Api) {
    for thing in both(api, json!({ "recipients": [ADA, BOB, EVE] })) {
        let [ada, bob] = [ADA, BOB].map(|address| {
            thing.ask(address);
            let key = claim_key();
            (key.clone(), thing.redeem(&key, &proof(address, &api.code_for(address))).expect(200))
        });
        let problem = thing.change(&json!({ "recipients": [ADA, "new@example.org"] })).problem(409, "widening");
        assert_eq!(problem.pointer.as_deref(), Some("/recipients"));
        thing.change(&json!({ "recipients": null })).problem(409, "widening");
        let changed = thing.change(&json!({ "recipients": [ADA, EVE] })).expect(200);
        assert_eq!(changed["recipients"], thing.see()["recipients"]);
        assert!(changed["recipients"][0]["claimed_at"].is_string(), "she is known again: {changed}");
        thing.redeem(&ada.0, &Value::Null).expect(200);
        thing.redeem(&bob.0, &Value::Null).problem(404, "dead_token");
        if let Some(session) = bob.1["session_token"].as_str() {
            api.get(session, "/v1/session").problem(401, "no_session");
            api.get(&text(&ada.1, "session_token"), "/v1/session").expect(200);
        }
        assert_eq!(thing.reasons(), ["no_recipient_any_more"]);
        assert_eq!(
            thing.history().iter().find(|event| !event["changed"].is_null()).unwrap()["changed"],
            json!(["recipients"])
        );
        let mails = api.mails().len();
        thing.ask(BOB);
        assert_eq!(api.mails().len(), mails);
    }
}

pub fn what_was_for_everybody_may_be_for_some(api: &Api) {
    let thing = share(api, json!({ "redemptions": 3 }));
    let early = claim_key();
    thing.redeem(&early, &Value::Null).expect(200);
    thing.change(&json!({ "recipients": [ADA] })).expect(200);
    thing.redeem(&early, &Value::Null).expect(200);
    thing.redeem(&claim_key(), &Value::Null).problem(403, "recipient_required");
    thing.ask(ADA);
    thing.redeem(&claim_key(), &proof(ADA, &api.code_for(ADA))).expect(200);
}

pub fn a_session_of_a_recipient_moves_without_a_code(api: &Api) {
    let thing = share(api, json!({ "recipients": [ADA, BOB] }));
    thing.ask(ADA);
    let key = claim_key();
    let session = thing.redeem(&key, &proof(ADA, &api.code_for(ADA))).text("session_token");
    let offered = api.post(&session, "/v1/session/moves", &json!({ "claim_key": key })).text("token");
    let preview = api.public("/v1/shares/redeem/preview", &json!({ "token": offered })).expect(200);
    assert_eq!(preview["requires"], json!([]));
    let asked = api.public("/v1/shares/redeem/code", &json!({ "token": offered, "address": BOB }));
    asked.problem(409, "no_code_wanted");
    let moved = claim_key();
    api.redeem(&offered, &moved).expect(200);
    assert!(thing.see()["recipients"][0]["claimed_at"].is_string());
    thing.change(&json!({ "recipients": [BOB] })).expect(200);
    api.redeem(&offered, &moved).problem(404, "dead_token");
}

#[test]
fn codes_end_with_their_time_their_tries_and_the_next_one() {
    let (api, clock, _) = Laboratory::served();
    let thing = share(&api, json!({ "recipients": [ADA, BOB], "expires_in": 604_800 }));
    let code = |address: &str| {
        assert_eq!(thing.ask(address).status, 202);
        api.code_for(address)
    };
    let wrong = |code: &str| if code == "00000000" { "00000001" } else { "00000000" }.to_owned();
    let seconds = Duration::from_secs;
    // Ten minutes.
    let old = code(ADA);
    clock.advance(seconds(600));
    thing.redeem(&claim_key(), &proof(ADA, &old)).problem(403, "recipient_wrong");
    // A new one replaces it.
    clock.advance(seconds(3_600));
    let (first, second) = (code(ADA), code(ADA));
    assert_ne!(first, second);
    thing.redeem(&claim_key(), &proof(ADA, &first)).problem(403, "recipient_wrong");
    // Five tries, one of which it has had, and then the right one is too late.
    for _ in 0..4 {
        // Tries get slower, whoever makes them.
        clock.advance(seconds(60));
        thing.redeem(&claim_key(), &proof(ADA, &wrong(&second))).problem(403, "recipient_wrong");
    }
    clock.advance(seconds(60));
    thing.redeem(&claim_key(), &proof(ADA, &second)).problem(403, "recipient_wrong");
    let refused = thing.redeem(&claim_key(), &proof(ADA, &second));
    refused.problem(429, "too_many_tries");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    clock.advance(seconds(3_600));
    thing.redeem(&claim_key(), &proof(ADA, &code(ADA))).expect(200);
    // A right one makes tries free again.
    thing.redeem(&claim_key(), &proof(BOB, "00000000")).problem(403, "recipient_wrong");
}

#[test]
fn three_codes_a_quarter_of_an_hour_and_twenty_an_hour_in_all() {
    let (api, clock, _) = Laboratory::served();
    let thing = share(&api, json!({ "recipients": [ADA, BOB], "expires_in": 604_800 }));
    for _ in 0..5 {
        assert_eq!(thing.ask(ADA).status, 202);
    }
    assert_eq!(api.mails().len(), 3);
    // The last of them goes on to be right.
    let last = api.code_for(ADA);
    assert_eq!(thing.reasons(), ["no_code_sent"; 2]);
    for _ in 0..15 {
        assert_eq!(thing.ask(EVE).status, 202);
    }
    let refused = thing.ask(BOB);
    refused.problem(429, "too_many_tries");
    assert_eq!(refused.header("retry-after"), "3600");
    assert_eq!(api.mails().len(), 3);
    thing.redeem(&claim_key(), &proof(ADA, &last)).expect(200);
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(thing.ask(BOB).status, 202);
    assert_eq!(api.mails().len(), 4);
}

#[test]
fn a_try_counts_even_if_its_answer_is_lost_and_a_commit_in_doubt_uses_a_code_once() {
    let (api, _, faults) = Laboratory::served();
    let thing = share(&api, json!({ "recipients": [ADA, BOB] }));
    thing.ask(ADA);
    let code = api.code_for(ADA);
    faults.fail_commits(true);
    thing.redeem(&claim_key(), &proof(ADA, &code)).problem(503, "unavailable");
    assert_eq!(thing.ask(BOB).problem(503, "unavailable").code, "unavailable");
    faults.fail_commits(false);
    assert_eq!(api.mails().len(), 1, "what is not recorded is not sent");
    let key = claim_key();
    let answers = scope(|threads| {
        let ask = || thing.redeem(&key, &proof(ADA, &code));
        let racers = [threads.spawn(ask), threads.spawn(ask)];
        racers.map(|racer| racer.join().unwrap().status)
    });
    assert!(answers.contains(&200), "{answers:?}");
    assert_eq!(thing.see()["claims"], 1);
    thing.redeem(&key, &Value::Null).expect(200);
}

#[test]
fn before_it_opens_no_code_is_sent() {
    use cloakroom::clock::Clock;
    let (api, clock, _) = Laboratory::served();
    let opens_at = clock.now().plus(Duration::from_secs(600));
    for thing in both(&api, json!({ "recipients": [ADA], "not_before": opens_at, "expires_in": 900 })) {
        assert_eq!(thing.preview()["requires"], json!(["recipient"]));
        thing.ask(ADA).problem(409, "not_yet");
        thing.redeem(&claim_key(), &proof(ADA, "00000000")).problem(409, "not_yet");
    }
    assert!(api.mails().is_empty());
}

#[test]
fn a_link_may_want_a_password_and_a_recipient() {
    let api = Api::start(Backend::Embedded);
    let thing = link(&api, json!({ "recipients": [ADA], "password": "sesame" }));
    assert_eq!(thing.preview()["requires"], json!(["password", "recipient"]));
    thing.ask(ADA);
    let code = api.code_for(ADA);
    let redeem = |password: Value, recipient: Value| {
        let body = json!({ "token": thing.minted.token, "claim_key": claim_key(), "password": password, "recipient": recipient });
        api.public("/v1/links/redeem", &body)
    };
    redeem(Value::Null, proof(ADA, &code)).problem(403, "password_required");
    redeem(json!("wrong"), proof(ADA, &code)).problem(403, "password_wrong");
    redeem(json!("sesame"), Value::Null).problem(403, "recipient_required");
    redeem(json!("sesame"), proof(ADA, &code)).expect(200);
}

#[test]
fn a_doctored_list_opens_nothing() {
    let api = Api::start(Backend::Embedded);
    for thing in both(&api, json!({ "recipients": [ADA] })) {
        let partition = match thing.kind {
            "shares" => format!("share#{}", thing.minted.id),
            _ => {
                let text = cloakroom::crypto::secret::SecretText::new(thing.minted.token.as_str());
                format!("link#{}", cloakroom::crypto::opaque::LinkToken::parse(&text).unwrap().hash())
            }
        };
        let row = api.row(&partition, "grant");
        for list in [json!([EVE]), json!([ADA, EVE]), Value::Null] {
            let body = api.broker().keyring.authentic(&partition, "grant", &row.body).unwrap();
            let mut value: Value = serde_json::from_slice(body).unwrap();
            value["recipients"] = list;
            // Even with a MAC that is right: who is a recipient is marked with a key in the grant itself.
            let body = api.broker().keyring.authenticate(&partition, "grant", value.to_string().as_bytes());
            let expected = cloakroom::store::Expected::Version(api.row(&partition, "grant").version);
            api.write(cloakroom::store::Write { key: row.key.clone(), expected, body, purge_after: None });
            thing.ask(EVE).problem(404, "dead_token");
            thing.redeem(&claim_key(), &proof(EVE, "00000000")).problem(404, "dead_token");
        }
    }
    assert!(api.mails().is_empty());
}

#[test]
fn without_mail_nothing_is_made_for_recipients() {
    let (api, _, _) = Laboratory::served_without_mail();
    let body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true, "recipients": [ADA] });
    let problem = api.post(api.admin(), "/v1/shares", &body).problem(422, "invalid");
    assert_eq!(problem.pointer.as_deref(), Some("/recipients"));
    assert!(problem.detail.unwrap().contains("CLOAKROOM_MAIL"));
    let thing = share(&api, json!({}));
    assert_eq!(thing.change(&json!({ "recipients": [ADA] })).problem(422, "invalid").pointer.unwrap(), "/recipients");
}

#[test]
fn mails_in_a_folder_are_read_by_their_owner_alone() {
    let api = Api::start(Backend::Embedded);
    share(&api, json!({ "recipients": [ADA] })).ask(ADA);
    assert_eq!(api.mails().len(), 1);
    assert_eq!(api.broker().post.as_ref().unwrap().sent(), Sent { sent: 1, ..Sent::default() });
    let metrics = api.metrics();
    assert!(metrics.contains("cloakroom_mails_total{outcome=\"sent\"} 1\n"), "{metrics}");
    for file in fs::read_dir(api.data_dir().join("mail")).unwrap() {
        let file = file.unwrap();
        assert!(file.file_name().to_string_lossy().ends_with(".eml"));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
