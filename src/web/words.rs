//! Words: every text that people read on a page, in each language, and which
//! language a reader gets.
//!
//! A text is plain: `{name}` stands for what is filled in, `**…**` is strong.
//! No markup, and nothing that anybody else wrote.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap};
use serde_json::{Map, Value};

/// A language that pages speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Language {
    English,
    German,
    /// English from right to left, in brackets: shows what was never translated and what
    /// does not mirror. Only for browsers that ask for `ar-XB`, as no reader's does.
    Mirrored,
}

/// The texts of one place, by name: for each of several forms, one by number.
type Group = Map<String, Value>;

macro_rules! groups {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("words/en/", $name, ".json")), include_str!(concat!("words/de/", $name, ".json")))),*]
    };
}

/// Each file of words: its name, in English, in German.
const FILES: [(&str, &str, &str); 9] =
    groups!["pages", "common", "share", "link", "recipient", "request", "upload", "session", "console"];

/// The one that only templates read; every other is a module for scripts.
pub(super) const FOR_TEMPLATES: &str = "pages";

impl Language {
    pub(super) const ALL: [Self; 3] = [Self::English, Self::German, Self::Mirrored];

    /// Its tag (RFC 5646).
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Mirrored => "ar-XB",
        }
    }

    pub(super) const fn direction(self) -> &'static str {
        match self {
            Self::English | Self::German => "ltr",
            Self::Mirrored => "rtl",
        }
    }

    pub(super) fn tagged(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The one that a browser asks for most (RFC 9110, section 12.5.4); English where it asks for none of them.
    pub(super) fn asked_for(headers: &HeaderMap) -> Self {
        let asked = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (0.0, Self::English);
        for range in asked.split(',').take(32) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()).unwrap_or(0.0);
            let language = Self::of_range(tag.trim());
            if let Some(language) = language.filter(|_| weight > best.0) {
                best = (weight, language);
            }
        }
        best.1
    }

    fn of_range(range: &str) -> Option<Self> {
        let primary = range.split('-').next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(range) || language.tag().eq_ignore_ascii_case(primary))
    }
}

/// All texts of a language, by the name of their file.
pub(super) fn of(language: Language) -> &'static BTreeMap<&'static str, Group> {
    static ALL: LazyLock<BTreeMap<Language, BTreeMap<&'static str, Group>>> = LazyLock::new(|| {
        let texts = |language: Language| {
            FILES.iter().map(move |(name, english, german)| {
                let text = if language == Language::German { german } else { english };
                let group = parsed(text);
                (*name, if language == Language::Mirrored { mirrored(group) } else { group })
            })
        };
        Language::ALL.into_iter().map(|language| (language, texts(language).collect())).collect()
    });
    &ALL[&language]
}

/// As a module for scripts.
pub(super) fn module(group: &Group) -> String {
    // JSON is JavaScript since ECMAScript 2019.
    format!("export default {};\n", Value::Object(group.clone()))
}

#[expect(clippy::expect_used, reason = "these files are part of the program, and a test reads each")]
fn parsed(text: &str) -> Group {
    serde_json::from_str(text).expect("a file of words is a JSON object")
}

fn mirrored(group: Group) -> Group {
    fn bracketed(value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(format!("⟦{text}⟧")),
            Value::Object(inner) => Value::Object(mirrored(inner)),
            other => other,
        }
    }
    group.into_iter().map(|(name, value)| (name, bracketed(value))).collect()
}

#[cfg(test)]
mod tests;
