//! The rights of one person: what is kept of them is told, corrected, and gone when they are erased, whatever happens
//! meanwhile; and nobody comes to more by it.

use std::{sync::Arc, thread::scope, time::Duration};

use cloakroom::{
    crypto::secret::SecretText,
    domain::{
        client::UserAgent,
        erasure::Erasure,
        identity::{Identity, Issuer, SecondFactor, Subject},
        ids::{DataSubjectId, RequestId},
        metadata::Metadata,
        path::PathPin,
        permission::SharePermission,
        recipient::Address,
        restrictions::Restrictions,
        share::Pins,
        tenant::Namespace,
    },
    service::{
        Asking, Broker, Error,
        data_subjects::{EraseSubject, Named, Turn},
        idempotency::Reply,
        shares::MintShare,
    },
    store::{Store, faulty::Fault},
};
use serde_json::{Value, json};

use super::{
    calls::{Answer, text},
    harness::{Api, Backend, Tenant, claim_key, random},
    laboratory::{Laboratory, asking},
    ledger_crashes::{Halting, gone_after},
    removal::{holds, mark, raw},
};
use crate::program::process::patiently;

const ISSUER: &str = "https://id.example";
const AGENT: &str = "Reader/1 (agent-canary)";

/// Somebody of whom a tenant keeps all there is: as a recipient beside another and alone, of shares and links; and as a user
/// who goes by their address.
struct Person {
    address: String,
    other: String,
    subject: String,
    user: String,
    both: Value,
    alone: Value,
    link: Value,
    claimant: String,
}

fn post(api: &Api, key: &str, what: &str, body: &Value) -> Answer {
    api.post(key, &format!("/v1/data-subjects/{what}"), body)
}

fn code(api: &Api, token: &str, address: &str) -> Value {
    api.public("/v1/shares/redeem/code", &json!({ "token": token, "address": address })).expect(202);
    json!({ "address": address, "code": api.code_for(address) })
}

fn redeem(api: &Api, token: &str, claim_key: &str, recipient: &Value) -> Answer {
    let mut body = json!({ "token": token, "claim_key": claim_key });
    if !recipient.is_null() {
        body["recipient"] = recipient.clone();
    }
    api.call("POST", "/v1/shares/redeem").header("user-agent", AGENT).json(&body).send()
}

/// Whom a provider calls so.
fn identity(subject: &str, tenant: &Tenant) -> Identity {
    Identity {
        issuer: Issuer::parse(ISSUER).unwrap(),
        subject: Subject::parse(subject).unwrap(),
        tenant: tenant.id.parse().unwrap(),
        authenticated_at: None,
        second_factor: SecondFactor::NotSaid,
    }
}

impl Person {
    /// Keeps all of that, with this mark in each word.
    fn kept_by(api: &Api, tenant: &Tenant, mark: &str) -> Self {
        let key = tenant.admin.secret.as_str();
        let [address, other] = ["", "other-"].map(|who| format!("{who}{}@people.example", mark.to_lowercase()));
        let subject = format!("subject-{mark}");
        let noted =
            json!({ "address": address, "purpose": format!("purpose {mark}"), "consent": format!("consent {mark}") });
        let share = |recipients: Value| {
            let body = json!({
                "paths": ["docs/"], "permission": "write", "recipients": recipients, "label": format!("label {mark}"),
                "message": format!("message {mark}"), "metadata": { "note": format!("metadata {mark}") },
            });
            api.post(key, "/v1/shares", &body).expect(201)
        };
        let (both, alone) = (share(json!([noted, other])), share(json!([address])));
        api.upload(key, "a.txt", b"a");
        let artifact = api.post(key, "/v1/artifacts", &json!({ "paths": ["a.txt"] })).expect(201);
        let link = json!({ "artifact": artifact["id"], "recipients": [address, other], "label": "kept" });
        let link = api.post(key, "/v1/links", &link).expect(201);
        let user = json!({
            "issuer": ISSUER, "subject": subject, "label": address, "metadata": { "name": format!("name {mark}") },
            "grants": [{ "path": "/", "permission": "write" }],
        });
        let user = text(&api.post(key, "/v1/users", &user).expect(201), "id");
        let claimant = claim_key();
        let (token, proof) = (text(&both, "token"), code(api, &text(&both, "token"), &address));
        redeem(api, &token, &claimant, &proof).expect(200);
        let person = Self { address, other, subject, user, both, alone, link, claimant };
        person.acts(api, tenant).unwrap();
        person
    }

    /// Mints a share as the user who they are.
    fn acts(&self, api: &Api, tenant: &Tenant) -> Result<(), Error> {
        let identity = identity(&self.subject, tenant);
        let asking =
            Asking { agent: UserAgent::new(AGENT.as_bytes()), ..Asking::here(RequestId::from_bytes(random())) };
        let broker = api.broker();
        api.wait(async {
            let caller = broker.vouched_for(&identity, asking).await?;
            let wanted = MintShare {
                pins: Pins::new(vec![PathPin::parse("mine/").unwrap()]).unwrap(),
                permission: SharePermission::Read,
                expires_at: broker.now().plus(Duration::from_secs(900)),
                access_seconds: 3_600,
                label: None,
                metadata: Metadata::default(),
                message: None,
                not_before: None,
                redemptions: 1,
                restrictions: Restrictions::default(),
                recipients: None,
                allow_missing: true,
            };
            broker.mint_share(&caller, wanted, &Reply::unkept()).await.map(drop)
        })
    }

    fn by_address(&self) -> Value {
        json!({ "address": self.address })
    }

