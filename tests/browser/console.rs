//! Words for the console: signing in, going about, choosing, making.

use serde_json::{Value, json};

use crate::{browser::Browser, house::House};

/// A link or a key that was made: what the dialog shows this once.
pub const SECRET: &str = "#made[open] [data-slot=secret]";

/// What the words of the pages say under a name, in English: `event.share.created`.
#[track_caller]
pub fn said(name: &str) -> String {
    let words: Value = serde_json::from_str(include_str!("../../src/web/words/en/console.json")).unwrap();
    let found = name.split('.').fold(&words, |within, part| &within[part]);
    found.as_str().unwrap_or_else(|| panic!("nothing is said under {name}")).to_owned()
}

impl Browser {
    /// Signs in to the console with this key.
    #[track_caller]
    pub fn signs_in(&self, house: &House, key: &str) {
        self.go(&format!("{}/console", house.url));
        self.hands_in(key);
        self.sees("overview");
    }

    /// Hands in a key where one is asked for.
    #[track_caller]
    pub fn hands_in(&self, key: &str) {
        self.sees("sign-in");
        self.fills("#api-key", key);
        self.presses("sign-in");
    }

    /// Goes to a place of the console by the link to it that all places have.
    #[track_caller]
    pub fn visits(&self, place: &str) {
        self.clicks(&format!("[data-slot=places] [data-place={place}]"));
        self.sees(place);
    }

    /// The places that are offered.
    #[track_caller]
    pub fn places(&self) -> Vec<String> {
        self.eval("return [...document.querySelectorAll('[data-slot=places] a')].map((one) => one.dataset.place)")
    }

    /// The names of what is listed in the view that is shown, once there are so many.
    #[track_caller]
    pub fn lists(&self, count: usize) -> Vec<String> {
        let names = "[...document.querySelectorAll('[data-view]:not([hidden]) [data-slot=items] .name')]";
        let found = self.until(
            &format!("{count} are listed"),
            &format!("const names = {names}; return names.length === {count} && names.map((one) => one.innerText)"),
        );
        serde_json::from_value(found).unwrap()
    }

    /// Ticks a file or a folder that is listed.
    #[track_caller]
    pub fn selects(&self, name: &str) {
        self.clicks(&box_of(name));
    }

    /// What the dialog shows that was made, this once.
    #[track_caller]
    pub fn made(&self) -> String {
        self.finds(SECRET);
        self.texts(SECRET).remove(0)
    }

    /// Makes what the open dialog asks about.
    #[track_caller]
    pub fn makes(&self, dialog: &str) -> String {
        self.clicks(&format!("#{dialog}[open] button.main"));
        self.made()
    }

    /// Closes the dialog that shows what was made.
    #[track_caller]
    pub fn closes(&self) {
        self.clicks("#made[open] form > .bar:last-child button");
        self.until("it is closed", "return document.querySelector('dialog[open]') === null");
    }

    /// What is told to have happened to the thing that is shown, newest first, once there is so much.
    #[track_caller]
    pub fn history_of(&self, count: usize) -> Vec<String> {
        let first = "[...document.querySelectorAll('[data-view=thing]:not([hidden]) .history li')]";
        let found = self.until(
            &format!("{count} things have happened"),
            &format!(
                "const told = {first}; return told.length === {count} && told.map((one) => one.firstChild.innerText)"
            ),
        );
        serde_json::from_value(found).unwrap()
    }
}

/// Where a file or a folder that is listed is ticked.
pub fn box_of(name: &str) -> String {
    format!("[data-view=files] input[type=checkbox][aria-label={}]", json!(said("select").replace("{name}", name)))
}
