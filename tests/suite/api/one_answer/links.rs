//! Links, the codes that enter an artifact's host, and the cookies that stay there.

use cloakroom::{
    crypto::{
        edge_cookie::{EdgeKey, NAMES},
        opaque::LinkToken,
        sealed::Purpose,
        secret::SecretText,
    },
    domain::instant::Instant,
};
use serde_json::{Value, json};

use super::{
    altered::{fits_a_header, misspelt, never_given_out, not_ours, opened, sealed, with_another_letter},
    house::House,
    table::Case,
    tickets::{Held, Ticket},
};
use crate::{
    api::{
        harness::{Minted, claim_key, text},
        laboratory::Laboratory,
    },
    delivery::words::Handoff,
};

const PASSWORD: &str = "open sesame";

impl House {
    /// A link to a page that the holder of this key publishes.
    fn link(&self, key: &str, more: Value) -> Minted {
        self.api.link(key, &self.api.publish_page(key).id, more)
    }

    fn link_row(&self, token: &str) -> String {
        format!("link#{}", LinkToken::parse(&SecretText::new(token)).unwrap().hash())
    }
}

#[test]
fn every_dead_link_token_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let link = |more| house.link(admin, more);
    let claimed = |minted: &Minted| {
        let key = claim_key();
        api.redeem_link(&minted.token, &key).expect(200);
        Held::of(minted.token.clone(), key)
    };
    // With a password, and without: neither shows when it is dead.
    let both = [json!({}), json!({ "password": PASSWORD })];

    let expired = both.clone().map(|mut more| {
        more["expires_in"] = json!(60);
        link(more).token
    });
    let over = claimed(&link(json!({ "access_expires_in": 60 })));
    house.passes(60);
    let mut cases = house.ended(Ticket::Link, &|key| Held::new(house.link(key, both[1].clone()).token));
    cases.extend(expired.map(|token| Case::new("expired", "", Held::new(token))));
    cases.push(Case::new("access ended", "", over).with_its_claim_key());

    let live = Held::new(link(json!({})).token);
    let (share, asked) = (house.share(admin, &json!({})).token, text(&house.asked(admin, json!({})), "token"));
    let (elsewhere, _, _) = Laboratory::served();
    let foreign = elsewhere.link(elsewhere.admin(), &elsewhere.publish_page(elsewhere.admin()).id, json!({})).token;
    let others = [share.as_str(), &asked, admin];
    cases.extend(never_given_out("crl_", &live, &others, &foreign, Held::new));

    for row in ["grant", "state"] {
        let minted = link(json!({}));
        house.doctor(&house.link_row(&minted.token), row);
        cases.push(Case::new("with a doctored row", row, Held::new(minted.token)));
    }
    for more in both {
        let (used, revoked) = (link(more.clone()), link(more.clone()));
        api.redeem_with_password(&used.token, &claim_key(), PASSWORD).expect(200);
        cases.push(Case::new("used", "", Held::new(used.token)));
        house.delete(&format!("/v1/links/{}", revoked.id));
        cases.push(Case::new("revoked", "", Held::new(revoked.token)));
        let artifact = api.publish_page(admin);
        let gone = api.link(admin, &artifact.id, more.clone());
        house.delete(&format!("/v1/artifacts/{}", artifact.id));
        cases.push(Case::new("its target gone", "", Held::new(gone.token)));
        let mut more = more;
        more["allowed_networks"] = json!(["192.0.2.0/24"]);
        cases.push(Case::new("from another network", "", Held::new(link(more).token)));
    }
    let publisher = api.new_key(admin, "live", &[("/", "admin")]);
    let theirs = api.link(admin, &api.publish_page(&publisher.secret).id, json!({}));
    house.delete(&format!("/v1/api-keys/{}", publisher.id));
    cases.push(Case::new("its target gone", "its publisher revoked", Held::new(theirs.token)));
    let ada = link(json!({ "recipients": ["ada@example.org", "bob@example.org"] }));
    let (key, proof) = (claim_key(), house.proof("links", &ada.token));
    let body = json!({ "token": ada.token, "claim_key": key, "recipient": proof });
    api.public("/v1/links/redeem", &body).expect(200);
    house.without_ada(&format!("/v1/links/{}", ada.id));
    cases.push(Case::new("no recipient any more", "", Held::of(ada.token, key)).with_its_claim_key());

    house.hold(Ticket::Link, cases);
    api.redeem_link(&live.token, &claim_key()).expect(200);
}

