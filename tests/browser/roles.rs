//! What the console offers to whom: by what their key may do, and by whose data it is.

use serde_json::json;

use crate::{
    browser::{Browser, browser},
    console::said,
    house::House,
};

impl Browser {
    /// What of this can be seen in the view that is shown, or above it.
    #[track_caller]
    fn offers(&self, what: &[&str]) -> Vec<String> {
        self.eval(&format!(
            "const shown = (what) => [...document.querySelectorAll(`[data-view]:not([hidden]) :is([data-do=\"${{what}}\"], \
             [data-offer=\"${{what}}\"] :is(a, button))`)].some((one) => one.checkVisibility());
             return {}.filter(shown)",
            json!(what)
        ))
    }
}

const DEEDS: [&str; 6] = ["share", "publish", "request", "choose", "choose-folder", "new-key"];

#[test]
fn who_may_read_one_folder_is_offered_that_and_no_more() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first"), ("private/b.bin", "second")]);
    let key = house.api.new_key(house.admin(), "live", &[("docs/", "read")]);
    let member = browser();
    member.signs_in(&house, &key.secret);
    assert_eq!(member.places(), ["overview", "files", "file-links", "site-links", "usage"]);
    assert_eq!(member.offers(&DEEDS), ["share", "publish"]);
    member.pictures("console", "overview-reader");
    member.visits("files");
    assert_eq!(member.lists(1), ["docs/"]);
    member.selects("docs");
    assert_eq!(member.offers(&DEEDS), ["share", "publish"]);
    assert!(!member.eval::<bool>("return document.querySelector('[data-slot=drop]').checkVisibility()"));
    member.presses("share");
    assert!(
        !member.eval::<bool>("return document.querySelector('#new-share [data-slot=permission]').checkVisibility()")
    );
    let url = member.makes("new-share");
    member.closes();
    member.sees("thing");
    assert_eq!(house.api.preview(url.rsplit('#').next().unwrap()).expect(200)["permission"], "read");
    for place in ["file-requests", "keys", "audit", "no-such-place"] {
        member.go(&format!("{}/console/{place}", house.url));
        member.sees("not-here");
    }
    member.pictures("console", "not-here");
    // What it may not see is not there, even by its address.
    let shares = house.shares("read", &["private/"]);
    member.go(&format!("{}/console/file-links/{}", house.url, shares.id));
    member.sees("not-here");
    member.go(&format!("{}/console/files/private", house.url));
    member.sees("files");
    member.until(
        "there is nothing",
        "return document.querySelector('[data-view=files] [data-slot=none]').checkVisibility()",
    );
}

#[test]
fn who_may_write_one_folder_adds_files_and_asks_for_some_there() {
    let house = House::open();
    let key = house.api.new_key(house.admin(), "live", &[("docs/", "write")]);
    let member = browser();
    member.signs_in(&house, &key.secret);
    assert_eq!(member.places(), ["overview", "files", "file-links", "site-links", "file-requests", "usage"]);
    assert_eq!(member.offers(&DEEDS), ["share", "publish", "request"]);
    member.presses("request");
    let folder: String = member.eval("return document.getElementById('request-folder').value");
    assert_eq!(folder, "docs/incoming/", "a folder that it may have files sent to");
    member.makes("new-request");
    member.closes();
    member.go(&format!("{}/console/files/docs", house.url));
    member.sees("files");
    assert_eq!(member.offers(&DEEDS), ["request", "choose", "choose-folder"]);
    member.sends("a.bin", b"first");
    assert_eq!(member.lists(1), ["a.bin"]);
    // Elsewhere it is told that it may not.
    member.go(&format!("{}/console/files/private", house.url));
    member.sees("files");
    member.sends("b.bin", b"second");
    member.until("it is told so", "return document.querySelector('[data-slot=sent] .alarm')?.innerText");
    assert_eq!(house.api.vault(house.admin()), ["docs/a.bin"]);
}

#[test]
fn an_administrator_makes_a_key_shown_once_and_revokes_it() {
    let house = House::open();
    let owner = browser();
    owner.signs_in(&house, house.admin());
    assert_eq!(owner.places().len(), 8);
    owner.visits("keys");
    owner.lists(1);
    owner.presses("new-key");
    owner.fills("#key-label", "for the scanner");
    owner.clears("#key-path");
    owner.fills("#key-path", "scans/");
    owner.picks("#key-permission", "write");
    owner.pictures("console", "new-key");
    let secret = owner.makes("new-key");
    assert!(secret.starts_with("crk_live_"));
    assert!(!owner.eval::<bool>("return document.querySelector('#made [data-slot=code]').checkVisibility()"));
    owner.pictures("console", "made-key");
    owner.closes();
    owner.sees("keys");
    owner.lists(2);
    assert!(!owner.eval::<String>("return document.documentElement.outerHTML").contains(&secret));
    let grants = house.api.get(&secret, "/v1/console/session");
    assert_ne!(grants.status, 200, "{grants:?}");
    assert_eq!(house.api.paths(&secret, "/v1/objects"), Vec::<String>::new());
    owner.pictures("console", "keys");
    owner.clicks(&format!(
        "[data-view=keys] button[aria-label={}]",
        json!(said("revoke_of").replace("{name}", "for the scanner"))
    ));
    owner.clicks("#confirm[open] [data-slot=yes]");
    owner.until("nothing is left to revoke", "return document.querySelector('[data-view=keys] .danger') === null");
    assert_eq!(house.api.get(&secret, "/v1/objects").status, 401);

    owner.visits("audit");
    let told = "return document.querySelectorAll('[data-view=audit] .history li').length";
    owner.until("all is told", &format!("{told} > 3"));
    owner.presses("verify");
    owner.until(
        "it is verified",
        "return document.querySelector('[data-view=audit] [data-slot=verified]').textContent.length > 64",
    );
    owner.pictures("console", "audit");
    owner.picks("#type", "api_key.revoked");
    owner.until("only this is told", &format!("{told} === 1"));
    owner.visits("usage");
    owner.until("it is told", "return document.querySelector('[data-view=usage] h2')");
    owner.pictures("console", "usage");
}

#[test]
fn a_test_key_shows_that_it_is_one_and_sees_nothing_else() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let key = house.api.new_key(house.admin(), "test", &[("/", "admin")]);
    let owner = browser();
    owner.signs_in(&house, house.admin());
    assert!(!owner.eval::<bool>("return document.querySelector('[data-slot=test]').checkVisibility()"));
    owner.clicks("[data-do=sign-out]");
    owner.hands_in(&key.secret);
    owner.finds("[data-slot=test]");
    owner.pictures("console", "overview-test");
    owner.visits("files");
    owner.until(
        "there is nothing",
        "return document.querySelector('[data-view=files] [data-slot=none]').checkVisibility()",
    );
    owner.pictures("console", "files-empty");
    owner.visits("keys");
    owner.presses("new-key");
    assert!(!owner.eval::<bool>("return document.querySelector('#new-key [data-slot=mode]').checkVisibility()"));
    assert!(owner.makes("new-key").starts_with("crk_test_"));
    owner.closes();
}
