//! Shares and what comes of them: tokens, offers to move, sessions.

use cloakroom::crypto::sealed::Purpose;
use serde_json::json;

use super::{
    altered::{instead, not_ours, opened, sealed},
    house::House,
    table::Case,
    tickets::{Held, Ticket},
};
use crate::api::harness::{claim_key, random, text};

#[test]
fn every_dead_share_token_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let share = |more| house.share(admin, &more).token;

    let expired = share(json!({ "expires_in": 60 }));
    let claimed_and_expired = house.claimed(admin, &json!({ "expires_in": 60, "redemptions": 2 }));
    let ended = house.claimed(admin, &json!({ "access_expires_in": 60 }));
    house.passes(60);
    let mut cases = house.ended(Ticket::Share, &|key| Held::new(house.share(key, &json!({})).token));
    cases.push(Case::new("expired", "", Held::new(expired)));
    cases.push(Case::new("expired", "claimed by somebody else", Held::new(claimed_and_expired.token)));
    cases.push(Case::new("access ended", "", Held::of(ended.token, ended.claim_key)).with_its_claim_key());

    let live = Held::new(share(json!({})));
    cases.extend(not_ours(&house, (Purpose::Share, "crs_"), &live, Held::new));
    let words = opened(api, Purpose::Share, "crs_", &live.token);
    let other = api.new_tenant("Other").id.parse::<cloakroom::domain::ids::TenantId>().unwrap();
    let changed = [
        ("of no tenant", 0, random::<16>().to_vec()),
        ("of another tenant", 0, other.as_bytes().to_vec()),
        ("never existed", 16, random::<16>().to_vec()),
        ("of another grant", 56, random::<32>().to_vec()),
    ];
    for (cause, from, others) in changed {
        let token = sealed(&api.broker().keyring, Purpose::Share, "crs_", &instead(&words, from, &others));
        cases.push(Case::new(cause, "", Held::new(token)));
    }

    for row in ["grant", "state"] {
        let minted = house.share(admin, &json!({}));
        house.doctor(&format!("share#{}", minted.id), row);
        cases.push(Case::new("with a doctored row", row, Held::new(minted.token)));
    }
    cases.push(Case::new("used", "once", Held::new(house.claimed(admin, &json!({})).token)));
    let twice = house.claimed(admin, &json!({ "redemptions": 2 }));
    api.redeem(&twice.token, &claim_key()).expect(200);
    cases.push(Case::new("used", "twice", Held::new(twice.token)));
    let moved = house.claimed(admin, &json!({}));
    api.redeem(&house.offered(&moved), &claim_key()).expect(200);
    cases.push(Case::new("moved", "", Held::of(moved.token, moved.claim_key)).with_its_claim_key());
    for (what, more) in [("", json!({})), ("for recipients", json!({ "recipients": ["ada@example.org"] }))] {
        let revoked = house.share(admin, &more);
        house.delete(&format!("/v1/shares/{}", revoked.id));
        cases.push(Case::new("revoked", what, Held::new(revoked.token)));
    }
    let mine = house.claimed(admin, &json!({}));
    house.delete(&mine.path());
    cases.push(Case::new("revoked", "by its claimant", Held::of(mine.token, mine.claim_key)));
    let elsewhere = json!({ "allowed_networks": ["192.0.2.0/24", "2001:db8::/32"] });
    cases.push(Case::new("from another network", "", Held::new(share(elsewhere))));
    let ada = house.claimed_by_ada();
    house.without_ada(&ada.path());
    cases.push(Case::new("no recipient any more", "", Held::of(ada.token, ada.claim_key)).with_its_claim_key());

    house.hold(Ticket::Share, cases);
    api.redeem(&live.token, &claim_key()).expect(200);
}