    fn see(&self, api: &Api, key: &str, thing: &Value) -> Value {
        let list = if thing["id"] == self.link["id"] { "links" } else { "shares" };
        api.get(key, &format!("/v1/{list}/{}", text(thing, "id"))).expect(200)
    }
}

/// All pages of an export as one.
fn exported(api: &Api, key: &str, who: &Value) -> Value {
    let mut all = post(api, key, "export", who).expect(200);
    while !all["next_cursor"].is_null() {
        let mut body = who.clone();
        body["cursor"] = all["next_cursor"].clone();
        let more = post(api, key, "export", &body).expect(200);
        for list in ["users", "shares", "links", "records", "console_sessions"] {
            all[list].as_array_mut().unwrap().extend(more[list].as_array().unwrap().iter().cloned());
        }
        all["next_cursor"] = more["next_cursor"].clone();
    }
    all
}

fn count(export: &Value, list: &str) -> usize {
    export[list].as_array().unwrap().len()
}

/// Whoever was held of whom nothing is now.
fn nothing_is_held(export: &Value) {
    for list in ["users", "shares", "links", "console_sessions"] {
        assert_eq!(export[list], json!([]), "{list}");
    }
}

fn erased(api: &Api, key: &str, who: &Value) -> Value {
    let asked = post(api, key, "erase", who).expect(202);
    assert_eq!(asked["status"], "erasing");
    patiently("they are erased", || {
        let seen = api.get(key, &format!("/v1/data-subjects/erasures/{}", text(&asked, "id"))).expect(200);
        (seen["status"] == "erased").then_some(seen)
    })
}

/// Begins an erasure, at which nobody works then.
pub async fn begin(api: &Api, key: &str, address: &str) -> Result<(Namespace, Erasure), Error> {
    let caller = api.broker().authenticate(&SecretText::new(key), asking()).await?;
    let who = Named::Address(Address::try_from(address.to_owned()).unwrap());
    api.broker().begin_erasure(&caller, EraseSubject { who, reason: None, keeps_minted: false }).await
}

pub fn an_export_tells_all_that_is_kept_of_somebody_and_nothing_of_others(api: &Api) {
    let tenant = api.new_tenant("Exports");
    let key = tenant.admin.secret.as_str();
    let person = Person::kept_by(api, &tenant, &mark());
    let export = exported(api, key, &person.by_address());
    assert_eq!((count(&export, "users"), count(&export, "shares"), count(&export, "links")), (1, 2, 1), "{export}");
    let user = &export["users"][0];
    assert_eq!(
        (&user["id"], &user["subject"], &user["mode"]),
        (&json!(person.user), &json!(person.subject), &json!("live"))
    );
    let shares = export["shares"].as_array().unwrap();
    let share = shares.iter().find(|share| share["id"] == person.both["id"]).unwrap();
    assert!(
        text(share, "purpose").starts_with("purpose ") && text(share, "consent").starts_with("consent "),
        "{share}"
    );
    assert!(share["claimed_at"].is_string() && text(share, "label").starts_with("label "), "{share}");
    assert!(!export.to_string().contains(&person.other), "{export}");
    let records = export["records"].as_array().unwrap();
    let told = |kind: &str| records.iter().filter(|record| record["type"] == kind).collect::<Vec<_>>();
    // In their session, as a bearer who asked for a code, and as a user.
    assert_eq!(told("share.claimed")[0]["client"]["user_agent"], AGENT);
    assert_eq!((told("share.code_asked").len(), told("share.code_tried").len()), (1, 1));
    let made = told("share.created");
    assert_eq!((made.len(), &made[0]["actor"]["id"]), (1, &json!(person.user)), "{made:?}");
    assert!(export["erasure"].is_null() && export["by_hand"][0].is_string());
    // The same by either name of the user; as one they are no recipient.
    for who in [json!({ "user": person.user }), json!({ "issuer": ISSUER, "subject": person.subject })] {
        let export = exported(api, key, &who);
        assert_eq!(
            (count(&export, "users"), count(&export, "shares"), count(&export, "records")),
            (1, 0, 1),
            "{export}"
        );
    }
    for unknown in [json!({ "address": "nobody@people.example" }), json!({ "issuer": ISSUER, "subject": "nobody" })] {
        let export = exported(api, key, &unknown);
        nothing_is_held(&export);
        assert_eq!(count(&export, "records"), 0);
    }
    // That it was asked is told, by a keyed hash.
    assert_eq!(
        api.get(key, "/v1/audit?type=data_subject.exported").expect(200)["items"][0]["actor"]["kind"],
        "api_key"
    );
    let told = api.get(key, "/v1/audit?type=data_subject.exported").expect(200).to_string();
    assert!(told.contains("dsu_") && !told.contains("people.example") && !told.contains(&person.subject), "{told}");
}

