//! Signing in to the console and out of it: what the browser keeps, what is still there afterwards, and when a
//! session ends by itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    browser::{Browser, browser, browsers},
    console::said,
    house::{Fate, House},
};

const SESSION: &str = "/v1/console/session";

/// Texts that are anywhere in the page, shown or not.
#[track_caller]
fn holds(browser: &Browser, texts: &[&str]) -> Vec<String> {
    let whole: String = browser.eval("return document.documentElement.outerHTML");
    texts.iter().filter(|text| whole.contains(**text)).map(|&text| text.to_owned()).collect()
}

#[test]
fn one_signs_in_with_a_key_and_no_script_sees_the_session() {
    let house = House::open();
    let owner = browser();
    owner.go(&format!("{}/console", house.url));
    owner.sees("sign-in");
    assert!(house.seen(&format!("GET {SESSION}")).is_empty(), "nobody is signed in: there is nothing to ask");
    owner.pictures("console", "sign-in");
    for wrong in ["crk_live_", "no key", &house.admin().replace("crk_live_", "crk_test_")] {
        owner.hands_in(wrong);
        owner
            .until("it is refused", "return document.querySelector('[data-view=sign-in] [data-slot=fault]').innerText");
        assert_eq!(owner.text("fault"), said("refused_key"));
        owner.eval::<Value>("document.getElementById('api-key').value = ''");
    }
    owner.pictures("console", "refused-key");
    owner.hands_in(house.admin());
    owner.sees("overview");
    owner.pictures("console", "overview");

    let seen: String = owner.eval("return document.cookie");
    assert!(seen.starts_with("cloakroom-csrf=") && !seen.contains(';'), "{seen}");
    let kept = owner.cdp("Network.getAllCookies", json!({}));
    let mut kept: Vec<_> = kept["cookies"].as_array().unwrap().iter().collect();
    kept.sort_by_key(|cookie| cookie["name"].as_str());
    let flags = kept.iter().map(|cookie| {
        json!([cookie["name"], cookie["httpOnly"], cookie["sameSite"], cookie["path"], cookie["domain"]])
    });
    assert_eq!(
        flags.collect::<Vec<_>>(),
        [
            json!(["cloakroom-console", true, "Strict", "/", "127.0.0.1"]),
            json!(["cloakroom-csrf", false, "Strict", "/", "127.0.0.1"]),
        ]
    );
    let stored: (usize, usize) = owner.eval("return [localStorage.length, sessionStorage.length]");
    assert_eq!(stored, (0, 0), "nothing is kept where any script could read it");
    assert!(holds(&owner, &[house.admin()]).is_empty());
    for seen in house.seen("") {
        assert!(!seen.line.contains(house.admin()) && !seen.headers.contains(house.admin()), "{seen:?}");
    }
}

#[test]
fn after_signing_out_back_shows_nothing_and_nothing_is_left_in_the_page() {
    let house = House::open();
    house.has(&[("payroll/salaries.ods", "secret")]);
    let owner = browser();
    owner.go(&house.url);
    owner.signs_in(&house, house.admin());
    owner.visits("files");
    assert_eq!(owner.lists(1), ["payroll/"]);
    owner.clicks("[data-view=files] a.name");
    assert_eq!(owner.lists(1), ["salaries.ods"]);
    let cookies = owner.cdp("Network.getAllCookies", json!({}))["cookies"].clone();

    // The answer that one is signed out is lost, or does not come: then one is not.
    house.plan(&format!("DELETE {SESSION}"), Fate::BreakOff);
    owner.clicks("[data-do=sign-out]");
    owner.until("it says so", "return document.querySelector('[data-slot=not-signed-out]').innerText");
    owner.sees("files");
    house.mend();
    owner.clicks("[data-do=sign-out]");
    owner.sees("sign-in");
    assert_eq!(owner.text("why"), said("signed_out"));
    assert_eq!(owner.address(), format!("{}/console", house.url));
    assert_eq!(owner.eval::<String>("return document.cookie"), "");
    owner.pictures("console", "signed-out");
    let private = ["salaries", "payroll", "First"];
    assert!(holds(&owner, &private).is_empty(), "{:?}", holds(&owner, &private));
    for _ in 0..3 {
        owner.back();
        assert!(holds(&owner, &private).is_empty(), "{:?}", holds(&owner, &private));
    }
    owner.go(&format!("{}/console/files/payroll/", house.url));
    owner.sees("sign-in");
    // Whoever has copied the cookies has nothing either.
    for cookie in cookies.as_array().unwrap() {
        let (name, value, path) = (&cookie["name"], &cookie["value"], "/");
        owner.cdp("Network.setCookie", json!({ "name": name, "value": value, "path": path, "url": house.url }));
    }
    owner.reload();
    owner.sees("sign-in");
    assert_eq!(house.seen(&format!("GET {SESSION}")).last().unwrap().status, "401");
}

