//! The pages in the reader's language: German, and a pseudo-language from right to left that shows what was never
//! handed to a translator.

use serde_json::json;

use crate::{
    browser::{Browser, Setup, browsers_as},
    house::House,
};

/// Texts of the view that is shown that are not in the brackets of the pseudo-language, nor somebody's name.
const UNTRANSLATED: &str = "
    const shown = document.querySelector('dialog[open]') ?? document.querySelector('[data-view]:not([hidden])') ?? document.querySelector('main');
    const block = ':is(h1, h2, p, dt, dd, li, label, button, option, legend, th, td, summary, a.button)';
    const found = [];
    for (const one of shown.querySelectorAll(block)) {
      if (!one.checkVisibility() || one.querySelector(block) || one.closest('bdi, .name')) continue;
      const words = one.cloneNode(true);
      for (const other of words.querySelectorAll('bdi, .name, time, code, [hidden]')) other.remove();
      let text = words.textContent;
      for (let before = null; before !== text;) [before, text] = [text, text.replaceAll(/⟦[^⟦⟧]*⟧/gs, '')];
      text = text.replaceAll(/crk_[\\w-]+…|UTC|GMT/g, '');
      if (/\\p{Script=Latin}{3}/u.test(text) && !one.matches(FORMATTED)) found.push(one.outerHTML);
    }
    for (const one of shown.querySelectorAll('[aria-label], [placeholder], [title]'))
      for (const name of ['aria-label', 'placeholder', 'title'])
        if (one.hasAttribute(name) && !one.matches('bdi') && !/⟦/.test(one.getAttribute(name))) found.push(one.outerHTML);
    return found;";

#[track_caller]
fn is_all_translated(browser: &Browser) {
    // Moments and spans come from the browser, which knows no such language.
    let formatted =
        json!("[data-slot=by], [data-slot=until], [data-slot=types], [data-slot=secret], time, code").to_string();
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
            reader.pictures_of_words(page, &format!("{state}-{language}"));
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

#[test]
fn the_console_speaks_german_and_from_right_to_left() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first"), ("b.bin", "second")]);
    let (share, link, asked) = (house.shares("read", &["docs/"]), house.links(json!({})), house.asks(json!({})));
    house.api.preview(&share.token).expect(200);
    house.api.previews_recorded();
    for (language, direction) in [("de", "ltr"), ("ar-XB", "rtl")] {
        let [owner] = browsers_as([Setup::default().language(language)]);
        let spoken = |state: &str| {
            let said: (String, String) =
                owner.eval("const { lang, dir } = document.documentElement; return [lang, dir]");
            assert_eq!(said, (language.to_owned(), direction.to_owned()));
            if direction == "rtl" {
                is_all_translated(&owner);
            }
            owner.pictures_of_words("console", &format!("{state}-{language}"));
        };
        owner.go(&format!("{}/console", house.url));
        owner.sees("sign-in");
        spoken("sign-in");
        owner.hands_in(house.admin());
        owner.sees("overview");
        spoken("overview");
        for place in ["files", "file-links", "site-links", "file-requests", "keys", "audit", "usage"] {
            owner.visits(place);
            owner.until(
                "it is listed",
                "return document.querySelector('[data-view]:not([hidden]) [data-slot=items]').children.length > 0",
            );
            spoken(place);
        }
        for (place, id) in [("file-links", &share.id), ("site-links", &link.id), ("file-requests", &asked.id)] {
            owner.go(&format!("{}/console/{place}/{id}", house.url));
            owner.sees("thing");
            owner.history_of(if place == "file-links" { 2 } else { 1 });
            spoken(&format!("{place}-one"));
        }
        for (place, deed) in [("keys", "new-key"), ("file-requests", "request")] {
            owner.visits(place);
            owner.presses(deed);
            spoken(&format!("new-{deed}"));
            owner.clicks("dialog[open] [data-do=cancel]");
        }
        owner.visits("files");
        owner.clicks("[data-view=files] input[type=checkbox]:not(#all)");
        for deed in ["publish", "share"] {
            owner.presses(deed);
            spoken(&format!("new-{deed}"));
            if deed == "publish" {
                owner.clicks("dialog[open] [data-do=cancel]");
            }
        }
        owner.makes("new-share");
        owner.finds("#made[open] svg");
        spoken("made");
    }
}