pub fn whoever_is_erased_is_gone_and_nobody_gets_more_by_it(api: &Api) {
    let tenant = api.new_tenant("Erases");
    let key = tenant.admin.secret.as_str();
    let person = Person::kept_by(api, &tenant, &mark());
    let before = api.get(key, "/v1/audit/verify").expect(200);
    let proof = code(api, &text(&person.alone, "token"), &person.address);
    let done = erased(api, key, &person.by_address());
    nothing_leads_to_an_erasure(api, &tenant);
    // The code that was on its way to them is none, in the store as well.
    let codes = api.rows(&format!("share#{}", text(&person.alone, "id")));
    let codes = codes.iter().filter(|row| row.key.sort.starts_with("code#"));
    let bodies: Vec<_> = codes.map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect();
    assert!(!bodies.is_empty() && bodies.iter().all(|body| !body.contains("\"mark\"")), "{bodies:?}");
    let removed = &done["removed"];
    assert_eq!((&removed["shares"], &removed["links"], &removed["users"]), (&json!(2), &json!(1), &json!(1)), "{done}");
    assert!(removed["client_details"].as_u64().unwrap() >= 4 && removed["unreadable"] == 0, "{done}");
    // Of the other one all is as it was.
    let both = person.see(api, key, &person.both);
    assert_eq!((&both["recipients"], &both["status"]), (&json!([{ "address": person.other }]), &json!("pending")));
    assert!(text(&both, "label").starts_with("label "));
    assert_eq!(person.see(api, key, &person.link)["recipients"], json!([{ "address": person.other }]));
    // What went to them alone goes to nobody, and least of all to everybody.
    let alone = person.see(api, key, &person.alone);
    assert_eq!((&alone["recipients"], &alone["status"]), (&json!([]), &json!("revoked")), "{alone}");
    assert_eq!((&alone["label"], &alone["message"], &alone["metadata"]), (&Value::Null, &Value::Null, &json!({})));
    for recipient in [Value::Null, proof] {
        redeem(api, &text(&person.alone, "token"), &claim_key(), &recipient).problem(404, "dead_token");
    }
    let token = text(&person.both, "token");
    // Their session has ended, their code is none, and they get no other.
    redeem(api, &token, &person.claimant, &Value::Null).problem(404, "dead_token");
    let mails = api.mails().len();
    api.public("/v1/shares/redeem/code", &json!({ "token": token, "address": person.address })).expect(202);
    assert_eq!(api.mails().len(), mails);
    let proof = code(api, &token, &person.other);
    redeem(api, &token, &claim_key(), &proof).expect(200);
    // The user is a tombstone, and what they made has ended.
    let user = api.get(key, &format!("/v1/users/{}", person.user)).expect(200);
    assert_eq!(
        (&user["status"], &user["subject"], &user["label"]),
        (&json!("revoked"), &json!(""), &Value::Null),
        "{user}"
    );
    assert_eq!(user["metadata"], json!({}));
    assert!(matches!(person.acts(api, &tenant), Err(Error::Unauthenticated)));
    // The ledger is as it was written, without where they asked from; others' is still told.
    let after = api.get(key, "/v1/audit/verify").expect(200);
    assert!(after["intact"] == true && after["records"].as_u64() > before["records"].as_u64(), "{after}");
    let trail = api.get(key, "/v1/audit?limit=1000").expect(200);
    let told = |kind: &str| -> Vec<_> {
        trail["items"].as_array().unwrap().iter().filter(|record| record["type"] == kind).cloned().collect()
    };
    let claimed = told("share.claimed");
    assert_eq!((&claimed[0]["client"]["user_agent"], &claimed[1]["client"]), (&json!(AGENT), &Value::Null));
    assert!(told("share.created").iter().any(|record| record["client"].is_object()), "others' is still told");
    assert_eq!((told("data_subject.erasure_asked").len(), told("data_subject.erased").len()), (1, 1));
    assert_eq!(told("data_subject.erased")[0]["resource"], done["id"]);
    assert_eq!(told("share.revoked").len(), 1);
    // That they were erased can be told of them by their address, and of nobody else.
    let found = post(api, key, "find", &person.by_address()).expect(200);
    assert_eq!((&found["id"], &found["erasure"]["status"]), (&done["id"], &json!("erased")));
    assert!(post(api, key, "find", &json!({ "address": person.other })).expect(200)["erasure"].is_null());
    let export = exported(api, key, &person.by_address());
    nothing_is_held(&export);
    assert_eq!(export["erasure"]["status"], "erased");
    // Again, there is nothing; and they may be let in again, as somebody new.
    let again = erased(api, key, &person.by_address())["removed"].clone();
    assert_eq!(
        ["shares", "links", "users"].map(|what| &again[what]),
        ["shares", "links", "users"].map(|what| &removed[what])
    );
    let again =
        json!({ "issuer": ISSUER, "subject": person.subject, "grants": [{ "path": "/", "permission": "write" }] });
    assert_ne!(api.post(key, "/v1/users", &again).expect(201)["id"], json!(person.user));
}

pub fn a_user_is_erased_by_either_name_and_what_they_made_lives_on_where_that_is_wanted(api: &Api) {
    let tenant = api.new_tenant("Users");
    let key = tenant.admin.secret.as_str();
    let user = |subject: &str| {
        let body = json!({ "issuer": ISSUER, "subject": subject, "grants": [{ "path": "/", "permission": "write" }] });
        text(&api.post(key, "/v1/users", &body).expect(201), "id")
    };
    let (one, two) = (user("one"), user("two"));
    let done = erased(api, key, &json!({ "user": one, "keep_minted": true, "reason": "asked by mail" }));
    assert_eq!((&done["removed"]["users"], &done["reason"]), (&json!(1), &json!("asked by mail")));
    assert_eq!(erased(api, key, &json!({ "issuer": ISSUER, "subject": "two" }))["removed"]["users"], 1);
    for (id, subject) in [(one, "one"), (two, "two")] {
        let found = [json!({ "user": id }), json!({ "issuer": ISSUER, "subject": subject })]
            .map(|who| post(api, key, "find", &who).expect(200));
        assert_eq!(found[0], found[1]);
        assert_eq!(found[0]["erasure"]["status"], "erased");
        assert_eq!(api.get(key, &format!("/v1/users/{id}")).expect(200)["subject"], "");
    }
    post(api, key, "erase", &json!({ "issuer": ISSUER, "subject": "nobody" })).problem(404, "not_found");
    // Nobody erases themselves.
    let chief = json!({ "issuer": ISSUER, "subject": "chief", "grants": [{ "path": "/", "permission": "admin" }] });
    let chief = text(&api.post(key, "/v1/users", &chief).expect(201), "id");
    let refused = api.wait(async {
        let caller = api.broker().vouched_for(&identity("chief", &tenant), asking()).await?;
        let who = Named::User(chief.parse().unwrap());
        api.broker().begin_erasure(&caller, EraseSubject { who, reason: None, keeps_minted: false }).await
    });
    assert!(matches!(refused, Err(Error::Conflict { code: "own_user", .. })), "{refused:?}");
    let listed = api.get(key, "/v1/data-subjects/erasures").expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}

