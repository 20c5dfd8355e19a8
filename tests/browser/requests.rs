//! A file request's life: its limits are said before anything is chosen; what is sent arrives; one comes back.

use serde_json::json;

use crate::{
    api::harness::Minted,
    browser::{browser, until},
    house::House,
};

#[test]
fn files_that_were_asked_for_are_sent_within_the_limits_that_were_said() {
    let house = House::open();
    let limits = json!({ "objects": 5, "bytes": 20_000 });
    let asked = house.asks(json!({ "message": "Your invoices, please", "limits": limits, "largest_file": 3_000 }));
    let sender = browser();
    sender.go(&asked.url);
    sender.sees("offer");
    assert_eq!((sender.text("sender"), sender.text("message")), ("First".into(), "Your invoices, please".into()));
    for limit in ["5", "3 kB", "20 kB"] {
        assert!(sender.text("files").contains(limit), "{limit}: {}", sender.text("files"));
    }
    sender.pictures("request", "offer");
    sender.fills("#name", "Ann");
    sender.presses("begin");
    sender.sees("open");
    sender.pictures("request", "open");

    sender.sends("large.bin", &[0; 3_001]);
    sender.until("it says that it is too large", "return document.querySelector('[data-slot=sent] .alarm')?.innerText");
    assert!(sender.texts("[data-slot=sent] .alarm")[0].contains("3 kB"), "and how large it may be");
    let colours: Vec<String> = sender.eval(
        "return ['[data-slot=sent] .alarm', '[data-slot=wrong]'].map((one) => getComputedStyle(document.querySelector(one)).color)",
    );
    assert_eq!(colours[0], colours[1], "what went wrong stands out");
    sender.sends("a.bin", &[1; 3_000]);
    until("it has arrived", || house.delivered() == ["a.bin"]);
    sender.until("it says so", "return document.querySelectorAll('[data-slot=sent] progress[hidden]').length === 2");
    sender.pictures("request", "sent");
    assert_eq!(deliveries(&house, &asked), 1);

    sender.reload();
    sender.sees("open");
    sender.sends("b.bin", b"b");
    sender.is("b.bin", "done");
    assert!(house.delivered().contains(&"b.bin".to_owned()));
    sender.go(&house.url);
    sender.back();
    sender.sees("open");
    assert!(!sender.text("files").contains('5'), "what is left: {}", sender.text("files"));
    assert_eq!(deliveries(&house, &asked), 1, "all of it was one delivery");
}

/// How many people have delivered something.
#[track_caller]
fn deliveries(house: &House, asked: &Minted) -> u64 {
    let shown = house.api.get(house.admin(), &format!("/v1/file-requests/{}", asked.id)).expect(200);
    shown["submissions"].as_u64().unwrap_or_else(|| panic!("{shown}"))
}