#[test]
fn every_dead_handoff_code_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let held = |handoff: Handoff| Held { host: handoff.host, ..Held::new(handoff.code) };
    let drawn = |minted: &Minted| held(api.handoff(&minted.token));
    let code = |key: &str| drawn(&house.link(key, json!({})));

    let expired = code(admin);
    house.passes(30);
    let mut cases = house.ended(Ticket::Handoff, &code);
    cases.push(Case::new("expired", "", expired));

    let live = code(admin);
    cases.extend(not_ours(&house, (Purpose::Handoff, ""), &live, |code| live.with(code)));
    let mut words: Value = serde_json::from_slice(&opened(api, Purpose::Handoff, "", &live.token)).unwrap();
    for (what, token) in [("another link", "0".repeat(64)), ("no link", "link".to_owned())] {
        words["token"] = json!(token);
        let code = sealed(&api.broker().keyring, Purpose::Handoff, "", words.to_string().as_bytes());
        cases.push(Case::new("never existed", what, live.with(code)));
    }
    for row in ["grant", "state", "claim#"] {
        let minted = house.link(admin, json!({}));
        let (held, partition) = (drawn(&minted), house.link_row(&minted.token));
        let rows = api.rows(&partition);
        let sort = &rows.iter().find(|found| found.key.sort.starts_with(row)).unwrap().key.sort;
        house.doctor(&partition, sort);
        cases.push(Case::new("with a doctored row", row, held));
    }
    let nowhere = format!("{}{}", "0".repeat(40), &live.host[40..]);
    for (what, host) in [("another artifact's", api.publish_page(admin).host), ("nobody's", nowhere)] {
        cases.push(Case::new("for another place", what, Held { host, ..live.clone() }));
    }
    for origin in ["http://127.0.0.1:1", "https://evil.example", "null"] {
        let held = Held { origin: Some(origin.into()), ..live.clone() };
        cases.push(Case::new("from another site", origin, held));
    }
    let used = code(admin);
    assert_eq!(api.enter(&used.host, &used.token).status, 303);
    cases.push(Case::new("used", "", used));
    let revoked = house.link(admin, json!({}));
    let code = drawn(&revoked);
    house.delete(&format!("/v1/links/{}", revoked.id));
    cases.push(Case::new("revoked", "", code));
    let artifact = api.publish_page(admin);
    let code = drawn(&api.link(admin, &artifact.id, json!({})));
    house.delete(&format!("/v1/artifacts/{}", artifact.id));
    cases.push(Case::new("its target gone", "", code));
    let elsewhere = house.link(admin, json!({ "redemptions": 2 }));
    let code = drawn(&elsewhere);
    house.only_from_elsewhere(&format!("/v1/links/{}", elsewhere.id));
    cases.push(Case::new("from another network", "", code));
    let ada = house.link(admin, json!({ "recipients": ["ada@example.org", "bob@example.org"] }));
    let body = json!({ "token": ada.token, "claim_key": claim_key(), "recipient": house.proof("links", &ada.token) });
    let code = held(Handoff::of(&api.public("/v1/links/redeem", &body).expect(200)));
    house.without_ada(&format!("/v1/links/{}", ada.id));
    cases.push(Case::new("no recipient any more", "", code));

    house.hold(Ticket::Handoff, cases);
    assert_eq!(api.enter(&live.host, &live.token).status, 303, "none of this has used it up");
}