pub fn what_is_no_request_about_somebody_is_refused(api: &Api) {
    let tenant = api.new_tenant("Others");
    let key = tenant.admin.secret.as_str();
    let user = json!({ "issuer": ISSUER, "subject": "theirs", "grants": [{ "path": "/", "permission": "read" }] });
    let theirs = text(&api.post(api.admin(), "/v1/users", &user).expect(201), "id");
    for what in ["export", "erase", "find"] {
        for (body, pointer) in [
            (json!({}), "/address"),
            (json!({ "address": "ada@example.org", "user": theirs }), "/address"),
            (json!({ "address": "ada@example.org", "issuer": ISSUER, "subject": "s" }), "/address"),
            (json!({ "address": "no address" }), "/address"),
            (json!({ "address": ["ada@example.org"] }), "/address"),
            (json!({ "user": "ada" }), "/user"),
            (json!({ "user": tenant.admin.id }), "/user"),
            (json!({ "issuer": ISSUER }), "/subject"),
            (json!({ "subject": "s" }), "/issuer"),
            (json!({ "issuer": "", "subject": "s" }), "/issuer"),
            (json!({ "issuer": ISSUER, "subject": "a\nb" }), "/subject"),
            (json!({ "address": "ada@example.org", "who": 1 }), "/who"),
        ] {
            let problem = post(api, key, what, &body).problem(422, "invalid");
            assert_eq!(problem.pointer.as_deref(), Some(pointer), "{what} {body}");
        }
        // Another tenant's is nobody.
        post(api, key, what, &json!({ "user": theirs })).problem(404, "not_found");
    }
    for (body, pointer) in [
        (json!({ "address": "ada@example.org", "reason": "" }), "/reason"),
        (json!({ "address": "ada@example.org", "reason": "x".repeat(201) }), "/reason"),
        (json!({ "address": "ada@example.org", "reason": "Ada@Example.org has asked" }), "/reason"),
        (json!({ "address": "ada@example.org", "keep_minted": "yes" }), "/keep_minted"),
        (json!({ "address": "ada@example.org", "cursor": "x" }), "/cursor"),
    ] {
        let problem = post(api, key, "erase", &body).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer), "{body}");
    }
    for (body, pointer) in [
        (json!({ "address": "ada@example.org" }), ""),
        (json!({ "address": "ada@example.org", "to": "Ada@example.org" }), "/to"),
        (json!({ "address": "ada@example.org", "to": "x" }), "/to"),
        (json!({ "address": "ada@example.org", "to": "b@example.org", "cursor": "x" }), "/cursor"),
    ] {
        let problem = post(api, key, "correct", &body).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer), "{body}");
    }
    let cursor = json!({ "address": "ada@example.org", "cursor": "x" });
    assert_eq!(post(api, key, "export", &cursor).problem(422, "invalid").pointer.as_deref(), Some("/cursor"));
    for id in ["x", &DataSubjectId::from_bytes(random()).to_string()] {
        api.get(key, &format!("/v1/data-subjects/erasures/{id}")).problem(404, "not_found");
    }
    // Of whom nothing is held nothing is removed, and that it was asked is told.
    let body = json!({ "address": "gone@example.org" });
    assert_eq!(erased(api, key, &body)["removed"]["shares"], 0);
    assert_eq!(api.get(key, "/v1/audit?type=data_subject.erased").expect(200)["items"].as_array().unwrap().len(), 1);
}

pub fn whoever_tests_reaches_nobody_who_is_live(api: &Api) {
    let tenant = api.new_tenant("Both");
    let live = tenant.admin.secret.as_str();
    let grants = json!([{ "path": "/", "permission": "admin" }]);
    let test =
        text(&api.post(live, "/v1/api-keys", &json!({ "grants": grants, "mode": "test" })).expect(201), "secret");
    let who = json!({ "address": "ada@example.org" });
    let share =
        json!({ "paths": ["docs/"], "permission": "read", "recipients": ["ada@example.org", "bob@example.org"] });
    let [in_live, in_test] = [live, &test].map(|key| text(&api.post(key, "/v1/shares", &share).expect(201), "id"));
    assert_eq!(count(&exported(api, &test, &who), "shares"), 1);
    assert_eq!(count(&exported(api, live, &who), "shares"), 2);
    let recipients = |key: &str, id: &str| {
        api.get(key, &format!("/v1/shares/{id}")).expect(200)["recipients"].as_array().unwrap().len()
    };
    assert_eq!(erased(api, &test, &who)["removed"]["shares"], 1);
    assert_eq!((recipients(live, &in_live), recipients(&test, &in_test)), (2, 1));
    assert_eq!(erased(api, live, &who)["removed"]["shares"], 1);
    assert_eq!(recipients(live, &in_live), 1);
}

