//! What came of it.

use std::time::Duration;

use serde::Serialize;

use super::constraints::{Constraint, Method, Weight};

/// Whether the storage holds a request to a constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// What violated it was refused, and nothing came of it.
    Enforced,
    /// What violated it was accepted, or done all the same.
    Ignored,
    /// It could not be told, for this reason.
    Unclear(String),
}

/// One constraint, and how the storage holds it.
#[derive(Debug)]
pub struct Finding {
    /// Which.
    pub constraint: &'static Constraint,
    /// How it is held.
    pub outcome: Outcome,
    /// What the storage answered, where it was an HTTP request of ours.
    pub status: Option<u16>,
    /// What is odd about it, though the outcome stands.
    pub note: Option<&'static str>,
}

impl Finding {
    /// Whether this constraint cannot be relied on. What could not be told cannot.
    pub fn is_open(&self) -> bool {
        self.outcome != Outcome::Enforced
    }

    /// The answer in few words: `refused, 403`; `DONE, 403` where it was refused and done all the same.
    pub fn answer(&self) -> String {
        let (held, passed) = self.constraint.words();
        let word = match self.outcome {
            Outcome::Enforced => held,
            Outcome::Ignored if self.note.is_some() => "DONE",
            Outcome::Ignored => passed,
            Outcome::Unclear(_) => "unclear",
        };
        self.status.map_or_else(|| word.to_owned(), |status| format!("{word}, {status}"))
    }
}

/// Everything taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every constraint is enforced.
    Enforced,
    /// What is not enforced is verified later, or harmless.
    Tolerable,
    /// A capability means nothing here.
    Fatal,
}

/// What an examination has found.
#[derive(Debug)]
pub struct Report {
    /// Every constraint that could be tried, in the order of the table.
    pub findings: Vec<Finding>,
    /// Methods of which even the agreed request is refused, and why. Their constraints were not tried.
    pub unusable: Vec<(Method, String)>,
    /// How many objects and uploads of the probes could not be removed.
    pub left_behind: usize,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// What is not enforced, or could not be told.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_open())
    }

    /// What is not enforced and without which a capability means nothing.
    pub fn fatal(&self) -> impl Iterator<Item = &Finding> {
        self.open().filter(|finding| finding.constraint.weight == Weight::Fatal)
    }

    /// Everything taken together.
    pub fn verdict(&self) -> Verdict {
        if self.fatal().next().is_some() {
            Verdict::Fatal
        } else if self.open().next().is_some() || !self.unusable.is_empty() {
            Verdict::Tolerable
        } else {
            Verdict::Enforced
        }
    }
}