#[test]
fn whoever_is_not_admitted_to_an_artifact_has_one_answer() {
    let house = House::open();
    let (api, admin) = (&house.api, house.api.admin());
    let admitted = |key: &str| {
        let artifact = api.publish_page(key);
        Held { host: artifact.host.clone(), ..Held::new(api.admitted(key, &artifact)) }
    };
    let expired = admitted(admin);
    house.passes(900);
    let mut cases = house.ended(Ticket::Edge, &admitted);
    cases.push(Case::new("expired", "", expired));

    let live = admitted(admin);
    let pairs: Vec<_> = live.token.split("; ").map(|pair| pair.split_once('=').unwrap()).collect();
    let cookies = |values: &[String]| {
        let pairs: Vec<_> = NAMES.iter().zip(values).map(|(name, value)| format!("{name}={value}")).collect();
        live.with(pairs.join("; "))
    };
    let genuine: Vec<_> =
        NAMES.iter().map(|name| pairs.iter().find(|(is, _)| is == name).unwrap().1.to_owned()).collect();
    assert_eq!(api.browse(&live.host, &cookies(&genuine).token, "/").status, 200);
    let with = |place: usize, value: String| {
        let mut values = genuine.clone();
        values[place] = value;
        cookies(&values)
    };
    cases.push(Case::new("malformed", "no cookie", live.with("a=b")));
    for place in 0..NAMES.len() {
        let some: Vec<_> = (0..NAMES.len()).filter(|kept| *kept != place).collect();
        let some: Vec<_> = some.iter().map(|kept| format!("{}={}", NAMES[*kept], genuine[*kept])).collect();
        cases.push(Case::new("malformed", format!("without {}", NAMES[place]), live.with(some.join("; "))));
        for (what, value) in misspelt("", &genuine[place]) {
            // That spelling is undone before anybody looks.
            if fits_a_header(&value) && what != "percent-encoded" {
                cases.push(Case::new("malformed", format!("{}: {what}", NAMES[place]), with(place, value)));
            }
        }
        for (what, value) in with_another_letter("", &genuine[place]) {
            cases.push(Case::new("altered", format!("{}: {what}", NAMES[place]), with(place, value)));
        }
    }
    // Others sign with keys of their own: under the name of ours, under a name that nobody knows.
    let (origin, until) =
        (format!("http://{}", live.host), api.broker().now().plus(std::time::Duration::from_secs(600)));
    let by = |name: &str, origin: &str, until: Instant| {
        let key = EdgeKey::from_pkcs8(name, &EdgeKey::generate_pkcs8().unwrap()).unwrap();
        cookies(&key.sign(origin, until).unwrap().values)
    };
    let ours = api.broker().edge.primary();
    cases.push(Case::new("under a forged key", "", by(ours.id(), &origin, until)));
    cases.push(Case::new("under an unknown key", "", by("KUNKNOWN", &origin, until)));
    cases.push(Case::new(
        "under a retired key",
        "",
        cookies(&house.strangers.retired_edge.sign(&origin, until).unwrap().values),
    ));
    let elsewhere = House::open();
    let page = elsewhere.api.publish_page(elsewhere.api.admin());
    let foreign = elsewhere.api.admitted(elsewhere.api.admin(), &page);
    cases.push(Case::new("of another deployment", "", live.with(foreign)));
    // Signed by us for a host that nothing is at.
    let nowhere = format!("{}{}", "e".repeat(40), &live.host[40..]);
    let signed = ours.sign(&format!("http://{nowhere}"), until).unwrap();
    cases.push(Case::new("never existed", "", Held { host: nowhere, ..cookies(&signed.values) }));
    let doctored = admitted(admin);
    house.doctor(&format!("artifact-host#{}", &doctored.host[..40]), "pointer");
    cases.push(Case::new("with a doctored row", "", doctored));
    let other = admitted(admin);
    cases.push(Case::new("for another place", "another artifact's", Held { host: other.host, ..live.clone() }));
    let artifact = api.publish_page(admin);
    let gone = Held { host: artifact.host.clone(), ..Held::new(api.admitted(admin, &artifact)) };
    house.delete(&format!("/v1/artifacts/{}", artifact.id));
    cases.push(Case::new("its target gone", "", gone));

    house.hold(Ticket::Edge, cases);
    assert_eq!(api.browse(&live.host, &live.token, "/").status, 200);
}
