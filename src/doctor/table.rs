//! A report in words: a table for people, JSON for machines.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{
    constraints::{CONSTRAINTS, Method},
    report::{Finding, Outcome, Report, Verdict},
};

/// Long lines break here.
const WIDTH: usize = 88;

impl Report {
    /// The table for people. `storage` says which one it is.
    pub fn table(&self, storage: &str) -> String {
        let mut text = format!("{storage}\n");
        let attempts = CONSTRAINTS.iter().map(|constraint| constraint.attempt.chars().count());
        let widest = attempts.max().unwrap_or_default();
        for method in Method::ALL {
            line(&mut text, format_args!("\n  {}\n", method.title()));
            if let Some((_, reason)) = self.unusable.iter().find(|(other, _)| *other == method) {
                line(&mut text, format_args!("    ?  cannot be used, and is not offered\n"));
                paragraph(&mut text, "       ", reason);
            } else if method != Method::Copy {
                // Else a refusal would mean nothing, and there would be no report.
                line(&mut text, format_args!("    ✓  {:<widest$}   accepted\n", "what was agreed"));
            }
            for finding in self.findings.iter().filter(|finding| finding.constraint.method == method) {
                let weight = if finding.is_open() { finding.constraint.weight.words() } else { "" };
                let row = format!(
                    "    {}  {:<widest$}   {:<13}  {weight}",
                    mark(finding),
                    finding.constraint.attempt,
                    finding.answer()
                );
                line(&mut text, format_args!("{}\n", row.trim_end()));
            }
        }
        self.explain(&mut text);
        self.conclude(&mut text);
        text
    }

    /// What everything that is open means.
    fn explain(&self, text: &mut String) {
        let mut open: Vec<_> = self.open().collect();
        open.sort_by_key(|finding| std::cmp::Reverse(finding.constraint.weight));
        if !open.is_empty() {
            text.push_str("\n  What this means\n");
        }
        for (position, finding) in open.iter().enumerate() {
            let constraint = finding.constraint;
            let says_the_same = |other: &&&Finding| {
                let theirs = other.constraint;
                (theirs.weight, theirs.meaning) == (constraint.weight, constraint.meaning)
                    && other.outcome == finding.outcome
            };
            if open[..position].iter().any(|earlier| says_the_same(&earlier)) {
                continue;
            }
            let ids: Vec<_> = open.iter().filter(says_the_same).map(|same| same.constraint.id).collect();
            text.push('\n');
            paragraph(text, "    ", &format!("{} ({})", ids.join(", "), constraint.weight.words()));
            if let Outcome::Unclear(reason) = &finding.outcome {
                paragraph(text, "      ", &format!("It could not be told: {reason}. If the storage ignores it:"));
            }
            paragraph(text, "      ", constraint.meaning);
        }
    }

    fn conclude(&self, text: &mut String) {
        let enforced = self.findings.iter().filter(|finding| !finding.is_open()).count();
        let seconds = self.took.as_secs_f64();
        line(text, format_args!("\n  {enforced} of {} enforced, in {seconds:.1} s\n", self.findings.len()));
        let noted = self.findings.iter().filter(|finding| finding.note.is_some() && !finding.is_open()).count();
        if noted > 0 {
            let noted = if noted == 1 { "One was".into() } else { format!("{noted} were") };
            line(text, format_args!("  {noted} refused with a status of 5xx: as a fault of the storage's own.\n"));
        }
        if self.left_behind > 0 {
            let count = self.left_behind;
            line(
                text,
                format_args!(
                    "  {count} objects or uploads of the probes could not be removed: they lie under inbox/.\n"
                ),
            );
        }
        text.push('\n');
        paragraph(
            text,
            "  ",
            match self.verdict() {
                Verdict::Enforced => "This storage keeps every promise.",
                Verdict::Tolerable => {
                    "This storage can be used: what it lets pass costs bytes, or convenience, and no more."
                }
                Verdict::Fatal => {
                    "This storage must not hold anything of value: what it lets pass leaves nothing of a capability. The \
                     broker does not start with it, unless CLOAKROOM_UNENFORCED says so."
                }
            },
        );
    }