#[test]
fn every_dead_offer_to_move_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let offered = |key: &str| Held::new(house.offered(&house.claimed(key, &json!({}))));

    let expired = offered(admin);
    let access = house.claimed(admin, &json!({ "access_expires_in": 600 }));
    let (access_ended, ended) = (house.offered(&access), access.claim_key);
    house.passes(600);
    let mut cases = house.ended(Ticket::Move, &offered);
    cases.push(Case::new("expired", "", expired));
    cases.push(Case::new("access ended", "", Held::of(access_ended, ended)));

    let live = offered(admin);
    cases.extend(not_ours(&house, (Purpose::Move, "crm_"), &live, Held::new));
    let words = opened(api, Purpose::Move, "crm_", &live.token);
    let other = api.new_tenant("Other").id.parse::<cloakroom::domain::ids::TenantId>().unwrap();
    let changed = [
        ("of no tenant", "", 0, random::<16>().to_vec()),
        ("of another tenant", "", 0, other.as_bytes().to_vec()),
        ("never existed", "the share", 16, random::<16>().to_vec()),
        ("never existed", "the claim", 48, random::<32>().to_vec()),
        ("of another grant", "", 80, random::<32>().to_vec()),
    ];
    for (cause, what, from, others) in changed {
        let token = sealed(&api.broker().keyring, Purpose::Move, "crm_", &instead(&words, from, &others));
        cases.push(Case::new(cause, what, Held::new(token)));
    }
    for row in ["grant", "state", "claim#"] {
        let claimed = house.claimed(admin, &json!({}));
        let (token, partition) = (house.offered(&claimed), format!("share#{}", claimed.id));
        let rows = api.rows(&partition);
        let sort = &rows.iter().find(|found| found.key.sort.starts_with(row)).unwrap().key.sort;
        house.doctor(&partition, sort);
        cases.push(Case::new("with a doctored row", row, Held::new(token)));
    }
    let claimed = house.claimed(admin, &json!({}));
    let (first, second) = (house.offered(&claimed), house.offered(&claimed));
    api.redeem(&first, &claim_key()).expect(200);
    cases.push(Case::new("used", "this one", Held::new(first)));
    cases.push(Case::new("used", "another of the same claim", Held::new(second)));
    let revoked = house.claimed(admin, &json!({}));
    let token = house.offered(&revoked);
    house.delete(&revoked.path());
    cases.push(Case::new("revoked", "", Held::new(token)));
    let elsewhere = house.claimed(admin, &json!({ "redemptions": 2 }));
    let token = house.offered(&elsewhere);
    house.only_from_elsewhere(&elsewhere.path());
    cases.push(Case::new("from another network", "", Held::new(token)));
    let ada = house.claimed_by_ada();
    let token = house.offered(&ada);
    house.without_ada(&ada.path());
    cases.push(Case::new("no recipient any more", "", Held::new(token)));

    house.hold(Ticket::Move, cases);
    api.redeem(&live.token, &claim_key()).expect(200);
}

/// Whatever a session dies of, by token or by cookie.
fn dead_sessions(ticket: Ticket) -> (House, Held) {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let held = |name: &str, token: String| Held { name: name.into(), ..Held::new(token) };
    let open = |key: &str| {
        let claimed = house.claimed(key, &json!({}));
        held(&claimed.name, claimed.session)
    };
    let expired = open(admin);
    let over = house.claimed(admin, &json!({ "access_expires_in": 60 }));
    house.passes(900);
    let mut cases = house.ended(ticket, &open);
    cases.push(Case::new("expired", "", expired));
    cases.push(Case::new("expired", "with its access", held(&over.name, over.session)));

    let live = open(admin);
    cases.extend(not_ours(&house, (Purpose::Session, "cst_"), &live, |token| live.with(token)));
    let words = opened(api, Purpose::Session, "cst_", &live.token);
    let other = api.new_tenant("Other").id.parse::<cloakroom::domain::ids::TenantId>().unwrap();
    let changed = [
        ("of no tenant", "", 0, random::<16>().to_vec()),
        ("of another tenant", "", 0, other.as_bytes().to_vec()),
        ("never existed", "the share", 16, random::<16>().to_vec()),
        ("never existed", "the claim", 64, random::<32>().to_vec()),
        ("of another grant", "", 96, random::<32>().to_vec()),
    ];
    for (cause, what, from, others) in changed {
        let token = sealed(&api.broker().keyring, Purpose::Session, "cst_", &instead(&words, from, &others));
        cases.push(Case::new(cause, what, live.with(token)));
    }
    for row in ["grant", "state", "claim#"] {
        let claimed = house.claimed(admin, &json!({}));
        let partition = format!("share#{}", claimed.id);
        let rows = api.rows(&partition);
        let sort = &rows.iter().find(|found| found.key.sort.starts_with(row)).unwrap().key.sort;
        house.doctor(&partition, sort);
        cases.push(Case::new("with a doctored row", row, held(&claimed.name, claimed.session)));
    }
    let moved = house.claimed(admin, &json!({}));
    let there = api.redeem(&house.offered(&moved), &claim_key()).expect(200);
    cases.push(Case::new("moved", "", held(&moved.name, moved.session)));
    if ticket == Ticket::Cookie {
        let other = held(&text(&there, "session"), live.token.clone());
        cases.push(Case::new("for another place", "under another session's name", other));
    }
    let revoked = house.claimed(admin, &json!({}));
    house.delete(&revoked.path());
    cases.push(Case::new("revoked", "", held(&revoked.name, revoked.session)));
    let elsewhere = house.claimed(admin, &json!({ "redemptions": 2 }));
    house.only_from_elsewhere(&elsewhere.path());
    cases.push(Case::new("from another network", "", held(&elsewhere.name, elsewhere.session)));
    let ada = house.claimed_by_ada();
    house.without_ada(&ada.path());
    cases.push(Case::new("no recipient any more", "", held(&ada.name, ada.session)));

    house.hold(ticket, cases);
    (house, live)
}

#[test]
fn every_dead_session_has_one_answer() {
    let (house, live) = dead_sessions(Ticket::Session);
    house.api.get(&live.token, "/v1/session").expect(200);
}

#[test]
fn every_dead_session_cookie_has_one_answer() {
    let (house, live) = dead_sessions(Ticket::Cookie);
    let cookie = format!("cloakroom-{}={}", live.name, live.token);
    house.api.call("GET", "/v1/session").header("cookie", &cookie).send().expect(200);
}
