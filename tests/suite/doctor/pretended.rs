//! Storages of all bad kinds: each is seen for what it is, and nothing is left in it.

use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom::{
    clock::{Clock, SystemClock},
    doctor::{CONSTRAINTS, Method, NotExamined, Outcome, Report, Verdict, Weight, examine, namespace},
    domain::instant::Instant,
    entropy::SystemEntropy,
};

use super::{
    pretender::{LIE, Pretender, Whim},
    runtime,
};

fn examined(pretender: &Pretender, clock: &dyn Clock) -> Result<Report, NotExamined> {
    let namespace = namespace(&SystemClock::default(), &SystemEntropy);
    runtime().block_on(examine(&pretender.storage(), clock, &SystemEntropy, namespace))
}

#[test]
fn a_storage_that_accepts_everything_is_fatal_in_every_respect() {
    let pretender = Pretender::start(|_| None);
    let report = examined(&pretender, &SystemClock::default()).unwrap();
    assert_eq!(report.verdict(), Verdict::Fatal);
    let enforced: Vec<_> = report.findings.iter().filter(|finding| finding.outcome != Outcome::Ignored).collect();
    assert!(enforced.is_empty(), "{enforced:?}");
    assert_eq!(report.findings.len(), CONSTRAINTS.len());
    let fatal = CONSTRAINTS.iter().filter(|constraint| constraint.weight == Weight::Fatal).count();
    assert_eq!(report.fatal().count(), fatal);
    assert_eq!((report.left_behind, pretender.left()), (0, vec![]));
    for finding in report.open() {
        let table = report.table("It");
        assert!(table.contains(finding.constraint.id) && table.contains("ACCEPTED"), "{table}");
    }
}

#[test]
fn a_storage_that_refuses_what_was_agreed_is_not_examined() {
    const SIGNED: &str = "X-Amz-Signature=";
    let cases: [(Whim, &str); 4] = [
        (|request| refused_if(request, "PUT", SIGNED, "SignatureDoesNotMatch"), "credentials"),
        (|request| refused_if(request, "PUT", SIGNED, "NoSuchBucket"), "CLOAKROOM_S3_BUCKET"),
        (|request| refused_if(request, "GET", SIGNED, "AccessDenied"), "a download as agreed fails"),
        // Its own requests carry no signature in the query.
        (|request| refused_if(request, "PUT", "", "InvalidAccessKeyId"), "403"),
    ];
    for (whim, words) in cases {
        let pretender = Pretender::start(whim);
        let fault = examined(&pretender, &SystemClock::default()).unwrap_err().to_string();
        assert!(fault.contains(words), "{words}: {fault}");
        assert_eq!(pretender.left(), [""; 0]);
    }
}

fn refused_if(
    request: &actix_web::HttpRequest,
    method: &str,
    query: &str,
    code: &'static str,
) -> Option<(u16, &'static str)> {
    (request.method() == method && request.query_string().contains(query)).then_some((403, code))
}

#[test]
fn a_refusal_that_is_none_is_seen() {
    let pretender = Pretender::start(|request| {
        let is_bent = ["x-amz-acl", "x-amz-meta-extra"].iter().any(|name| request.headers().contains_key(*name))
            || request.method() == "DELETE" && is_signed(request);
        is_bent.then_some((403, LIE))
    });
    let report = examined(&pretender, &SystemClock::default()).unwrap();
    for id in ["put.acl", "put.delete", "get.delete", "part.metadata", "part.delete"] {
        let finding = report.findings.iter().find(|finding| finding.constraint.id == id).unwrap();
        assert_eq!((&finding.outcome, finding.answer()), (&Outcome::Ignored, "DONE, 403".to_owned()), "{id}");
    }
    assert_eq!(pretender.left(), [""; 0]);
}

#[test]
fn a_life_that_its_holder_writes_longer_is_seen() {
    // It goes by what the URL says, and by no signature. What is signed for a minute was so two minutes ago.
    let pretender = Pretender::start(|request| {
        request.query_string().contains("X-Amz-Expires=60&").then_some((403, "AccessDenied"))
    });
    let report = examined(&pretender, &SystemClock::default()).unwrap();
    for method in ["put", "part", "get"] {
        let outcome = |name: &str| {
            let id = format!("{method}.{name}");
            &report.findings.iter().find(|finding| finding.constraint.id == id).unwrap().outcome
        };
        assert_eq!([outcome("expired"), outcome("extended")], [&Outcome::Enforced, &Outcome::Ignored], "{method}");
    }
}