#[test]
fn a_session_ends_with_its_key_and_signing_in_again_leads_back() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let key = house.api.new_key(house.admin(), "live", &[("/", "admin")]);
    let [owner, other] = browsers();
    other.signs_in(&house, &key.secret);
    other.visits("files");
    other.clicks("[data-view=files] a.name");
    other.selects("a.bin");
    other.presses("share");
    let made = other.makes("new-share");
    assert!(made.contains("/s#crs_"));
    owner.signs_in(&house, &key.secret);
    owner.visits("files");
    owner.clicks("[data-view=files] a.name");
    assert_eq!(owner.lists(1), ["a.bin"]);
    owner.selects("a.bin");
    owner.presses("share");
    owner.fills("#share-label", "for Ann");

    let shares =
        |house: &House| house.api.get(house.admin(), "/v1/shares").expect(200)["items"].as_array().unwrap().len();
    assert_eq!(shares(&house), 1);
    house.api.delete(house.admin(), &format!("/v1/api-keys/{}", key.id)).expect(204);
    owner.clicks("#new-share[open] button.main");
    owner.sees("sign-in");
    assert_eq!(owner.text("why"), said("session_over"));
    assert_eq!(owner.address(), format!("{}/console/files/docs/", house.url));
    assert!(owner.eval::<bool>("return document.querySelector('dialog[open]') === null"));
    owner.pictures("console", "session-over");
    assert_eq!(shares(&house), 1);
    owner.hands_in(house.admin());
    assert_eq!(owner.lists(1), ["a.bin"]);

    // Where the secret of what was made was still to be seen.
    other.finds("#made[open]");
    other.back();
    other.sees("sign-in");
    let token = made.rsplit('#').next().unwrap();
    assert!(holds(&other, &[token]).is_empty());
}

#[test]
fn a_session_is_over_after_twelve_hours() {
    let (house, clock) = House::with_a_clock();
    house.has(&[("docs/a.bin", "first")]);
    let owner = browser();
    owner.signs_in(&house, house.admin());
    owner.visits("files");
    owner.lists(1);
    clock.advance(Duration::from_secs(12 * 3_600 - 1));
    owner.visits("audit");
    owner.until("it is listed", "return document.querySelector('[data-view=audit] .history li')");
    clock.advance(Duration::from_secs(1));
    owner.clicks("[data-slot=places] [data-place=keys]");
    owner.sees("sign-in");
    assert_eq!(owner.text("why"), said("session_over"));
    owner.hands_in(house.admin());
    owner.sees("keys");
}

#[test]
fn a_console_that_reaches_nobody_says_so_and_tries_again() {
    let house = House::open();
    let owner = browser();
    house.plan(&format!("POST {SESSION}"), Fate::LoseAnswer);
    owner.go(&format!("{}/console/usage", house.url));
    owner.hands_in(house.admin());
    owner.until("it says so", "return document.querySelector('[data-view=sign-in] [data-slot=fault]').innerText");
    assert_eq!(owner.text("fault"), said("unreachable"));
    house.mend();
    owner.presses("sign-in");
    owner.sees("usage");
    house.plan(&format!("GET {SESSION}"), Fate::BreakOff);
    owner.reload();
    owner.sees("trouble");
    house.mend();
    owner.presses("again");
    owner.sees("usage");
    house.plan("GET /v1/shares", Fate::BreakOff);
    owner.visits("file-links");
    owner.until("it says so", "return document.querySelector('[data-view=file-links] [data-slot=fault]').innerText");
    assert_eq!(owner.text("fault"), said("not_loaded"));
    owner.pictures("console", "not-loaded");
}
