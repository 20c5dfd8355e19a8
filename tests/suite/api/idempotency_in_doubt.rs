//! Idempotency keys when answers of the store are lost, late or missing: whoever asks again gets the one thing that
//! was created, whichever attempt it was that created it.

use std::{iter::repeat_n, time::Duration};

use cloakroom::{
    clock::Clock,
    crypto::secret::SecretText,
    domain::{
        event::EventType, idempotency::IdempotencyKey, metadata::Metadata, path::PathPin, permission::SharePermission,
        restrictions::Restrictions, share::Pins,
    },
    service::{
        Error,
        idempotency::Answer,
        shares::{MintShare, MintedShare},
    },
    store::faulty::Fault,
};
use futures_util::future::join_all;

use super::laboratory::Laboratory;

/// More than fit before the deadline of a commit.
const WITHOUT_END: usize = 1_000;

/// Asks for a share under this key.
async fn ask(laboratory: &Laboratory, key: &str) -> Result<Answer, Error> {
    let broker = &laboratory.broker;
    let caller = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    let credential = SecretText::new(laboratory.tenant.admin.secret.as_str());
    let key = IdempotencyKey::parse(key).unwrap();
    let asked = broker.asked_once(&caller, Some(&credential), &key, "POST /v1/shares", b"{}").unwrap();
    let wanted = MintShare {
        pins: Pins::new(vec![PathPin::parse("a.txt").unwrap()]).unwrap(),
        permission: SharePermission::Read,
        expires_at: laboratory.clock.now().plus(Duration::from_secs(900)),
        access_seconds: 3_600,
        label: None,
        metadata: Metadata::default(),
        message: None,
        not_before: None,
        redemptions: 1,
        restrictions: Restrictions::default(),
        recipients: None,
        allow_missing: true,
    };
    let render = |minted: &MintedShare| serde_json::to_vec(minted.token.expose());
    broker.once(Some(&asked), &render, async |reply| broker.mint_share(&caller, wanted, reply).await).await
}

async fn minted(laboratory: &Laboratory) -> usize {
    laboratory.events().await.iter().filter(|event| event.kind == EventType::ShareCreated).count()
}

#[tokio::test]
async fn whatever_becomes_of_the_answers_one_share_is_minted() {
    let laboratory = Laboratory::new().await;
    let pairs = Fault::ALL.iter().flat_map(|first| Fault::ALL.iter().map(move |second| (*first, *second)));
    for (number, (first, second)) in pairs.enumerate() {
        let key = format!("key-{number}");
        laboratory.faults.plan([first, second]);
        let answered = ask(&laboratory, &key).await.unwrap();
        laboratory.faults.clear_plan();
        laboratory.faults.settle().await;
        let again = ask(&laboratory, &key).await.unwrap();
        assert_eq!((&again.body, again.replayed), (&answered.body, true), "{first:?} {second:?}");
        assert_eq!(minted(&laboratory).await, number + 1, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn whoever_was_told_nothing_asks_again_and_gets_what_was_minted() {
    // Each waits for the deadline of a commit; all of them together, once.
    let faults = [Fault::Failed, Fault::FailedButApplied, Fault::AppliedLate];
    join_all(faults.iter().flat_map(|fault| [true, false].map(|late_first| told_nothing(*fault, late_first)))).await;
}

async fn told_nothing(fault: Fault, late_first: bool) {
    let laboratory = Laboratory::new().await;
    let then = if fault == Fault::AppliedLate { Fault::Failed } else { fault };
    laboratory.faults.plan([fault]);
    laboratory.faults.plan(repeat_n(then, WITHOUT_END));
    let nothing = ask(&laboratory, "key").await;
    match fault {
        // A reply that is there proves its commit; one that is not there would prove nothing.
        Fault::FailedButApplied => assert!(nothing.is_ok()),
        _ => assert!(matches!(nothing, Err(Error::Unavailable(_))), "{fault:?}"),
    }

    // What is held up comes before they ask again, or while they do.
    laboratory.faults.clear_plan();
    if late_first {
        laboratory.faults.settle().await;
    }
    let first = ask(&laboratory, "key").await.unwrap();
    laboratory.faults.settle().await;
    let again = ask(&laboratory, "key").await.unwrap();
    assert_eq!((&again.body, again.replayed), (&first.body, true), "{fault:?} {late_first}");
    assert_eq!(minted(&laboratory).await, 1, "{fault:?} {late_first}");
}

#[tokio::test]
async fn of_many_who_ask_at_once_in_doubt_all_get_one_share() {
    let laboratory = Laboratory::new().await;
    laboratory.faults.plan(Fault::ALL.iter().cycle().take(64).copied());
    let answers = join_all((0..16).map(|_| ask(&laboratory, "key"))).await;
    laboratory.faults.clear_plan();
    laboratory.faults.settle().await;
    let one = ask(&laboratory, "key").await.unwrap();
    for answer in answers {
        assert_eq!(answer.unwrap().body, one.body);
    }
    assert_eq!(minted(&laboratory).await, 1);
}

#[tokio::test]
async fn while_nothing_can_be_read_nothing_is_minted() {
    let laboratory = Laboratory::new().await;
    ask(&laboratory, "key").await.unwrap();
    let caller = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    laboratory.faults.fail_reads(true);
    let key = IdempotencyKey::parse("key").unwrap();
    let asked = laboratory.broker.asked_once(&caller, None, &key, "", b"").unwrap();
    let render = |(): &()| Ok(Vec::new());
    let answer: Result<_, Error> =
        laboratory.broker.once(Some(&asked), &render, async |_| panic!("what was done before is not known")).await;
    assert!(matches!(answer, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn another_credential_of_the_principal_does_not_open_a_reply_nor_mint_again() {
    let laboratory = Laboratory::new().await;
    ask(&laboratory, "key").await.unwrap();
    let caller = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    let key = IdempotencyKey::parse("key").unwrap();
    let rotated = SecretText::new("another secret of the same key");
    let asked = laboratory.broker.asked_once(&caller, Some(&rotated), &key, "POST /v1/shares", b"{}").unwrap();
    let render = |(): &()| Ok(Vec::new());
    let answer: Result<_, Error> =
        laboratory.broker.once(Some(&asked), &render, async |_| panic!("this was done before")).await;
    assert!(matches!(answer, Err(Error::Conflict { code: "idempotency_key_sealed", .. })));
}
