//! What a start makes of a storage that does not enforce what its URLs say.

use std::process::Command;

use crate::program::process::{Place, fault, nobody, outcome};

use super::{
    fence::{Fence, Pass},
    setting,
};

fn localstack() -> String {
    setting("CLOAKROOM_TEST_S3_ENDPOINT")
}

/// LocalStack behind a fence that lets these forms and requests of uploads in parts pass.
fn fenced(forms: Pass, parts: Pass) -> String {
    Fence { forms, parts }.before(&localstack())
}

/// A broker with its state here and its objects there.
fn serve(place: &Place, endpoint: &str, unenforced: Option<&str>) -> Command {
    let mut command = place.command("serve");
    for credential in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        command.env(credential, setting(credential));
    }
    command
        .env("CLOAKROOM_OBJECTS", "s3")
        .env("CLOAKROOM_S3_BUCKET", setting("CLOAKROOM_TEST_BUCKET"))
        .env("CLOAKROOM_S3_ENDPOINT", endpoint)
        .env("CLOAKROOM_S3_PATH_STYLE", "true");
    if let Some(unenforced) = unenforced {
        command.env("CLOAKROOM_UNENFORCED", unenforced);
    }
    command
}

#[track_caller]
fn refusal(endpoint: &str, unenforced: Option<&str>) -> String {
    let place = Place::new();
    fault(&outcome(&mut serve(&place, endpoint, unenforced)))
}

#[test]
fn by_default_it_does_not_start_and_says_why() {
    for unenforced in [None, Some("refuse")] {
        let fault = refusal(&localstack(), unenforced);
        for words in [
            "put.unsigned",
            "a forged policy signature (post.signature, ACCEPTED, 204)",
            "cloakroom doctor",
            "CLOAKROOM_UNENFORCED=accept",
        ] {
            assert!(fault.contains(words), "{words}: {fault}");
        }
    }
}

#[test]
fn what_cannot_be_left_out_is_not_downgraded() {
    let fault = refusal(&localstack(), Some("downgrade"));
    assert!(fault.contains("put.unsigned") && fault.contains("get.unsigned"), "{fault}");
    assert!(!fault.contains("post.signature"), "forms would be left out: {fault}");
    assert!(fault.contains("no method of upload can be left out"), "{fault}");
}

#[test]
fn forms_are_left_out_when_nothing_else_is_wrong() {
    let fenced = fenced(Pass::All, Pass::Signed);
    let fault = refusal(&fenced, None);
    assert!(fault.contains("post.signature") && fault.contains("CLOAKROOM_UNENFORCED=downgrade"), "{fault}");
    assert!(!fault.contains("put.") && !fault.contains("get."), "{fault}");

    let place = Place::new();
    let served = place.serve_as(serve(&place, &fenced, Some("downgrade")));
    let log = served.log();
    assert!(log.contains("Offered { post: false, multipart: true }"), "{log}");
    assert!(log.contains("withheld: the object storage does not check"), "{log}");
    served.stop();
}

#[test]
fn parts_are_left_out_when_nothing_else_is_wrong() {
    let fenced = fenced(Pass::Nothing, Pass::All);
    let fault = refusal(&fenced, None);
    assert!(fault.contains("no signature at all (part.unsigned, ACCEPTED, 200)"), "{fault}");
    assert!(fault.contains("CLOAKROOM_UNENFORCED=downgrade starts without uploads in parts;"), "{fault}");
    assert!(!fault.contains("put.") && !fault.contains("post.") && !fault.contains("get."), "{fault}");

    for (unenforced, offered) in [("downgrade", "multipart: false"), ("accept", "multipart: true")] {
        let place = Place::new();
        let served = place.serve_as(serve(&place, &fenced, Some(unenforced)));
        let log = served.log();
        assert!(log.contains(&format!("Offered {{ post: false, {offered} }}")), "{unenforced}: {log}");
        served.stop();
    }
}

#[test]
fn forms_and_parts_are_left_out_together() {
    let fenced = fenced(Pass::All, Pass::All);
    let fault = refusal(&fenced, None);
    assert!(fault.contains("part.unsigned") && fault.contains("post.signature"), "{fault}");
    assert!(fault.contains("starts without uploads by form and without uploads in parts"), "{fault}");
    let place = Place::new();
    let served = place.serve_as(serve(&place, &fenced, Some("downgrade")));
    assert!(served.log().contains("Offered { post: false, multipart: false }"), "{}", served.log());
    served.stop();
}

#[test]
fn a_storage_without_parts_is_served_without_them() {
    let fenced = fenced(Pass::Nothing, Pass::Nothing);
    for unenforced in [None, Some("downgrade"), Some("accept")] {
        let place = Place::new();
        let served = place.serve_as(serve(&place, &fenced, unenforced));
        let log = served.log();
        assert!(log.contains("method=Part") || log.contains(r#""Part""#), "{log}");
        assert!(log.contains("Offered { post: false, multipart: false }"), "{log}");
        served.stop();
    }
}

#[test]
fn a_storage_without_forms_is_served_without_them() {
    let fenced = fenced(Pass::Nothing, Pass::Signed);
    for unenforced in [None, Some("downgrade"), Some("accept")] {
        let place = Place::new();
        let served = place.serve_as(serve(&place, &fenced, unenforced));
        let log = served.log();
        assert!(log.contains("does not do what was agreed: not offered"), "{log}");
        assert!(log.contains("Offered { post: false, multipart: true }"), "{log}");
        served.stop();
    }
}

#[test]
fn an_emulator_is_accepted_by_name() {
    let place = Place::new();
    let served = place.serve_as(serve(&place, &localstack(), Some("accept")));
    let log = served.log();
    assert!(log.contains("Offered { post: true, multipart: true }"), "{log}");
    for constraint in ["put.unsigned", "post.signature", "get.unsigned"] {
        let line = log.lines().find(|line| line.contains(&format!("\"{constraint}\""))).unwrap_or_default();
        assert!(line.contains("WARN") && line.contains("fatal") && line.contains("ACCEPTED"), "{constraint}: {log}");
    }
    served.stop();
}

#[test]
fn a_storage_that_does_not_answer_is_never_accepted() {
    let (_taken, nobody) = nobody();
    for unenforced in ["refuse", "downgrade", "accept"] {
        let fault = refusal(&format!("http://{nobody}"), Some(unenforced));
        for words in ["the object storage cannot be examined", "does not answer"] {
            assert!(fault.contains(words), "{words}: {fault}");
        }
        assert!(!fault.contains("X-Amz") && !fault.contains("inbox/"), "{fault}");
    }
}

#[test]
fn nothing_else_can_be_asked_for() {
    let place = Place::new();
    let output = outcome(&mut serve(&place, &localstack(), Some("ignore")));
    let remarked = String::from_utf8(output.stderr).unwrap();
    assert!(remarked.contains("CLOAKROOM_UNENFORCED") || remarked.contains("--unenforced"), "{remarked}");
    assert!(!place.data_dir().exists());
}

#[test]
fn the_embedded_storage_is_not_examined() {
    let place = Place::new();
    let served = place.serve();
    assert!(!served.log().contains("object storage examined"), "{}", served.log());
    served.stop();
}
