//! What goes to recipients alone: first an address, then the code from the mail.

use serde_json::json;

use crate::{
    browser::{Browser, browser},
    house::House,
};

const ADA: &str = "ada@example.org";

/// Asks for a code as somebody with this address, and waits until it is said that one is on its way.
fn asks_for_a_code(reader: &Browser, address: &str) {
    reader.sees("offer");
    assert!(!reader.text("sender").contains('@'));
    let opener: bool = reader.eval("return document.querySelector('[data-view=offer] button.main').hidden");
    assert!(opener, "there is nothing to open yet");
    reader.fills("#address", address);
    reader.clicks("[data-do=send-code]");
    reader.until("it says so", "return document.querySelector('[data-slot=code-sent]').innerText !== ''");
    let focused: String = reader.eval("return document.activeElement.id");
    assert_eq!(focused, "code");
}

fn is_refused(reader: &Browser) {
    let said = "return document.querySelector('[data-slot=recipient-wrong]').innerText !== ''";
    reader.until("it says why not", said);
}

#[test]
fn a_share_is_opened_with_the_code_from_the_mail() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let body = json!({ "paths": ["docs/"], "permission": "read", "recipients": [ADA, "bob@example.org"] });
    let share = house.api.mint_as(house.admin(), &body);
    let reader = browser();
    reader.go(&share.url);
    reader.sees("offer");
    reader.pictures("share", "recipient");
    reader.fills("#address", "nobody");
    reader.clicks("[data-do=send-code]");
    is_refused(&reader);
    reader.clears("#address");
    asks_for_a_code(&reader, "Ada@example.org");
    reader.pictures("share", "code");
    let modes: Vec<String> =
        reader.eval("const c = document.getElementById('code'); return [c.inputMode, c.autocomplete]");
    assert_eq!(modes, ["numeric", "one-time-code"]);

    let code = house.api.code_for(ADA);
    let wrong = if code == "00000000" { "00000001" } else { "00000000" };
    for no_code in ["12", wrong] {
        reader.clears("#code");
        reader.fills("#code", no_code);
        // What was said of the one before is no answer to this one.
        reader.eval::<()>("document.querySelector('[data-slot=recipient-wrong]').textContent = ''");
        reader.presses("open");
        is_refused(&reader);
    }
    assert_eq!(house.claims("share", &share.id), 0);
    // A click that came to nothing is no claim: after a reload it is asked for again.
    reader.reload();
    reader.sees("offer");
    reader.fills("#address", ADA);
    reader.clicks("[data-do=send-code]");
    reader.until("a code is on its way", "return document.activeElement.id === 'code'");
    let code = house.api.code_for(ADA);
    reader.fills("#code", &format!("{} {}", &code[..4], &code[4..]));
    reader.presses("open");
    assert_eq!(reader.listed(), ["a.bin"]);
    assert_eq!(house.claims("share", &share.id), 1);
    // Whoever comes back is not asked again.
    reader.go(&share.url);
    assert_eq!(reader.listed(), ["a.bin"]);
    for seen in house.seen("") {
        assert!(!seen.line.contains("example.org") && !seen.line.contains(&code), "{seen:?}");
    }
}

#[test]
fn a_link_wants_its_password_and_a_recipient() {
    let house = House::open();
    let link = house.links(json!({ "recipients": [ADA], "password": "sesame" }));
    let reader = browser();
    reader.go(&link.url);
    asks_for_a_code(&reader, ADA);
    reader.fills("#code", &house.api.code_for(ADA));
    reader.fills("#password", "wrong");
    reader.presses("open");
    reader.until("it says that this is not it", "return document.querySelector('[data-slot=wrong]').innerText !== ''");
    reader.pictures("link", "recipient");
    reader.fills("#password", "sesame");
    reader.presses("open");
    reader.until("it is opened", "return !location.pathname.startsWith('/l')");
    assert_eq!(house.claims("link", &link.id), 1);
}
