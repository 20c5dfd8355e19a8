//! Connections that break in the middle: the page says so, nothing half is stored, and it goes on.

use serde_json::json;

use crate::{
    browser::{Browser, browser, until},
    house::{Fate, House},
};

const STORE: &str = "PUT /o/";

/// Sends a file whose connection breaks in the middle, and sees it through.
#[track_caller]
fn sends_through_a_cut(house: &House, sender: &Browser) {
    house.plan(STORE, Fate::CutAfter(100_000));
    // And nobody answers after that, until it was seen.
    house.plan(STORE, Fate::BreakOff);
    sender.sends("a.bin", &[7; 300_000]);
    sender.until("it says so", "return document.querySelector('[data-slot=sent] [data-state=lost]') !== null");
    house.mend();
    // Nobody has to do anything.
    until("it has arrived", || house.api.vault(house.admin()).len() == 1);
    sender.until("it says so", "return document.querySelector('[data-slot=sent] [data-state=done]') !== null");
}

#[test]
fn an_upload_in_a_session_survives_a_connection_that_breaks() {
    let house = House::open();
    let share = house.shares("write", &["inbox/"]);
    let sender = browser();
    sender.go(&share.url);
    sender.presses("open");
    sender.sees("open");
    sends_through_a_cut(&house, &sender);
    assert_eq!(house.api.file(house.admin(), "inbox/a.bin"), [7; 300_000]);
    assert_eq!(sender.listed(), ["a.bin"]);
}

#[test]
fn an_upload_to_a_file_request_survives_a_connection_that_breaks() {
    let house = House::open();
    let asked = house.asks(json!({}));
    let sender = browser();
    sender.go(&asked.url);
    sender.presses("begin");
    sender.sees("open");
    sends_through_a_cut(&house, &sender);
    assert_eq!(house.delivered(), ["a.bin"]);
}

#[test]
fn a_page_that_reaches_nobody_says_so_and_tries_again() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let share = house.shares("read", &["docs/"]);
    let reader = browser();
    house.plan("POST /v1/shares/redeem/preview", Fate::BreakOff);
    reader.go(&share.url);
    reader.sees("trouble");
    house.mend();
    reader.pictures("share", "trouble");
    reader.presses("again");
    reader.sees("offer");
    reader.presses("open");
    assert_eq!(reader.listed(), ["a.bin"]);
    let complaints = reader.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}
