//! Without a mouse: whatever can be done can be reached, in order, and is seen to be reached.

use crate::{
    browser::{ARROW_RIGHT, Browser, ENTER, TAB, browser},
    house::House,
};

/// What has the focus: whether that can be seen, and whether it is what a selector finds.
const FOCUS: &str = "
    const at = document.activeElement;
    const style = getComputedStyle(at);
    const box = at.getBoundingClientRect();
    const before = window.focusedBefore;
    window.focusedBefore = at;
    return {
      is: at === document.body ? '' : at.outerHTML.slice(0, 120),
      seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && at.matches(':focus-visible'),
      inside: box.top >= 0 && box.bottom <= innerHeight && box.width > 0,
      onward: !before?.isConnected || Boolean(before.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING),
      found: at.matches(SELECTOR),
    };";

impl Browser {
    /// Goes on by Tab until this has the focus, and presses Enter.
    #[track_caller]
    fn reaches(&self, selector: &str) {
        let focus = FOCUS.replace("SELECTOR", &serde_json::json!(selector).to_string());
        for _ in 0..40 {
            self.types(TAB);
            let focus: serde_json::Value = self.eval(&focus);
            assert!(focus["is"] != "", "nothing more to reach before {selector}");
            for good in ["seen", "inside", "onward"] {
                assert_eq!(focus[good], true, "{good}: {focus}");
            }
            if focus["found"] == true {
                self.types(ENTER);
                return;
            }
        }
        panic!("{selector} is not reached")
    }
}

#[test]
fn a_share_is_opened_and_a_file_downloaded_by_the_keyboard_alone() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first"), ("docs/b.bin", "second")]);
    let share = house.shares("read", &["docs/"]);
    let reader = browser();
    reader.go(&share.url);
    reader.sees("offer");
    let heading: bool = reader.eval("return document.activeElement.matches('h1')");
    assert!(heading, "readers of screens begin at what is new");
    reader.reaches("[data-do=open]");
    assert_eq!(reader.listed(), ["a.bin", "b.bin"]);
    reader.reaches("[data-slot=files]");
    reader.finds("dialog[open]");
    let offered: bool = reader.eval("return document.activeElement.matches('[data-do=save]')");
    assert!(offered, "what cannot be shown is saved at once");
    reader.types(ARROW_RIGHT);
    reader.types(ENTER);
    assert_eq!(reader.downloaded("b.bin"), b"second");
}

#[test]
fn a_link_with_a_password_is_opened_by_the_keyboard_alone() {
    let house = House::open();
    let link = house.links(serde_json::json!({ "password": "open sesame" }));
    let reader = browser();
    reader.go(&link.url);
    reader.sees("offer");
    reader.types(TAB);
    let field: bool = reader.eval("return document.activeElement.matches('#password')");
    assert!(field);
    reader.fills("#password", "wrong");
    reader.types(ENTER);
    reader.until("it says that this is not it", "return document.querySelector('[data-slot=wrong]').innerText !== ''");
    let field: String = reader.eval("return document.activeElement.id");
    assert_eq!(field, "password", "the next try begins at once");
    reader.fills("#password", "open sesame");
    reader.types(ENTER);
    reader.finds("#site");
}
