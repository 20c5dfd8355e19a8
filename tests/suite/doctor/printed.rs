//! The command: a table, JSON, and an exit code.

use std::{fs, process::Command};

use serde_json::Value;

use crate::program::process::{Place, fault, outcome, wrote};

use super::{
    fence::{Fence, Pass},
    setting,
};

fn doctor(place: &Place, endpoint: &str) -> Command {
    let mut command = place.command("doctor");
    for credential in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        command.env(credential, setting(credential));
    }
    command
        .env("CLOAKROOM_OBJECTS", "s3")
        .env("CLOAKROOM_S3_BUCKET", setting("CLOAKROOM_TEST_BUCKET"))
        .env("CLOAKROOM_S3_ENDPOINT", endpoint)
        .env("CLOAKROOM_S3_PATH_STYLE", "true");
    command
}

#[test]
fn the_embedded_storage_beside_one_that_is_served() {
    let place = Place::new();
    let (table, _) = wrote(&place.run("doctor"), 0);
    assert!(table.contains("This storage keeps every promise."), "{table}");
    assert!(!place.data_dir().exists(), "nothing was made");
    // The real one is open, and is left alone.
    let served = place.serve();
    let (table, _) = wrote(&place.run("doctor"), 0);
    assert!(!table.contains(['✗', '?']), "{table}");
    let names = fs::read_dir(place.data_dir()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("doctor")), "its folder is gone");
    served.stop();
}

#[test]
fn something_fatal_ends_with_1() {
    let place = Place::new();
    let endpoint = setting("CLOAKROOM_TEST_S3_ENDPOINT");
    let (table, remarked) = wrote(&outcome(&mut doctor(&place, &endpoint)), 1);
    assert!(table.contains("put.unsigned, post.unsigned, part.unsigned (fatal)"), "said once: {table}");
    assert!(table.contains(&endpoint) && table.contains("a forged policy signature"), "{table}");
    assert!(table.contains("must not hold anything of value") && remarked.is_empty(), "{table}{remarked}");

    let (json, _) = wrote(&outcome(doctor(&place, &endpoint).arg("--json")), 1);
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["verdict"], &report["left_behind"]), (&"fatal".into(), &0.into()));
    let findings = report["findings"].as_array().unwrap();
    let forged = findings.iter().find(|finding| finding["id"] == "post.signature").unwrap();
    assert_eq!(
        [&forged["method"], &forged["weight"], &forged["outcome"], &forged["status"]],
        [&Value::from("post"), &"fatal".into(), &"ignored".into(), &204.into()]
    );
    assert!(!place.data_dir().exists());
}

#[test]
fn something_tolerable_ends_with_2() {
    let place = Place::new();
    let fence = Fence { forms: Pass::Nothing, parts: Pass::Signed };
    let fenced = fence.before(&setting("CLOAKROOM_TEST_S3_ENDPOINT"));
    let (table, _) = wrote(&outcome(&mut doctor(&place, &fenced)), 2);
    assert!(table.contains("This storage can be used") && !table.contains('✗'), "{table}");
    assert!(table.contains("cannot be used, and is not offered"), "{table}");
}

#[test]
fn a_storage_that_is_not_there_is_told() {
    let place = Place::new();
    assert!(fault(&outcome(&mut doctor(&place, "http://127.0.0.1:1"))).contains("cannot be examined"));
    let endpoint = setting("CLOAKROOM_TEST_S3_ENDPOINT");
    let fault = fault(&outcome(doctor(&place, &endpoint).env("CLOAKROOM_S3_BUCKET", "none-of-this-name")));
    assert!(fault.contains("NoSuchBucket") && fault.contains("CLOAKROOM_S3_BUCKET"), "{fault}");
}