fn is_signed(request: &actix_web::HttpRequest) -> bool {
    request.query_string().contains("X-Amz-Signature=")
}

#[test]
fn a_storage_without_forms_is_said_to_have_none() {
    let pretender = Pretender::start(|request| {
        let is_form = request.method() == "POST" && request.query_string().is_empty();
        is_form.then_some((403, "MethodNotAllowed"))
    });
    let report = examined(&pretender, &SystemClock::default()).unwrap();
    let [(Method::Post, reason)] = &report.unusable[..] else { panic!("{:?}", report.unusable) };
    assert!(reason.contains("MethodNotAllowed"), "{reason}");
    assert!(report.findings.iter().all(|finding| finding.constraint.method != Method::Post));
    assert!(report.table("It").contains("cannot be used, and is not offered"));
}

#[test]
fn a_storage_without_parts_is_said_to_have_none() {
    let cases: [(Whim, &str); 5] = [
        (|request| refused_if(request, "POST", "uploads", "MethodNotAllowed"), "MethodNotAllowed"),
        (|request| refused_if(request, "PUT", "uploadId=", "AccessDenied"), "role"),
        // Answered as if it were done.
        (|request| (request.query_string().contains("partNumber=")).then_some((200, "")), "does not find it"),
        (|request| refused_if(request, "POST", "uploadId=", "InvalidPart"), "completing it fails"),
        (|request| refused_if(request, "POST", "uploadId=", "").map(|_| (200, "")), "something else is stored"),
    ];
    for (whim, words) in cases {
        let pretender = Pretender::start(whim);
        let report = examined(&pretender, &SystemClock::default()).unwrap();
        let [(Method::Part, reason)] = &report.unusable[..] else { panic!("{words}: {:?}", report.unusable) };
        assert!(reason.contains(words), "{words}: {reason}");
        assert!(report.findings.iter().all(|finding| finding.constraint.method != Method::Part));
        assert_eq!((report.left_behind, pretender.left()), (0, vec![]), "{words}");
    }
}

/// Shows the time, and panics when it is asked for the n-th time.
struct Stumbling {
    clock: SystemClock,
    left: AtomicUsize,
}

impl Clock for Stumbling {
    fn now(&self) -> Instant {
        assert_ne!(self.left.fetch_sub(1, Ordering::SeqCst), 0, "as planned by the test");
        self.clock.now()
    }
}

#[test]
fn nothing_is_left_behind_whatever_happens() {
    let pretender = Pretender::start(|_| None);
    let mut faults = 0;
    // From the agreed uploads, which take ten readings, to the last probes; the first reading is its own.
    for planned in [2, 3, 4, 5, 7, 9, 14, 21, 34, 55, 89, 100] {
        let clock = Stumbling { clock: SystemClock::default(), left: AtomicUsize::new(planned) };
        match examined(&pretender, &clock) {
            // Only an agreed upload or download, before the first probe, ends everything.
            Err(fault) => {
                let fault = fault.to_string();
                assert!(
                    planned <= 10 && fault.contains("as agreed fails: the probe itself failed"),
                    "{planned}: {fault}"
                );
            }
            Ok(report) => {
                let of_ours = |reason: &str| usize::from(reason.contains("a fault of ours"));
                let unusable: usize = report.unusable.iter().map(|(_, reason)| of_ours(reason)).sum();
                let unclear = report.findings.iter().map(|finding| match &finding.outcome {
                    Outcome::Unclear(reason) => of_ours(reason),
                    _ => 0,
                });
                assert_eq!(unusable + unclear.sum::<usize>(), 1, "{planned}");
                assert_eq!(report.left_behind, 0);
            }
        }
        faults += usize::from(clock.left.load(Ordering::SeqCst) > usize::MAX / 2);
        assert_eq!(pretender.left(), [""; 0], "after {planned}");
    }
    assert_eq!(faults, 12, "each clock stumbled");
}

#[test]
fn what_cannot_be_removed_is_told() {
    let cases: [(Whim, &str); 2] = [
        (|request| refused_if(request, "DELETE", "x-id=DeleteObject", "AccessDenied"), "inbox/"),
        (|request| refused_if(request, "DELETE", "x-id=AbortMultipartUpload", "AccessDenied"), "upload-"),
    ];
    for (whim, named) in cases {
        let pretender = Pretender::start(whim);
        let report = examined(&pretender, &SystemClock::default()).unwrap();
        let left = pretender.left();
        assert!(!left.is_empty() && left.iter().all(|left| left.contains(named)), "{left:?}");
        assert!(report.left_behind >= left.len() && report.table("It").contains("could not be removed"));
    }
}