pub fn a_corrected_address_takes_the_place_of_the_other_and_nobody_gains(api: &Api) {
    let tenant = api.new_tenant("Corrects");
    let key = tenant.admin.secret.as_str();
    let person = Person::kept_by(api, &tenant, &mark());
    let token = text(&person.both, "token");
    let right = format!("right-{}", person.address);
    let pending = code(api, &text(&person.alone, "token"), &person.address);
    let correct = json!({ "address": person.address, "to": right });
    let done = post(api, key, "correct", &correct).expect(200);
    assert_eq!((&done["shares"], &done["links"], &done["next_cursor"]), (&json!(2), &json!(1), &Value::Null));
    let both = person.see(api, key, &person.both);
    let addressed = both["recipients"].as_array().unwrap();
    assert_eq!(addressed.len(), 2);
    let mine = addressed.iter().find(|one| one["address"] == json!(right)).unwrap();
    assert!(mine["claimed_at"].is_string() && text(mine, "purpose").starts_with("purpose "), "{both}");
    // Whoever had claimed goes on, and does not claim again under the new name.
    redeem(api, &token, &person.claimant, &Value::Null).expect(200);
    let mails = api.mails().len();
    for address in [&right, &person.address] {
        api.public("/v1/shares/redeem/code", &json!({ "token": token, "address": address })).expect(202);
    }
    assert_eq!(api.mails().len(), mails, "one has claimed, the other is none");
    // Where nobody had claimed, the code that was on its way is none, and the new address gets one.
    let alone = text(&person.alone, "token");
    redeem(api, &alone, &claim_key(), &pending).problem(403, "recipient_wrong");
    let proof = code(api, &alone, &right);
    redeem(api, &alone, &claim_key(), &proof).expect(200);
    redeem(api, &alone, &claim_key(), &proof).problem(404, "dead_token");
    // Into one who is there already: one fewer.
    let merge = json!({ "address": right, "to": person.other });
    assert_eq!(post(api, key, "correct", &merge).expect(200)["links"], 1);
    assert_eq!(person.see(api, key, &person.link)["recipients"], json!([{ "address": person.other }]));
    let nothing = post(api, key, "correct", &correct).expect(200);
    assert_eq!((&nothing["shares"], &nothing["links"]), (&json!(0), &json!(0)));
    assert_eq!(api.get(key, "/v1/audit?type=data_subject.corrected").expect(200)["items"].as_array().unwrap().len(), 3);
    assert_eq!(api.get(key, "/v1/audit/verify").expect(200)["intact"], true);
}

pub fn why_an_address_is_kept_is_told_to_its_owner_alone_and_decides_nothing(api: &Api) {
    let noted = json!([{ "address": "Ada@example.org", "purpose": "the draft", "consent": "agreed on paper" }, "bob@example.org"]);
    let body = json!({ "paths": ["docs/"], "permission": "read", "recipients": noted });
    let minted = api.post(api.admin(), "/v1/shares", &body).expect(201);
    let kept = json!([{ "address": "ada@example.org", "purpose": "the draft", "consent": "agreed on paper" }, { "address": "bob@example.org" }]);
    assert_eq!(minted["recipients"], kept);
    let (token, path) = (text(&minted, "token"), format!("/v1/shares/{}", text(&minted, "id")));
    let preview = api.preview(&token).expect(200).to_string();
    assert!(!preview.contains("draft") && !preview.contains("agreed on paper"), "{preview}");
    let proof = code(api, &token, "ada@example.org");
    assert!(!api.mails().iter().any(|mail| mail.contains("the draft") || mail.contains("agreed on paper")));
    let opened = redeem(api, &token, &claim_key(), &proof).expect(200).to_string();
    assert!(!opened.contains("draft"), "{opened}");
    let patch = |body: &Value| api.call("PATCH", &path).bearer(api.admin()).json(body).send();
    // Narrowed by the address alone, what was noted stays.
    let narrowed = patch(&json!({ "recipients": ["ada@example.org"] })).expect(200);
    assert_eq!(
        (&narrowed["recipients"][0]["purpose"], narrowed["recipients"].as_array().unwrap().len()),
        (&json!("the draft"), 1)
    );
    let renoted = json!({ "recipients": [{ "address": "ada@example.org", "purpose": "the contract" }] });
    let renoted = patch(&renoted).expect(200);
    assert_eq!(
        (&renoted["recipients"][0]["purpose"], &renoted["recipients"][0]["consent"]),
        (&json!("the contract"), &Value::Null)
    );
    patch(&json!({ "recipients": [{ "address": "eve@example.org", "purpose": "x" }] })).problem(409, "widening");
    for (recipients, pointer) in [
        (json!([{ "address": "ada@example.org", "purpose": "" }]), "/recipients/0/purpose"),
        (json!([{ "address": "ada@example.org", "purpose": "a\u{202e}b" }]), "/recipients/0/purpose"),
        (json!([{ "address": "ada@example.org", "consent": "x".repeat(201) }]), "/recipients/0/consent"),
        (json!([{ "address": "ada@example.org", "reason": "x" }]), "/recipients/0/reason"),
        (json!([{ "address": "ada" }]), "/recipients/0/address"),
        (json!([{ "purpose": "x" }]), "/recipients/0"),
        (json!(["ada@example.org", { "address": "ADA@example.org" }]), "/recipients"),
        (json!([7]), "/recipients/0"),
        (json!([]), "/recipients"),
    ] {
        let mut wrong = body.clone();
        wrong["recipients"] = recipients;
        let problem = api.post(api.admin(), "/v1/shares", &wrong).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer), "{wrong}");
    }
}

