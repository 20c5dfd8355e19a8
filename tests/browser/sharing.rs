//! The whole life of a share: looked at, opened, downloaded, come back to; an answer that is lost; a race.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use crate::{
    browser::{browser, browsers},
    house::{Fate, House},
};

const REDEEM: &str = "POST /v1/shares/redeem HTTP";

#[test]
fn a_share_is_looked_at_opened_downloaded_and_come_back_to() {
    let house = House::open();
    let long = "x".repeat(2_995);
    house.has(&[("docs/a.bin", "first"), ("photos/b.bin", &long)]);
    let share = house.shares("read", &["docs/a.bin", "photos/"]);
    let reader = browser();
    reader.go(&house.url);
    reader.go(&share.url);
    reader.sees("offer");
    assert_eq!(reader.text("sender"), "First");
    assert!(reader.text("items").contains('2') && reader.text("items").contains("3 kB"), "{}", reader.text("items"));
    assert_eq!(reader.address(), share.url, "\"open in Safari\" takes the address along");
    reader.pictures("share", "offer");
    assert_eq!(house.claims("share", &share.id), 0);

    reader.presses("open");
    reader.sees("open");
    assert_eq!(house.claims("share", &share.id), 1);
    assert!(reader.address().starts_with(&format!("{}/session/", house.url)), "{}", reader.address());
    let mut names = reader.listed();
    names.sort();
    assert_eq!(names, ["docs", "photos"]);
    reader.pictures("session", "open");
    for (folder, name, bytes) in [("docs", "a.bin", "first"), ("photos", "b.bin", long.as_str())] {
        reader.enters(folder);
        reader.clicks(&format!("[data-slot=files] button[aria-label$=\" {name}\"]"));
        assert_eq!(reader.downloaded(name), bytes.as_bytes());
        reader.back();
    }

    reader.reload();
    reader.sees("open");
    reader.back();
    reader.until("the link is not in the history", &format!("return location.href === '{}/'", house.url));
    reader.forward();
    reader.sees("open");
    // The link followed again, in this same browser.
    reader.go(&share.url);
    reader.sees("open");
    assert!(!reader.address().contains("crs_"));
    assert_eq!(house.claims("share", &share.id), 1);
    for seen in house.seen("") {
        assert!(!seen.line.contains("crs_") && !seen.headers.contains("crs_"), "{seen:?}");
    }
}

#[test]
fn a_lost_answer_is_asked_for_again_and_another_browser_is_refused() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let share = house.shares("read", &["docs/"]);
    let [reader, other] = browsers();
    for browser in [&reader, &other] {
        browser.go(&share.url);
        browser.sees("offer");
    }
    house.plan(REDEEM, Fate::LoseAnswer);
    reader.presses("open");
    reader.until(
        "it says that nothing is lost",
        "return document.querySelector('[data-view=offer] [data-slot=status]').innerText.length > 20",
    );
    house.mend();
    assert_eq!(house.claims("share", &share.id), 1);
    assert_eq!(reader.address(), share.url);
    reader.pictures("share", "lost-answer");

    other.presses("open");
    other.sees("dead");
    reader.reload();
    reader.sees("open");
    assert_eq!(reader.listed(), ["a.bin"]);
    other.reload();
    other.sees("dead");
    assert_eq!(house.claims("share", &share.id), 1);
}

#[test]
fn of_two_browsers_that_race_for_a_share_one_opens_it() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let share = house.shares("read", &["docs/"]);
    let racers = browsers::<2>();
    for racer in &racers {
        racer.go(&share.url);
        racer.sees("offer");
    }
    let both = Arc::new(Barrier::new(2));
    house.plan(REDEEM, Fate::Meet(both.clone()));
    house.plan(REDEEM, Fate::Meet(both));
    thread::scope(|scope| {
        for racer in &racers {
            scope.spawn(|| racer.presses("open"));
        }
    });
    let mut ends = racers.each_ref().map(|racer| {
        racer.until(
            "the race is over",
            "return document.querySelector('[data-view]:not([hidden])')?.dataset.view?.match(/open$|dead/)?.[0]",
        )
    });
    ends.sort_by_key(ToString::to_string);
    assert_eq!(ends, ["dead", "open"]);
    assert_eq!(house.claims("share", &share.id), 1);
}
