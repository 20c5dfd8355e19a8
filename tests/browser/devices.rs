//! A session over time and between devices: credentials renewed in silence, a warning near the end, the move to another
//! device, and the owner's look at what a recipient sees.

use std::time::Duration;

use crate::{
    browser::{browser, browsers},
    folders::opened,
    house::{Fate, House},
};

const REDEEM: &str = "POST /v1/shares/redeem HTTP";

#[test]
fn a_session_is_renewed_in_silence_warns_near_its_end_and_ends() {
    let (house, clock) = House::with_a_clock();
    house.has(&[("docs/a.bin", "first")]);
    let reader = browser();
    let share = opened(&house, &reader, "read", &["docs/"]);
    assert_eq!(reader.listed(), ["a.bin"]);
    assert_eq!(house.seen(REDEEM).len(), 1);
    assert_eq!(reader.text("soon"), "");

    // Its credential has ended; the session has not.
    clock.advance(Duration::from_secs(20 * 60));
    reader.downloads("a.bin");
    assert_eq!(reader.downloaded("a.bin"), b"first");
    assert_eq!(house.seen(REDEEM).len(), 2, "it was renewed");
    reader.sees("open");
    assert_eq!(house.claims("share", &share), 1);

    // Between calls, the page goes by the device's clock.
    clock.advance(Duration::from_secs(36 * 60));
    reader.eval::<()>("const real = Date.now; Date.now = () => real() + 56 * 60 * 1000;");
    reader.until("it warns", "return document.querySelector('[data-slot=soon]').innerText");
    reader.pictures("session", "ends-soon");
    clock.advance(Duration::from_secs(5 * 60));
    reader.downloads("a.bin");
    reader.sees("over");
    reader.pictures("session", "over");
    reader.reload();
    reader.sees("over");
}

#[test]
fn a_session_moves_to_another_device_and_ends_on_the_first() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let [old, new] = browsers();
    let share = opened(&house, &old, "read", &["docs/"]);
    assert_eq!(old.listed(), ["a.bin"]);
    old.presses("move");
    old.pictures("session", "move");
    old.presses("make-move");
    let made = old.until("there is a link", "return document.getElementById('move-link').value");
    let url = made.as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("{}/s#crm_", house.url)), "{url}");
    old.pictures("session", "move-made");
    old.presses("copy-move");
    old.until("it is copied", "return document.querySelector('[data-slot=moved]').innerText");
    assert_eq!(old.clipboard(), url);
    assert_eq!(old.decodes("[data-slot=qr]").as_deref(), Some(url.as_str()), "the other device reads it");
    old.presses("close-move");
    old.until("it does not stay behind", "return document.getElementById('move-link').value === ''");

    new.go(&url);
    new.sees("offer");
    assert!(
        new.eval::<bool>("return document.querySelector('[data-slot=moved]').checkVisibility()"),
        "what it does is said"
    );
    new.pictures("share", "moving");
    old.reload();
    assert_eq!(old.listed(), ["a.bin"], "until somebody takes it, it is where it was");
    house.plan(REDEEM, Fate::LoseAnswer);
    new.presses("open");
    new.until(
        "its answer was lost",
        "return document.querySelector('[data-view=offer] [data-slot=status]').innerText.length > 20",
    );
    house.mend();
    new.presses("open");
    assert_eq!(new.listed(), ["a.bin"]);
    new.downloads("a.bin");
    assert_eq!(new.downloaded("a.bin"), b"first");
    assert_eq!(house.claims("share", &share), 1, "it is still one");
    assert_eq!(house.api.happened("share.moved", &share), 1);

    old.downloads("a.bin");
    old.sees("over");
    old.pictures("session", "moved-away");
    // The link has done its work, for whoever has it.
    old.go(&url);
    old.sees("dead");
    new.reload();
    assert_eq!(new.listed(), ["a.bin"]);
    for seen in house.seen("") {
        assert!(!seen.line.contains("crm_") && !seen.headers.contains("crm_"), "{seen:?}");
    }
}

#[test]
fn an_owner_sees_what_a_recipient_sees_and_claims_nothing() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first"), ("private.bin", "second")]);
    let share = house.shares("write", &["docs/"]);
    let owner = browser();
    owner.go(&format!("{}/session/{}", house.url, share.id));
    owner.sees("console");
    owner.pictures("session", "owner-signed-out");
    owner.signs_in(&house, house.admin());
    // By the link itself, in the browser in which its maker is signed in.
    owner.go(&share.url);
    owner.finds("[data-view=offer] [data-slot=yours]");
    assert!(!owner.eval::<bool>("return document.querySelector('[data-slot=claim]').checkVisibility()"));
    owner.pictures("share", "yours");
    owner.clicks("[data-view=offer] [data-slot=view]");
    owner.sees("open");
    assert_eq!(owner.listed(), ["a.bin"]);
    owner.finds("[data-slot=owner]");
    owner.pictures("session", "owner");
    for (part, why) in [("upload", "nothing is sent"), ("move", "nothing is moved"), ("picked", "nothing is picked")] {
        assert!(
            !owner.eval::<bool>(&format!("return document.querySelector('[data-slot={part}]').checkVisibility()")),
            "{why}"
        );
    }
    owner.downloads("a.bin");
    assert_eq!(owner.downloaded("a.bin"), b"first");
    assert_eq!((house.claims("share", &share.id), house.api.happened("share.previewed", &share.id)), (0, 0));

    // From the console; once it is revoked, there is nothing to see.
    owner.go(&format!("{}/console/file-links/{}", house.url, share.id));
    owner.sees("thing");
    owner.clicks("[data-slot=view-as]");
    assert_eq!(owner.listed(), ["a.bin"]);
    house.api.delete(house.admin(), &format!("/v1/shares/{}", share.id)).expect(204);
    owner.reload();
    owner.sees("over");
}
