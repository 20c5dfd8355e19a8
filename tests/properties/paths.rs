//! Paths and pins: what is accepted, what it is then, and what a pin covers.
//!
//! Judged by a reference that reads names and escapes one by one, by the system's own reading of a path, by that of URLs, and by
//! what Unicode calls equivalent.

use std::path::{Component, Path};

use cloakroom::domain::{
    path::{LONGEST_PATH, LONGEST_SEGMENT, NotAPath, PathPin, VaultPath},
    share::Pins,
    text::is_invisible,
};
use proptest::{collection::vec, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use unicode_normalization::UnicodeNormalization;
use url::Url;

use super::vault::{covers, parsed_path, parsed_pin, path, pin, witness};

/// Of these, names are put together that somebody may hope to be read in two ways.
const PARTS: [&str; 34] = [
    "/", "/", "/", "/", "a", "b", "A", "docs", ".", "..", "...", "~", " ", "%", "%2", "%2e", "%2E", "e", "25", "2f",
    "%25", "%252e", "%2f", "%5c", "%00", "%1f", "%7f", "%c2%85", "%C2", "%85", "%C3%A9", "%zz", "C:", "e\u{301}",
];

/// Control characters, what is composed or decomposed, what looks like a dot or a slash, and the ends of what characters there are.
const CHARACTERS: &str = "\\\0\n\u{7f}\u{85}\u{9f}é\u{301}\u{344}\u{212b}\u{37e}\u{1fef}\u{2024}\u{ff0e}\u{ff0f}\u{ff3c}\u{2215}\
    \u{200d}\u{d7ff}\u{e000}\u{fffd}\u{10ffff}각\u{1d15e}\u{fb1d}日?#:";

/// What turns text around, or is not seen: the characters that Unicode calls Bidi_Control, and some without width.
const HIDDEN: &str = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\
    \u{200b}\u{2060}\u{feff}\u{ad}\u{2028}\u{2029}\u{e0041}";

fn one_of(characters: &str) -> impl Strategy<Value = char> + use<> {
    select(characters.chars().collect::<Vec<_>>())
}

fn text() -> impl Strategy<Value = String> {
    let piece =
        || prop_oneof![5 => select(&PARTS[..]).prop_map(str::to_owned), 2 => one_of(CHARACTERS).prop_map(String::from)];
    let pieces = || vec(piece(), 0..=12).prop_map(|pieces| pieces.concat());
    // About as long as a name, or a path, may be.
    let name = (pieces(), LONGEST_SEGMENT - 3..=LONGEST_SEGMENT + 1);
    let name = name.prop_map(|(start, length)| format!("{start}{}", "x".repeat(length.saturating_sub(start.len()))));
    let long = (vec(Just("n".repeat(178)), 5), pieces()).prop_map(|(names, end)| format!("{}{end}", names.join("/")));
    prop_oneof![12 => pieces(), 2 => name, 1 => long, 2 => any::<String>()]
}

/// What decoding brings to light if the first escape is decoded again and again, until there is none.
fn brings_to_light(text: &str, what: impl Fn(char) -> bool) -> bool {
    let mut bytes = text.as_bytes().to_vec();
    loop {
        let is_escape = |three: &[u8]| three[0] == b'%' && three[1..].iter().all(u8::is_ascii_hexdigit);
        let Some(at) = bytes.windows(3).position(is_escape) else { return false };
        let decoded = u8::from_str_radix(std::str::from_utf8(&bytes[at + 1..at + 3]).unwrap(), 16).unwrap();
        if decoded.is_ascii() && what(char::from(decoded)) {
            return true;
        }
        bytes.splice(at..at + 3, [decoded]);
        if String::from_utf8_lossy(&bytes).chars().any(|character| !character.is_ascii() && what(character)) {
            return true;
        }
    }
}

/// The path that the rule makes of a text in which nothing is hidden.
fn judged(text: &str) -> Option<String> {
    let normal: String = text.nfc().collect();
    let is_name = |name: &str| (1..=LONGEST_SEGMENT).contains(&name.len()) && name != "." && name != "..";
    let is_allowed = |character: char| character != '\\' && !character.is_control();
    let is_path = text.len() <= LONGEST_PATH
        && normal.len() <= LONGEST_PATH
        && normal.split('/').all(is_name)
        && normal.chars().all(is_allowed)
        && !brings_to_light(&normal, |character| matches!(character, '.' | '/' | '\\') || character.is_control());
    is_path.then_some(normal)
}

fn is_hidden(character: char) -> bool {
    HIDDEN.contains(character)
}

/// Whether there is something in a text that any text may have in it and is refused as [`HIDDEN`] is: judged elsewhere.
fn has_hidden(text: &str) -> bool {
    text.chars().any(|character| is_invisible(character) && !character.is_control())
}

proptest! {
    #[test]
    fn a_text_is_a_path_exactly_if_the_rule_says_so(text in text()) {
        prop_assume!(!has_hidden(&text));
        prop_assert_eq!(VaultPath::parse(&text).ok().map(String::from), judged(&text));
    }

    #[test]
    fn a_pin_is_a_path_or_one_with_a_slash_or_everything(text in text()) {
        prop_assume!(!has_hidden(&text));
        let expected = match text.strip_suffix('/') {
            Some("") => Some("/".to_owned()),
            Some(folder) => judged(folder).map(|folder| folder + "/"),
            None => judged(&text),
        };
        let found = PathPin::parse(&text).ok();
        prop_assert_eq!(found.as_ref().map(ToString::to_string), expected);
        if let Some(pin) = found {
            prop_assert_eq!(PathPin::parse(&pin.to_string()), Ok(pin.clone()), "read again");
            let json = serde_json::to_string(&pin).unwrap();
            prop_assert_eq!(serde_json::from_str::<PathPin>(&json).unwrap(), pin);
        }
    }

    #[test]
    fn what_is_hidden_is_refused_wherever_it_stands(before in text(), hidden in one_of(HIDDEN), after in text()) {
        let text = format!("{before}{hidden}{after}");
        prop_assert!(VaultPath::parse(&text).is_err(), "{text:?}");
        prop_assert!(PathPin::parse(&text).is_err(), "{text:?}");
    }

    #[test]
    fn a_path_is_written_as_it_is_read_again(text in text()) {
        let Ok(path) = VaultPath::parse(&text) else { return Ok(()) };
        let written = path.to_string();
        prop_assert_eq!(&written, path.as_str());
        prop_assert_eq!(VaultPath::parse(&written), Ok(path.clone()));
        prop_assert_eq!(PathPin::parse(&written), Ok(PathPin::File(path.clone())));
        let json = serde_json::to_string(&path).unwrap();
        prop_assert_eq!(serde_json::from_str::<VaultPath>(&json).unwrap(), path);
    }

    #[test]
    fn no_path_leads_anywhere_but_down(text in text()) {
        let Ok(path) = VaultPath::parse(&text) else { return Ok(()) };
        prop_assert!(!path.as_str().chars().any(|character| is_hidden(character) || character.is_control()));
        let names: Vec<_> = path.as_str().split('/').collect();
        prop_assert_eq!(names.last(), Some(&path.file_name()));
        // As the system reads it.
        let components: Vec<_> = Path::new(path.as_str()).components().collect();
        prop_assert_eq!(&components, &names.iter().map(|name| Component::Normal(name.as_ref())).collect::<Vec<_>>());
        // As whoever takes it for a part of a URL reads it, encoded dots and backslashes included.
        let url = Url::parse(&format!("https://host.example/v/{path}/end").replace(['?', '#'], "_")).unwrap();
        prop_assert_eq!(url.path_segments().unwrap().count(), names.len() + 2, "{}", url);
    }

    /// Canonical equivalence, by its definition: the same once all is taken apart (Unicode, section 3.7).
    #[test]
    fn two_texts_are_one_path_exactly_if_they_are_equivalent(text in text(), other in text(), variant in 0..6_u8) {
        let other = match variant {
            0 => text.nfd().collect(),
            1 => text.nfc().collect(),
            2 => format!("{text} "),
            3 => format!("{text}."),
            4 => text.to_uppercase(),
            _ => other,
        };
        let (Ok(one), Ok(two)) = (VaultPath::parse(&text), VaultPath::parse(&other)) else { return Ok(()) };
        prop_assert_eq!(one == two, text.nfd().eq(other.nfd()), "{:?} {:?}", text, other);
    }

    #[test]
    fn a_pin_covers_what_its_names_say(pin in pin(), file in path()) {
        let is_covered = covers(&pin, &file);
        let (pin, path) = (parsed_pin(&pin), parsed_path(&file));
        prop_assert_eq!(pin.covers(&path), is_covered);
        prop_assert_eq!(pin.covers_pin(&PathPin::File(path.clone())), is_covered);
        // What storage is asked for has all of it in it, and of a folder nothing else.
        let is_listed = file.starts_with(&pin.listing_prefix());
        prop_assert!(is_listed || !is_covered);
        prop_assert!(is_covered || !is_listed || matches!(pin, PathPin::File(_)));
    }

    #[test]
    fn what_only_begins_like_a_folder_is_not_in_it(
        folder in path(),
        more in select(&["", "2", ".bak", "%", " ", "é"][..]),
    ) {
        let pin = parsed_pin(&format!("{folder}/"));
        let [beside, below, beside_it] = ["", "/x", "/"].map(|end| format!("{folder}{more}{end}"));
        prop_assert!(!pin.covers(&parsed_path(&beside)));
        prop_assert_eq!(pin.covers(&parsed_path(&below)), more.is_empty());
        prop_assert_eq!(pin.covers_pin(&parsed_pin(&beside_it)), more.is_empty());
        prop_assert!(!pin.covers_pin(&parsed_pin(&beside)));
        prop_assert_eq!(parsed_pin(&folder).covers(&parsed_path(&beside)), more.is_empty());
    }

    /// By files alone: one pin covers another exactly if there is no file that only the other covers.
    #[test]
    fn a_pin_covers_another_exactly_if_it_covers_all_its_files(
        one in pin(),
        other in pin(),
        files in vec(path(), 0..8),
    ) {
        let is_covered = parsed_pin(&one).covers_pin(&parsed_pin(&other));
        prop_assert_eq!(is_covered, covers(&one, &witness(&other)));
        for file in files.iter().filter(|file| covers(&other, file)) {
            prop_assert!(!is_covered || covers(&one, file), "{}", file);
        }
    }

    #[test]
    fn covering_is_an_order(one in pin(), two in pin(), three in pin()) {
        let [one, two, three] = [one, two, three].map(|text| parsed_pin(&text));
        prop_assert!(one.covers_pin(&one));
        prop_assert_eq!(one.covers_pin(&two) && two.covers_pin(&one), one == two);
        prop_assert!(!(one.covers_pin(&two) && two.covers_pin(&three)) || one.covers_pin(&three));
    }

    #[test]
    fn what_two_pins_have_in_common_is_what_both_cover(one in pin(), other in pin(), files in vec(path(), 0..8)) {
        let common = parsed_pin(&one).intersection(&parsed_pin(&other));
        prop_assert_eq!(&common, &parsed_pin(&other).intersection(&parsed_pin(&one)));
        for file in files.into_iter().chain([witness(&one), witness(&other)]) {
            let is_common = common.as_ref().is_some_and(|common| common.covers(&parsed_path(&file)));
            prop_assert_eq!(is_common, covers(&one, &file) && covers(&other, &file), "{}", file);
        }
    }

    #[test]
    fn the_pins_of_a_share_cover_the_same_in_any_order(
        given in vec(pin(), 1..10),
        order in any::<prop::sample::Index>(),
        files in vec(path(), 1..8),
    ) {
        let parsed = || given.iter().map(|text| parsed_pin(text)).collect::<Vec<_>>();
        let pins = Pins::new(parsed()).unwrap();
        let mut turned = parsed();
        turned.rotate_left(order.index(given.len()));
        turned.reverse();
        turned.push(turned[0].clone());
        prop_assert_eq!(&pins, &Pins::new(turned).unwrap());
        prop_assert!(pins.as_slice().windows(2).all(|two| two[0] < two[1]), "sorted, and none twice");
        let json = serde_json::to_string(&pins).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Pins>(&json).unwrap(), &pins);
        for file in files {
            let is_covered = given.iter().any(|pin| covers(pin, &file));
            prop_assert_eq!(pins.cover(&parsed_path(&file)), is_covered, "{}", file);
        }
    }
}

/// So that nobody takes drawn texts for judged ones: a good part of them are paths, and each reason to refuse one comes up.
#[test]
fn enough_of_what_is_drawn_is_a_path_and_enough_is_none() {
    let mut runner = TestRunner::deterministic();
    let draw = |runner: &mut _| VaultPath::parse(&text().new_tree(runner).unwrap().current());
    let drawn: Vec<_> = (0..4_000).map(|_| draw(&mut runner)).collect();
    let count = |wanted: fn(&Result<VaultPath, NotAPath>) -> bool| drawn.iter().filter(|found| wanted(found)).count();
    use NotAPath::{Character, Empty, EmptySegment, Folder, TooLong, Traversal};
    assert!(count(Result::is_ok) > 400, "{}", count(Result::is_ok));
    for reason in [Character, Empty, EmptySegment, Folder, TooLong, Traversal] {
        assert!(drawn.iter().filter(|found| **found == Err(reason)).count() > 20, "{reason:?}");
    }
}
