//! Browsers that cannot do it are told so, and nothing is used up: without script, without storage, too old.

use serde_json::json;

use crate::{
    browser::{Setup, browser, browsers_as},
    house::{Fate, House},
};

const PAGES: [&str; 4] = ["share", "link", "request", "session"];

/// The addresses of the pages, in their order.
fn urls(house: &House) -> [String; 4] {
    house.has(&[("docs/a.bin", "first")]);
    let (share, link, asked) = (house.shares("read", &["docs/"]), house.links(json!({})), house.asks(json!({})));
    [share.url, link.url, asked.url, format!("{}/session/ses_x", house.url)]
}

#[test]
fn without_javascript_a_page_says_so() {
    let house = House::open();
    let reader = browser();
    for (page, url) in PAGES.into_iter().zip(urls(&house)) {
        reader.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
        reader.go(&url);
        reader.finds("noscript section h1");
        let others: usize = reader
            .eval("return [...document.querySelectorAll('main h1')].filter((one) => one.checkVisibility()).length");
        assert_eq!(others, 1, "{page}");
        // What looks at it is a script: it runs where they are allowed, and leaves what is shown where they are not.
        reader.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": false }));
        let _left: bool = reader.eval(
            "for (const one of document.querySelectorAll('noscript')) one.replaceWith(...one.childNodes); return true",
        );
        reader.pictures(page, "no-script");
    }
    assert!(house.seen("POST /v1/").iter().all(|seen| !seen.line.contains("redeem")));
}

#[test]
fn without_storage_or_cryptography_a_page_says_so() {
    let house = House::open();
    let blocked = Setup::default().preference("profile.managed_default_content_settings.cookies", 2);
    let old = Setup::default().script("delete Crypto.prototype.subtle");
    let readers = browsers_as([blocked, old]);
    for (page, url) in PAGES.into_iter().zip(urls(&house)) {
        for reader in &readers {
            reader.go(&url);
            reader.sees("unsupported");
        }
        readers[0].pictures(page, "unsupported");
    }
    assert!(house.seen("POST /v1/").iter().all(|seen| !seen.line.contains("redeem")));
}

#[test]
fn a_browser_too_old_for_the_scripts_or_without_some_of_them_says_so() {
    let house = House::open();
    let reader = browser();
    for (page, url) in PAGES.into_iter().zip(urls(&house)) {
        reader.go(&house.url);
        for (fate, view) in [(Fate::Answer(200, "await later() ??? now;"), "unsupported"), (Fate::BreakOff, "trouble")]
        {
            // What all pages need.
            house.plan("GET /assets/*/view.js", fate);
            reader.cdp("Network.clearBrowserCache", json!({}));
            reader.go("about:blank");
            reader.go(&url);
            reader.sees(view);
            reader.pictures(page, &format!("scripts-{view}"));
            house.mend();
        }
        reader.presses("again");
        reader.until("it goes on", "return document.querySelector('[data-view=trouble]')?.hidden");
        let _planned = reader.complaints();
    }
    assert!(house.seen("POST /v1/").iter().all(|seen| !seen.line.ends_with("/redeem HTTP/1.1")));
}
