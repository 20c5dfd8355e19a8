//! Without a mouse: whatever can be done can be reached, in order, and is seen to be reached.

use crate::{
    browser::{ARROW_RIGHT, Browser, ENTER, ESCAPE, SHIFT, TAB, browser},
    console::box_of,
    house::House,
};

/// What has the focus: whether that can be seen, and whether it is what a selector finds.
const FOCUS: &str = "
    const at = document.activeElement;
    const style = getComputedStyle(at);
    // Of a list, the row that is the current one.
    const place = document.getElementById(at.getAttribute('aria-activedescendant')) ?? at;
    const box = place.getBoundingClientRect();
    const before = window.focusedBefore;
    window.focusedBefore = at;
    return {
      is: at === document.body ? '' : at.outerHTML.slice(0, 120),
      seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && at.matches(':focus-visible'),
      // Pages are scrolled by whole pixels, and lines of text are not as high.
      inside: Math.ceil(box.top) >= 0 && Math.floor(box.bottom) <= innerHeight && box.width > 0,
      uncovered: place.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)),
      inOrder: before === document.body || !before.isConnected || Boolean(before.compareDocumentPosition(at) & Node.DIRECTION),
      found: at.matches(SELECTOR),
    };";

impl Browser {
    /// Goes on by Tab until this has the focus, and presses Enter.
    #[track_caller]
    pub fn reaches(&self, selector: &str) {
        self.tabs_to(selector);
        self.types(ENTER);
    }

    /// Goes on by Tab until this has the focus.
    #[track_caller]
    pub fn tabs_to(&self, selector: &str) {
        self.moves_to(selector, &[TAB], "DOCUMENT_POSITION_FOLLOWING");
    }

    /// Goes back by Tab and Shift until this has the focus.
    #[track_caller]
    pub fn tabs_back_to(&self, selector: &str) {
        self.moves_to(selector, &[SHIFT, TAB], "DOCUMENT_POSITION_PRECEDING");
    }

    #[track_caller]
    fn moves_to(&self, selector: &str, keys: &[char], direction: &str) {
        let focus = FOCUS.replace("SELECTOR", &serde_json::json!(selector).to_string()).replace("DIRECTION", direction);
        self.eval::<()>("window.focusedBefore = document.activeElement");
        for _ in 0..40 {
            self.types_all(keys);
            // What has the focus is scrolled to when the page is drawn next.
            self.eval::<bool>(
                "return new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))",
            );
            let focus: serde_json::Value = self.eval(&focus);
            assert!(focus["is"] != "", "nothing more to reach before {selector}");
            for good in ["seen", "inside", "uncovered", "inOrder"] {
                assert_eq!(focus[good], true, "{good}: {focus}");
            }
            if focus["found"] == true {
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

#[test]
fn a_file_link_is_made_by_the_keyboard_alone() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first"), ("docs/b.bin", "second")]);
    let owner = browser();
    owner.go(&format!("{}/console", house.url));
    owner.sees("sign-in");
    owner.tabs_to("#api-key");
    owner.fills("#api-key", house.admin());
    owner.types(ENTER);
    owner.sees("overview");
    owner.reaches("[data-offer=share] a");
    assert_eq!(owner.lists(1), ["docs/"]);
    owner.reaches("[data-view=files] .name");
    owner.lists(2);
    owner.tabs_to(&box_of("b.bin"));
    owner.types(' ');
    owner.finds("[data-view=files] [data-slot=selection]");
    // What to do with it stands before the list.
    owner.tabs_back_to("[data-view=files] [data-do=share]");
    owner.types(ENTER);
    owner.finds("#new-share[open]");
    owner.tabs_to("#share-label");
    owner.fills("#share-label", "for Ann");
    owner.reaches("#new-share button.main");
    let url = owner.made();
    owner.reaches("#made [data-do=copy]");
    owner.until("it is copied", "return document.querySelector('#made [data-slot=copied]').innerText");
    assert_eq!(owner.clipboard(), url);
    owner.types(ESCAPE);
    owner.sees("thing");
    assert_eq!(owner.text("name"), "for Ann");
    assert_eq!(owner.eval::<String>("return document.activeElement.dataset.slot"), "name");
    owner.reaches("[data-view=thing] [data-do=revoke]");
    // Enter held too long must not end it.
    owner.types(ENTER);
    owner.until("nothing is asked any more", "return document.querySelector('dialog[open]') === null");
    assert_eq!(house.api.get(house.admin(), "/v1/shares").expect(200)["items"][0]["status"], "pending");
    owner.types(ENTER);
    owner.finds("#confirm[open]");
    owner.tabs_back_to("#confirm[open] [data-slot=yes]");
    owner.types(ENTER);
    owner.until("it has ended", "return document.querySelector('[data-view=thing] [data-do=revoke]').hidden");
    assert_eq!(house.api.preview(url.rsplit('#').next().unwrap()).status, 404);
}
