//! What a sender may set: their own words, a time to open, how many may open it.

use std::time::Duration;

use cloakroom::clock::Clock;
use serde_json::json;

use crate::{
    browser::{browser, until},
    house::House,
};

#[test]
fn the_senders_words_are_quoted_and_nothing_in_them_is_a_link() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let message = "<a href='https://bad.example'>Sign in</a> at https://bad.example first";
    let body = json!({ "paths": ["docs/"], "permission": "read", "message": message });
    let share = house.api.mint_as(house.admin(), &body);
    let link = house.links(json!({ "message": message }));
    let asked = house.asks(json!({ "message": message }));
    let silent = house.shares("read", &["docs/"]);
    let reader = browser();
    for url in [&share.url, &link.url, &asked.url] {
        reader.go(url);
        reader.sees("offer");
        let quoted = reader.texts("[data-view=offer] figure.note:not([hidden]) blockquote");
        assert_eq!(quoted, [message]);
        let said = reader.texts("[data-view=offer] figure.note figcaption");
        assert!(said[0].contains("First"), "{said:?}");
        let links: usize = reader.eval("return document.querySelectorAll('[data-view=offer] figure.note a').length");
        assert_eq!(links, 0);
    }
    reader.go(&silent.url);
    reader.sees("offer");
    assert!(reader.eval::<bool>("return document.querySelector('[data-view=offer] figure.note').hidden"));
}

#[test]
fn what_opens_later_says_when_and_opens_then() {
    let (house, clock) = House::with_a_clock();
    house.has(&[("docs/a.bin", "first")]);
    let opens_at = clock.now().plus(Duration::from_secs(600));
    let body = json!({ "paths": ["docs/"], "permission": "read", "not_before": opens_at, "redemptions": 2 });
    let share = house.api.mint_as(house.admin(), &body);
    let link = house.links(json!({ "not_before": opens_at, "password": "sesame" }));
    let reader = browser();
    for (url, kind, way) in [(&share.url, "share", "[data-slot=claim]"), (&link.url, "link", "form")] {
        reader.go(url);
        reader.sees("offer");
        assert!(reader.text("opens").chars().any(|character| character.is_ascii_digit()), "{}", reader.text("opens"));
        let hidden = format!("return document.querySelector('[data-view=offer] {way}').hidden");
        assert!(reader.eval::<bool>(&hidden), "{kind}");
        reader.pictures(kind, "later");
        let looks = || {
            let seen = house.seen(&format!("POST /v1/{kind}s/redeem/preview"));
            seen.iter().filter(|seen| !seen.status.is_empty()).count()
        };
        let before = looks();
        reader.clicks("[data-slot=later] [data-do=again]");
        until("it has looked again", || looks() > before);
        reader.sees("offer");
        assert!(reader.eval::<bool>(&hidden), "{kind}");
    }
    clock.advance(Duration::from_secs(600));
    reader.clicks("[data-slot=later] [data-do=again]");
    reader.until("it opens", "return !document.querySelector('[data-view=offer] form').hidden");
    reader.go(&share.url);
    reader.sees("offer");
    assert!(reader.eval::<bool>("return document.querySelector('[data-view=offer] [data-slot=later]').hidden"));
    assert!(reader.eval::<bool>("return document.querySelector('[data-view=offer] [data-slot=once]').hidden"));
    assert!(!reader.eval::<bool>("return document.querySelector('[data-view=offer] [data-slot=several]').hidden"));
    reader.presses("open");
    assert_eq!(reader.listed(), ["a.bin"]);
}