pub fn a_tenant_takes_all_it_has_along_in_pages_of_any_size(api: &Api) {
    let tenant = api.new_tenant("Leaves");
    let key = tenant.admin.secret.as_str();
    Person::kept_by(api, &tenant, &mark());
    api.post(key, "/v1/file-requests", &json!({ "folder": "in/" })).expect(201);
    erased(api, key, &json!({ "address": "gone@people.example" }));
    let fetched = |limit: usize| {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = api.get(key, &format!("/v1/export?limit={limit}{cursor}"));
            assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"));
            let lines = String::from_utf8(answer.body).unwrap();
            let mut lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let next = lines.pop().unwrap();
            assert_eq!(next["kind"], "next");
            all.extend(lines);
            match next["value"]["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    };
    let all = fetched(1_000);
    let of = |kind: &str| all.iter().filter(|line| line["kind"] == kind).count();
    let kinds =
        ["tenant", "api_key", "user", "share", "link", "artifact", "file_request", "upload", "object", "erasure"];
    assert_eq!(kinds.map(of), [1, 1, 1, 3, 1, 1, 1, 1, 1, 1]);
    assert!(of("record") > 10);
    let objects: Vec<_> = all.iter().filter(|line| line["kind"] == "object").collect();
    assert!(objects[0]["value"]["path"] == "a.txt" && objects[0]["value"]["sha256"].is_string(), "{objects:?}");
    // Told in small pages it is the same, but for the records that each export adds.
    let but_for_records = |all: Vec<Value>| all.into_iter().filter(|line| line["kind"] != "record").collect::<Vec<_>>();
    let mut few = but_for_records(fetched(2));
    let mut many = but_for_records(all);
    for line in few.iter_mut().chain(&mut many) {
        line["value"]["last_used_at"] = Value::Null;
    }
    assert_eq!(few, many);
    let text = json!(many).to_string();
    for secret in [key, "crs_", "crl_"] {
        assert!(!text.contains(secret), "{secret}");
    }
    for cursor in ["x", "99.", "3.x", "-1.", "1"] {
        api.get(key, &format!("/v1/export?cursor={cursor}")).problem(422, "invalid");
    }
    api.get(key, "/v1/export?limit=0").problem(422, "invalid");
}

/// What stands sealed in a field of a row: of it, too, nothing is to be left.
fn sealed_in(api: &Api, partition: &str, sort: &str, field: &str) -> Vec<u8> {
    let body = api.row(partition, sort).body;
    let name = format!("\"{field}\":\"");
    let from = body.windows(name.len()).rposition(|part| part == name.as_bytes()).unwrap() + name.len();
    let sealed: Vec<u8> = body[from..].iter().copied().take_while(|byte| *byte != b'"').collect();
    assert!(sealed.len() > 80, "{field}");
    // Past the version, tenant and key that all have in common.
    sealed[40..].to_vec()
}

#[test]
fn of_whoever_was_erased_nothing_is_left_in_any_file() {
    let mut api = Api::start(Backend::Embedded);
    let traces = nothing_is_left(&api, Backend::Embedded);
    api.wait(api.broker().store.forget()).unwrap();
    api.halt();
    // Every row by itself, too: tables are compressed.
    let database = fjall::Database::builder(api.data_dir().join("store/database")).open().unwrap();
    for keyspace in ["rows", "purge"] {
        let keyspace = database.keyspace(keyspace, fjall::KeyspaceCreateOptions::default).unwrap();
        for entry in keyspace.iter() {
            let (key, value) = entry.into_inner().unwrap();
            for trace in &traces {
                assert!(!holds(&key, trace) && !holds(&value, trace), "{}", String::from_utf8_lossy(&key));
            }
        }
    }
}

#[test]
fn of_whoever_was_erased_nothing_is_left_in_the_table() {
    nothing_is_left(&Api::start(Backend::Aws), Backend::Aws);
}

/// The words that were said of them, and what those were sealed to.
fn nothing_is_left(api: &Api, backend: Backend) -> Vec<Vec<u8>> {
    let mark = mark();
    let tenant = api.new_tenant("Forgets");
    let key = tenant.admin.secret.as_str();
    let person = Person::kept_by(api, &tenant, &mark);
    // What waits is chained, and lies beside the ledger.
    api.get(key, "/v1/audit").expect(200);
    api.wait(begin(api, key, &person.address)).unwrap();
    let ledger = format!("{}#live", tenant.id);
    let erasures = api.rows(&format!("erasures#{ledger}"));
    let [erasure] = erasures.as_slice() else { panic!("{erasures:?}") };
    let mut sealed = vec![sealed_in(api, &erasure.key.partition, &erasure.key.sort, "who")];
    for thing in [&person.both, &person.alone] {
        sealed.push(sealed_in(api, &format!("share#{}", text(thing, "id")), "grant", "recipients"));
    }
    sealed.push(sealed_in(api, &format!("share#{}", text(&person.alone, "id")), "grant", "label"));
    for field in ["label", "subject", "metadata"] {
        sealed.push(sealed_in(api, &format!("users#{ledger}"), &person.user, field));
    }
    let beside = api.rows(&format!("ledger-clients#{ledger}"));
    let clients = |sort: &str| sealed_in(api, &format!("ledger-clients#{ledger}"), sort, "clients");
    let before_it: Vec<_> = beside.iter().map(|row| (row.key.sort.clone(), clients(&row.key.sort))).collect();
    let before = raw(api, backend);
    for trace in &sealed {
        assert!(before.iter().any(|bytes| holds(bytes, trace)), "{}", String::from_utf8_lossy(trace));
    }
    let done = erased(api, key, &person.by_address());
    assert_eq!((&done["removed"]["users"], &done["removed"]["unreadable"]), (&json!(1), &json!(0)), "{done}");
    // Rows with nothing of theirs are as they were.
    let theirs: Vec<_> =
        before_it.into_iter().filter(|(sort, was)| clients(sort) != *was).map(|(_, was)| was).collect();
    assert!(!theirs.is_empty());
    sealed.extend(theirs);
    let words = [mark.clone().into_bytes(), mark.to_lowercase().into_bytes(), b"agent-canary".to_vec()];
    let traces: Vec<_> = sealed.into_iter().chain(words).collect();
    let after = raw(api, backend);
    for trace in &traces {
        let left = after.iter().find(|bytes| holds(bytes, trace));
        assert!(left.is_none(), "{}", String::from_utf8_lossy(trace));
    }
    // What of the tenant can still be opened says nothing of them either, nor does what is told.
    for what in ["shares", "links", "users", "audit", "data-subjects/erasures"] {
        let list = api.get(key, &format!("/v1/{what}?limit=1000")).expect(200).to_string();
        let told = list.replace(&person.other, "");
        // What is said of what went to another as well is its owner's.
        let told = told.replace(&format!("label {mark}"), "").replace(&format!("message {mark}"), "");
        let told = told.replace(&format!("metadata {mark}"), "");
        for word in [mark.as_str(), &mark.to_lowercase(), "agent-canary"] {
            assert!(!told.contains(word), "{what}: {word} {told}");
        }
    }
    let verified = api.get(key, "/v1/audit/verify").expect(200);
    assert_eq!((&verified["intact"], &verified["redemptions"]["proven"]), (&json!(true), &json!(true)), "{verified}");
    let export = api.post(key, "/v1/audit/exports", &json!({})).expect(201);
    patiently("it is exported", || {
        let seen = api.get(key, &format!("/v1/audit/exports/{}", text(&export, "id"))).expect(200);
        assert_ne!(seen["status"], "broken");
        (seen["status"] == "ready").then_some(())
    });
    traces
}

/// All erasures that a tenant has begun have come to their end.
fn nothing_leads_to_an_erasure(api: &Api, tenant: &Tenant) {
    let leads: Vec<_> = api.rows("erasing").into_iter().map(|row| row.key.sort).collect();
    assert!(leads.iter().all(|lead| !lead.starts_with(&format!("{}#", tenant.id))), "{leads:?}");
}

/// What an erasure of somebody, however often it was cut off, comes to.
fn is_complete(api: &Api, tenant: &Tenant, person: &Person, id: DataSubjectId) {
    let key = tenant.admin.secret.as_str();
    let done = api.get(key, &format!("/v1/data-subjects/erasures/{id}")).expect(200);
    let removed = &done["removed"];
    let counts = (&removed["shares"], &removed["links"], &removed["users"], &removed["unreadable"]);
    assert_eq!((&done["status"], counts), (&json!("erased"), (&json!(2), &json!(1), &json!(1), &json!(0))), "{done}");
    let export = exported(api, key, &person.by_address());
    nothing_is_held(&export);
    // What they did is told, and of no record from where: but for what they did on a link, nothing was.
    let clients = export["records"].as_array().unwrap().iter().filter(|record| !record["client"].is_null()).count();
    assert_eq!(clients, 0, "{export}");
    let told = |kind: &str| {
        let trail = api.get(key, &format!("/v1/audit?type={kind}")).expect(200);
        trail["items"].as_array().unwrap().len()
    };
    assert_eq!((told("data_subject.erased"), told("user.removed"), told("share.revoked")), (1, 1, 1));
    assert_eq!(api.get(key, "/v1/audit/verify").expect(200)["intact"], true);
    nothing_leads_to_an_erasure(api, tenant);
}

/// The same on the same rows, which gives way before and after whatever its store does.
pub fn halting(
    api: &Api,
    faults: &Arc<cloakroom::store::faulty::FaultyStore<cloakroom::store::memory::MemoryStore>>,
) -> Broker {
    Broker { store: Store::new(Arc::new(Halting(Arc::clone(faults)))), ..api.broker().clone() }
}

#[test]
fn an_erasure_that_is_cut_off_at_any_step_is_gone_on_with_to_its_end() {
    let (api, clock, faults) = Laboratory::served();
    for steps in 1.. {
        assert!(steps < 2_000, "it never came to its end");
        let tenant = api.new_tenant("Cut off");
        let key = tenant.admin.secret.as_str();
        let person = Person::kept_by(&api, &tenant, &mark());
        let (namespace, begun) = api.wait(begin(&api, key, &person.address)).unwrap();
        let broker = halting(&api, &faults);
        let turn = api.wait(gone_after(steps, broker.go_on_with_erasure(namespace, begun.id)));
        let is_done = turn.is_some();
        if is_done {
            assert_eq!(turn.unwrap().unwrap(), Turn::Done);
            assert!(steps > 20, "there were no steps to be cut off at");
        } else if api.get(key, &format!("/v1/data-subjects/erasures/{}", begun.id)).expect(200)["status"] == "erased" {
            // It was its end that nobody heard of: asked again, it would begin anew.
        } else if steps % 2 == 0 {
            // By a round.
            clock.advance(Duration::from_secs(61));
            api.wait(api.broker().go_on_erasing()).unwrap();
        } else {
            // By asking again, which is told as well.
            erased(&api, key, &person.by_address());
        }
        is_complete(&api, &tenant, &person, begun.id);
        if is_done {
            break;
        }
    }
}

#[test]
fn lost_late_and_doubled_answers_and_two_at_once_come_to_the_same() {
    let (api, clock, faults) = Laboratory::served();
    let kinds = [
        vec![Fault::FailedButApplied],
        vec![Fault::Failed, Fault::AppliedLate, Fault::Ok],
        vec![Fault::AppliedLate],
        vec![],
    ];
    for round in 0..24 {
        let tenant = api.new_tenant("Faults");
        let key = tenant.admin.secret.as_str();
        let person = Person::kept_by(&api, &tenant, &mark());
        let (namespace, begun) = api.wait(begin(&api, key, &person.address)).unwrap();
        faults.plan(vec![Fault::Ok; round % 6].into_iter().chain(kinds[round % 4].clone()));
        let broker = halting(&api, &faults);
        let turns = api.wait(async {
            tokio::join!(broker.go_on_with_erasure(namespace, begun.id), broker.go_on_with_erasure(namespace, begun.id))
        });
        faults.clear_plan();
        api.wait(faults.settle());
        // One of two may have stopped, and none has failed.
        assert!(turns.0.is_ok() && turns.1.is_ok(), "{turns:?}");
        clock.advance(Duration::from_secs(61));
        api.wait(api.broker().go_on_erasing()).unwrap();
        is_complete(&api, &tenant, &person, begun.id);
    }
}

#[test]
fn without_a_data_key_nobody_is_erased_and_nobody_is_said_to_be() {
    let (api, clock, _) = Laboratory::served();
    let tenant = api.new_tenant("Keyless");
    let key = tenant.admin.secret.as_str();
    let person = Person::kept_by(&api, &tenant, &mark());
    let (namespace, begun) = api.wait(begin(&api, key, &person.address)).unwrap();
    let row = api.row(&format!("tenant-key#{}", tenant.id), "field");
    let write = |body: Vec<u8>| {
        let now = api.row(&row.key.partition, &row.key.sort);
        let expected = cloakroom::store::Expected::Version(now.version);
        api.write(cloakroom::store::Write { key: row.key.clone(), expected, body, purge_after: None });
    };
    write(b"nothing".to_vec());
    // What is in memory is used for a minute.
    clock.advance(Duration::from_secs(61));
    assert!(api.wait(api.broker().go_on_with_erasure(namespace, begun.id)).is_err());
    api.wait(api.broker().go_on_erasing()).unwrap();
    write(row.body.clone());
    let seen = api.get(key, &format!("/v1/data-subjects/erasures/{}", begun.id)).expect(200);
    assert_eq!(seen["status"], "erasing");
    assert_eq!(api.wait(api.broker().go_on_with_erasure(namespace, begun.id)).unwrap(), Turn::Done);
    is_complete(&api, &tenant, &person, begun.id);
}

#[test]
fn a_recipient_who_redeems_while_they_are_erased_has_nothing_afterwards() {
    let (api, _, faults) = Laboratory::served();
    let (mut won, mut lost) = (0, 0);
    for round in 0..30 {
        let tenant = api.new_tenant("Races");
        let key = tenant.admin.secret.as_str();
        let body =
            json!({ "paths": ["docs/"], "permission": "read", "recipients": ["ada@example.org", "bob@example.org"] });
        let share = api.mint_as(key, &body);
        let proof = code(&api, &share.token, "ada@example.org");
        let (namespace, begun) = api.wait(begin(&api, key, "ada@example.org")).unwrap();
        let (broker, claimant) = (halting(&api, &faults), claim_key());
        let go_on = || api.wait(api.broker().go_on_with_erasure(namespace, begun.id)).unwrap();
        let redeeming = || redeem(&api, &share.token, &claimant, &proof);
        // Whoever erases has come another way each time; and each is once the first, or both come at once.
        assert!(api.wait(gone_after(round, broker.go_on_with_erasure(namespace, begun.id))).is_none());
        let opened = if round % 3 == 0 {
            let opened = redeeming();
            go_on();
            opened
        } else {
            scope(|both| {
                let redeemed = both.spawn(redeeming);
                go_on();
                redeemed.join().unwrap()
            })
        };
        if opened.status == 200 {
            won += 1
        } else {
            lost += 1
        }
        // Whoever was faster, it is over.
        redeem(&api, &share.token, &claimant, &Value::Null).problem(
            if opened.status == 200 { 404 } else { 403 },
            match opened.status {
                200 => "dead_token",
                _ => "recipient_required",
            },
        );
        if opened.status == 200 {
            let session = text(&opened.json(), "session_token");
            api.get(&session, "/v1/session").problem(401, "no_session");
        }
        redeem(&api, &share.token, &claim_key(), &proof).problem(403, "recipient_wrong");
        assert_eq!(
            api.get(key, &format!("/v1/shares/{}", share.id)).expect(200)["recipients"],
            json!([{ "address": "bob@example.org" }])
        );
        assert_eq!(api.get(key, "/v1/audit/verify").expect(200)["redemptions"]["proven"], true);
    }
    assert!(won > 0 && lost > 0, "{won} {lost}: they never met");
}

#[test]
fn who_was_minted_for_while_the_list_was_read_is_found() {
    let (api, _, faults) = Laboratory::served();
    for steps in (4..40).step_by(3) {
        let tenant = api.new_tenant("Late");
        let key = tenant.admin.secret.as_str();
        let body =
            json!({ "paths": ["docs/"], "permission": "read", "recipients": ["ada@example.org", "bob@example.org"] });
        api.mint_as(key, &body);
        let (namespace, begun) = api.wait(begin(&api, key, "ada@example.org")).unwrap();
        let broker = halting(&api, &faults);
        assert!(api.wait(gone_after(steps, broker.go_on_with_erasure(namespace, begun.id))).is_none());
        // Before it was over; whoever goes on with it reads the lists from their beginnings.
        api.mint_as(key, &body);
        api.wait(api.broker().go_on_with_erasure(namespace, begun.id)).unwrap();
        let done = api.get(key, &format!("/v1/data-subjects/erasures/{}", begun.id)).expect(200);
        assert_eq!(done["removed"]["shares"], 2, "{done}");
    }
}
