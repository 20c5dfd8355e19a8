//! Nothing of an examination stays: no object, and no upload in parts that is under way.

use cloakroom::{
    clock::SystemClock,
    doctor::{Method, examine, namespace},
    entropy::SystemEntropy,
    objects::ObjectFolder,
};

use crate::objects::bench::Bench;

fn nothing_is_left(bench: &Bench) {
    let clock = SystemClock::default();
    let namespace = namespace(&clock, &SystemEntropy);
    let report = bench.wait(examine(bench.storage.as_ref(), &clock, &SystemEntropy, namespace)).unwrap();
    // Uploads were begun.
    assert!(report.findings.iter().any(|finding| finding.constraint.method == Method::Part));
    let folder = ObjectFolder::Inbox(namespace);
    assert_eq!(bench.unfinished_below(&folder.prefix()), 0);
    assert!(bench.wait(bench.storage.list(&folder, None)).unwrap().is_empty());
    assert_eq!(report.left_behind, 0);
}

#[test]
fn embedded() {
    nothing_is_left(&Bench::embedded());
}

#[test]
fn localstack() {
    nothing_is_left(&Bench::localstack());
}

#[test]
fn ministack() {
    nothing_is_left(&Bench::ministack());
}
