use std::collections::BTreeSet;

use actix_web::http::header::HeaderValue;

use crate::web::{assets, templates};

use super::*;

/// Every text with its name, and for which number it is.
fn flat(group: &Group, above: &str, found: &mut BTreeMap<String, String>) {
    for (name, value) in group {
        let name = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            Value::String(text) => drop(found.insert(name, text.clone())),
            Value::Object(inner) => flat(inner, &name, found),
            other => panic!("{name}: {other}"),
        }
    }
}

fn texts(language: Language) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (file, group) in of(language) {
        flat(group, file, &mut found);
    }
    found
}

fn blanks(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

#[test]
fn every_language_says_everything() {
    let english = texts(Language::English);
    for language in [Language::German, Language::Mirrored] {
        let theirs = texts(language);
        assert_eq!(theirs.keys().collect::<Vec<_>>(), english.keys().collect::<Vec<_>>(), "{language:?}");
        for (name, text) in &theirs {
            assert_eq!(blanks(text), blanks(&english[name]), "{language:?} {name}");
            assert_eq!(text.matches("**").count() % 2, 0, "{language:?} {name}");
            assert!(!text.trim().is_empty() && !text.contains(['<', '>']), "{language:?} {name}");
        }
    }
}

#[test]
fn german_is_german() {
    let english = texts(Language::English);
    let same: Vec<_> = texts(Language::German).into_iter().filter(|(name, text)| english[name] == *text).collect();
    // Names and patterns without words.
    let may = |name: &str| {
        [
            "frame.brand",
            "common.page",
            "upload.action_of",
            "session.in_folder",
            "session.about_file",
            "session.about_folder",
        ]
        .iter()
        .any(|end| name.ends_with(end))
            || name.starts_with("console.same.")
    };
    assert_eq!(same.iter().filter(|(name, _)| !may(name)).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
}

/// What `t("…")` and `t.nodes("…")` name in a script.
fn named(script: &str) -> impl Iterator<Item = &str> {
    ["t(\"", "t.nodes(\""].into_iter().flat_map(move |call| {
        script.match_indices(call).filter_map(move |(start, _)| {
            let before = script[..start].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '.' {
                return None;
            }
            script[start + call.len()..].split('"').next()
        })
    })
}

#[test]
fn scripts_say_only_what_there_are_words_for() {
    let words = of(Language::English);
    for (name, script) in assets::scripts() {
        let groups: Vec<&Group> = words
            .iter()
            .filter(|(group, _)| script.contains(&format!("./{group}.words.js")))
            .map(|(_, group)| group)
            .collect();
        for word in named(script) {
            let found = groups.iter().any(|group| {
                let mut all = BTreeMap::new();
                flat(group, "", &mut all);
                group.contains_key(word) || all.contains_key(word)
            });
            assert!(found, "{name}: {word}");
        }
    }
}

#[test]
fn whatever_happens_can_be_told() {
    let source = include_str!("../../domain/event.rs");
    let kinds: Vec<_> = source.split("#[serde(rename = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(kinds.len() > 40);
    let mut all = BTreeMap::new();
    flat(&of(Language::English)["console"], "", &mut all);
    for kind in kinds.iter().filter(|kind| kind.contains('.')) {
        assert!(all.contains_key(&format!("event.{kind}")), "{kind}");
    }
}

#[test]
fn no_words_lie_about_unused() {
    let scripts: String = assets::scripts().map(|(_, script)| script).collect();
    let sources: String = templates::SOURCES.iter().map(|(_, source)| *source).collect();
    let rust = concat!(include_str!("../pages.rs"), include_str!("../standalone.rs"));
    for name in texts(Language::English).keys() {
        let (file, word) = name.split_once('.').unwrap();
        // A form for one number is chosen with its word.
        let word = word.strip_suffix(".one").or_else(|| word.strip_suffix(".other")).unwrap_or(word);
        let used = if file == FOR_TEMPLATES {
            let last = word.rsplit('.').next().unwrap();
            // A title is found by the name of its text.
            let last = last.strip_suffix("_title").unwrap_or(last);
            sources.contains(&format!("words.{word}")) || rust.contains(&format!("\"{last}\""))
        } else {
            // Some are named by what the API says: their group is.
            let group = word.split('.').next().unwrap();
            scripts.contains(&format!("\"{word}\""))
                || scripts.contains(&format!("`{group}."))
                || sources.contains(&format!("words.{file}.{word}"))
        };
        assert!(used, "{name}");
    }
}

#[test]
fn a_reader_gets_the_language_that_the_browser_asks_for_most() {
    let asked = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(value));
        Language::asked_for(&headers)
    };
    assert_eq!(Language::asked_for(&HeaderMap::new()), Language::English);
    assert_eq!(asked("de"), Language::German);
    assert_eq!(asked("de-CH, en;q=0.8"), Language::German);
    assert_eq!(asked("fr, de;q=0.5, en;q=0.7"), Language::English);
    assert_eq!(asked("en;q=0.2, de; q=0.9"), Language::German);
    assert_eq!(asked("DE-at"), Language::German);
    assert_eq!(asked("de;q=0"), Language::English);
    assert_eq!(asked("fr"), Language::English);
    assert_eq!(asked("ar"), Language::English, "the mirrored one is nobody's language");
    assert_eq!(asked("ar-XB"), Language::Mirrored);
    for odd in ["", ",,;", "de;q=x", ";;;", "*", "de;q"] {
        assert_eq!(asked(odd), Language::English, "{odd}");
    }
}
