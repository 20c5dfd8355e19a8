//! What earlier runs have declared: an interrupted one is gone on with, and
//! whoever delivers knows what they have delivered, which no list shows them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::{client::text, kept::Kept};

/// An upload that was declared, and for a single request how it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Declared {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) headers: Value,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    path: String,
    #[serde(flatten)]
    declared: Declared,
}

/// The last upload under each path, as earlier runs have declared them.
pub(super) struct Memory {
    kept: Kept,
    declared: HashMap<String, Declared>,
}

impl Declared {
    /// What a server answered.
    pub(super) fn of(view: &Value) -> Self {
        Self { id: text(view, "id").into(), url: text(view, "url").into(), headers: view["headers"].clone() }
    }
}

impl Memory {
    pub(super) fn of(kept: &Kept) -> Self {
        let entries = kept.entries::<Entry>().into_iter();
        Self { kept: kept.clone(), declared: entries.map(|entry| (entry.path, entry.declared)).collect() }
    }

    /// What an earlier run declared last under this path.
    pub(super) fn declared(&self, path: &str) -> Option<&Declared> {
        self.declared.get(path)
    }

    /// Keeps for the next run what was declared in this one.
    pub(super) fn add(&self, path: &str, declared: &Declared) {
        // Where it cannot be kept, the next run begins anew.
        let _ = self.kept.add(&Entry { path: path.to_owned(), declared: declared.clone() });
    }
}