    /// The same for machines.
    pub fn to_json(&self, storage: &str) -> Value {
        let finding = |finding: &Finding| {
            let (outcome, reason) = match &finding.outcome {
                Outcome::Enforced => ("enforced", None),
                Outcome::Ignored => ("ignored", None),
                Outcome::Unclear(reason) => ("unclear", Some(reason)),
            };
            json!({
                "id": finding.constraint.id,
                "method": finding.constraint.method,
                "attempt": finding.constraint.attempt,
                "weight": finding.constraint.weight,
                "outcome": outcome,
                "status": finding.status,
                "reason": reason,
                "note": finding.note,
            })
        };
        let unusable = |(method, reason): &(Method, String)| json!({ "method": method, "reason": reason });
        json!({
            "storage": storage,
            "verdict": self.verdict(),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "unusable": self.unusable.iter().map(unusable).collect::<Vec<_>>(),
            "left_behind": self.left_behind,
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

fn mark(finding: &Finding) -> char {
    match finding.outcome {
        Outcome::Enforced => '✓',
        Outcome::Ignored => '✗',
        Outcome::Unclear(_) => '?',
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _written = text.write_fmt(line);
}

/// Words in lines of bearable length.
fn paragraph(text: &mut String, indent: &str, words: &str) {
    let mut length = 0;
    for word in words.split_whitespace() {
        let wanted = word.chars().count() + 1;
        if length > 0 && indent.len() + length + wanted > WIDTH {
            text.push('\n');
            length = 0;
        }
        text.push_str(if length == 0 { indent } else { " " });
        text.push_str(word);
        length += wanted;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report(open: &[(&str, Outcome)]) -> Report {
        let finding = |constraint: &'static super::super::Constraint| {
            let found = open.iter().find(|(id, _)| *id == constraint.id);
            let outcome = found.map_or(Outcome::Enforced, |(_, outcome)| outcome.clone());
            Finding { constraint, outcome, status: Some(403), note: None }
        };
        Report {
            findings: CONSTRAINTS.iter().map(finding).collect(),
            unusable: Vec::new(),
            left_behind: 0,
            took: Duration::from_millis(1_234),
        }
    }

    #[test]
    fn a_verdict_is_that_of_the_gravest() {
        assert_eq!(report(&[]).verdict(), Verdict::Enforced);
        assert_eq!(report(&[("put.acl", Outcome::Ignored)]).verdict(), Verdict::Tolerable);
        assert_eq!(report(&[("put.longer", Outcome::Unclear("x".into()))]).verdict(), Verdict::Tolerable);
        let fatal = report(&[("put.acl", Outcome::Ignored), ("post.signature", Outcome::Ignored)]);
        assert_eq!(fatal.verdict(), Verdict::Fatal);
        // What cannot be told cannot be relied on.
        assert_eq!(report(&[("get.expired", Outcome::Unclear("x".into()))]).verdict(), Verdict::Fatal);
        let unusable = Report { unusable: vec![(Method::Post, "x".into())], ..report(&[]) };
        assert_eq!(unusable.verdict(), Verdict::Tolerable);
    }

    #[test]
    fn a_table_is_aligned_and_no_line_is_long() {
        let reason = "the storage does not answer ".repeat(9);
        let table = report(&[("put.unsigned", Outcome::Ignored), ("get.key", Outcome::Unclear(reason))]).table("S3");
        let answers: Vec<_> = table.lines().filter_map(|line| line.find(", 403")).collect();
        assert_eq!(answers.len(), CONSTRAINTS.len());
        for line in table.lines() {
            assert!(line.chars().count() <= WIDTH && line.trim_end() == line, "{line:?}");
        }
        assert!(table.contains("ACCEPTED, 403  fatal") && table.contains("put.unsigned (fatal)"), "{table}");
    }

    #[test]
    fn names_are_unique_and_say_their_method() {
        let mut ids: Vec<_> = CONSTRAINTS.iter().map(|constraint| constraint.id).collect();
        for constraint in CONSTRAINTS {
            let method = format!("{:?}.", constraint.method).to_lowercase();
            assert!(constraint.id.starts_with(&method), "{}", constraint.id);
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CONSTRAINTS.len());
    }
}
