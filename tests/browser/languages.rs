//! The pages in the reader's language: German, and a pseudo-language from right to left that shows what was never
//! handed to a translator.

use serde_json::json;

use crate::{
    browser::{Browser, Setup, browsers_as},
    house::House,
};

/// Texts of the view that is shown that are not in the brackets of the pseudo-language, nor somebody's name.
const UNTRANSLATED: &str = "
    const shown = document.querySelector('[data-view]:not([hidden])') ?? document.querySelector('main');
    const block = ':is(h1, h2, p, dt, dd, li, label, button, option, legend, th, td, summary, a.button)';
    const found = [];
    for (const one of shown.querySelectorAll(block)) {
      if (!one.checkVisibility() || one.querySelector(block) || one.closest('bdi, .name')) continue;
      const words = one.cloneNode(true);
      for (const other of words.querySelectorAll('bdi, .name, [hidden]')) other.remove();
      let text = words.textContent;
      for (let before = null; before !== text;) [before, text] = [text, text.replaceAll(/⟦[^⟦⟧]*⟧/gs, '')];
      if (/\\p{L}{3}/u.test(text) && !one.matches(FORMATTED)) found.push(one.outerHTML);
    }
    for (const one of shown.querySelectorAll('[aria-label], [placeholder], [title]'))
      for (const name of ['aria-label', 'placeholder', 'title'])
        if (one.hasAttribute(name) && !/⟦/.test(one.getAttribute(name))) found.push(one.outerHTML);
    return found;";

#[track_caller]
fn is_all_translated(browser: &Browser) {
    // Moments and spans come from the browser, which knows no such language.
    let formatted = json!("[data-slot=by], [data-slot=until], [data-slot=types]").to_string();
    let found: Vec<String> = browser.eval(&UNTRANSLATED.replace("FORMATTED", &formatted));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_pages_speak_german_and_from_right_to_left() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    for (language, direction) in [("de", "ltr"), ("ar-XB", "rtl")] {
        let share = house.shares("write", &["docs/"]);
        let (link, asked) = (house.links(json!({ "password": "x" })), house.asks(json!({ "message": "Files" })));
        let [reader] = browsers_as([Setup::default().language(language)]);
        let spoken = |page: &str, state: &str| {
            let said: (String, String) =
                reader.eval("const { lang, dir } = document.documentElement; return [lang, dir]");
            assert_eq!(said, (language.to_owned(), direction.to_owned()), "{page}");
            if direction == "rtl" {
                is_all_translated(&reader);
            }
            reader.pictures(page, &format!("{state}-{language}"));
        };
        for (page, minted) in [("share", &share), ("link", &link), ("request", &asked)] {
            reader.go(&minted.url);
            reader.sees("offer");
            spoken(page, "offer");
        }
        reader.presses("begin");
        reader.sees("open");
        spoken("request", "open");
        reader.go(&share.url);
        reader.presses("open");
        assert_eq!(reader.listed(), ["a.bin"]);
        spoken("session", "open");
        reader.go(&format!("{}/s#crs_", house.url));
        reader.sees("cut");
        spoken("share", "cut");
    }
}
