//! The table in docs/storage.md says what is found. A storage that has changed
//! fails here: the table is to be corrected.

use std::{collections::BTreeMap, fs, path::Path};

use cloakroom::{
    app,
    config::{Config, Given},
    doctor::{CONSTRAINTS, Report, Verdict},
};

use super::{runtime, s3, setting};

/// The columns of the table, after the name of the constraint, what is tried and its weight.
const COLUMNS: [&str; 3] = ["embedded", "LocalStack 4.7.0", "MiniStack 1.5.33"];

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/storage.md")).unwrap()
}

/// The cells of each row, under the name of the constraint.
fn table() -> BTreeMap<String, Vec<String>> {
    let page = page();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with('|')).map(cells).collect();
    let head = rows.iter().find(|row| row[0] == "constraint").unwrap();
    assert_eq!(head[3..], COLUMNS, "the columns have changed");
    rows.into_iter().filter(|row| row[0].contains('.')).map(|row| (row[0].clone(), row[1..].to_vec())).collect()
}

#[track_caller]
fn assert_documented(config: &Config, column: usize) -> Report {
    let (_, report) = runtime().block_on(app::diagnose(config)).unwrap();
    let table = table();
    assert_eq!(report.findings.len(), table.len());
    assert!(report.unusable.is_empty() && report.left_behind == 0, "{:?}", report.unusable);
    let differing: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.constraint.id, finding.answer()))
        .filter(|(id, answer)| table[*id][2 + column].trim_matches('*') != answer)
        .collect();
    assert!(differing.is_empty(), "docs/storage.md says otherwise for {}: {differing:?}", COLUMNS[column]);
    report
}

#[test]
fn every_constraint_is_described_as_it_is() {
    let table = table();
    let page = page();
    for constraint in CONSTRAINTS {
        let row = table.get(constraint.id).unwrap_or_else(|| panic!("{} is not in the table", constraint.id));
        assert_eq!(row[..2], [constraint.attempt, constraint.weight.words()], "{}", constraint.id);
        // The meaning stands below, in words of this page's own.
        assert!(page.matches(&format!("`{}`", constraint.id)).count() >= 2, "{} has no meaning", constraint.id);
    }
    assert_eq!(table.len(), CONSTRAINTS.len());
}

#[test]
fn the_embedded_storage() {
    let folder = tempfile::tempdir().unwrap();
    let given = Given { data_dir: Some(folder.path().to_owned()), ..Given::default() };
    let report = assert_documented(&given.complete().unwrap(), 0);
    assert_eq!(report.verdict(), Verdict::Enforced);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn localstack() {
    let folder = tempfile::tempdir().unwrap();
    let config = s3(folder.path(), &setting("CLOAKROOM_TEST_S3_ENDPOINT"), &setting("CLOAKROOM_TEST_BUCKET"));
    let report = assert_documented(&config, 1);
    assert_eq!(report.verdict(), Verdict::Fatal);
    assert!(report.fatal().any(|finding| finding.constraint.id == "post.signature"));
}

#[test]
fn ministack() {
    let folder = tempfile::tempdir().unwrap();
    let config = s3(folder.path(), &setting("CLOAKROOM_TEST_MINISTACK_ENDPOINT"), &setting("CLOAKROOM_TEST_BUCKET"));
    assert_eq!(assert_documented(&config, 2).verdict(), Verdict::Fatal);
}
