//! A root key takes the place of another while replicas run: nothing is rejected, every row is vouched for anew, and the key
//! before is not given up before that.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use cloakroom::{
    crypto::keyring::{KeyState, Keyring, Kid, RootKey},
    domain::{
        permission::SharePermission,
        recipient::Address,
        tenant::{Mode, Namespace},
    },
    entropy::SystemEntropy,
    objects::{ObjectFolder, ObjectStorage},
    service::{
        Broker,
        data_subjects::{EraseSubject, Named},
        ledger_sweep::Extent,
        rewriting::Rewriting,
        rotation::NotTaken,
    },
    store::{RowKey, Store},
};
use futures_util::TryStreamExt;

use super::{
    laboratory::{Claimant, Laboratory},
    ledger::replica,
    ledger_crashes::{Halting, gone_after},
};

/// A broker's keys, and one that is to take the place of the primary one.
struct Rotating {
    before: RootKey,
    after: RootKey,
}

impl Rotating {
    fn of(broker: &Broker) -> Self {
        let before = RootKey::clone(&broker.keyring.keys()[0]);
        Self { before, after: RootKey::generate(KeyState::Staged, &SystemEntropy) }
    }

    fn ring(&self, broker: &Broker, [before, after]: [KeyState; 2]) -> Keyring {
        let keys = [(&self.before, before), (&self.after, after)];
        let keys = keys
            .map(|(key, state)| {
                let mut key = key.clone();
                key.state = state;
                key
            })
            .to_vec();
        Keyring::new(broker.keyring.deployment(), keys).unwrap()
    }

    /// Another process, with the keys in these states.
    fn replica(&self, broker: &Broker, states: [KeyState; 2]) -> Broker {
        Broker {
            keyring: Arc::new(self.ring(broker, states)),
            rotation: Arc::default(),
            data_keys: Arc::default(),
            known_principals: Arc::default(),
            ..replica(broker)
        }
    }
}

const PROMOTED: [KeyState; 2] = [KeyState::AcceptOnly, KeyState::Primary];
const RETIRED: [KeyState; 2] = [KeyState::Retired, KeyState::Primary];

/// Takes all events to their ledgers.
async fn chain(broker: &Broker) {
    replica(broker).chain_everything().await.unwrap();
}

/// Under which root keys rows are.
async fn under(broker: &Broker) -> BTreeSet<[u8; 4]> {
    let (mut kids, mut after) = (BTreeSet::new(), None::<RowKey>);
    loop {
        let rows = broker.store.scan(after.as_ref(), 50).await.unwrap();
        let Some(last) = rows.last() else { return kids };
        after = Some(last.key.clone());
        kids.extend(rows.iter().filter_map(|row| row.body.first_chunk().copied()));
    }
}

#[tokio::test]
async fn every_row_is_vouched_for_anew_and_says_what_it_said() {
    let laboratory = Laboratory::new().await;
    let (broker, rotating) = (&laboratory.broker, Rotating::of(&laboratory.broker));
    let (claimed, open) = (
        laboratory.mint(SharePermission::Read, &["a.txt"]).await,
        laboratory.mint(SharePermission::Read, &["b.txt"]).await,
    );
    let first = Claimant::new();
    laboratory.redeem(&claimed, &first).await.unwrap();
    broker.note_replica().await.unwrap();
    assert_eq!(broker.rewrite_rows().await.unwrap(), Rewriting::Done, "there is no other key");

    assert!(broker.take_keys(&rotating.ring(broker, PROMOTED), &broker.edge).await.unwrap());
    broker.note_replica().await.unwrap();
    let retired = rotating.ring(broker, RETIRED);
    let early = broker.take_keys(&retired, &broker.edge).await;
    assert!(matches!(early, Err(NotTaken::StillUsed(kid)) if kid == rotating.before.kid), "{early:?}");
    // Events go to their ledger first: nobody could vouch for them after that.
    assert_eq!(broker.rewrite_rows().await.unwrap(), Rewriting::Later);
    assert!(matches!(broker.take_keys(&retired, &broker.edge).await, Err(NotTaken::StillUsed(_))));
    chain(broker).await;
    assert_eq!(broker.rewrite_rows().await.unwrap(), Rewriting::Done);
    assert_eq!(under(broker).await, BTreeSet::from([rotating.after.kid.0]));
    assert!(broker.rotation.figures()[0] > 5);

    assert!(broker.take_keys(&retired, &broker.edge).await.unwrap());
    // Another process, which has read nothing yet, finds everything.
    let process = rotating.replica(broker, RETIRED);
    process.check_retired_keys().await.unwrap();
    let admin = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    assert_eq!(process.inspect_share(&admin, claimed.share.grant.id).await.unwrap().claims, 1);
    let namespace = Namespace { tenant: laboratory.tenant.id.parse().unwrap(), mode: Mode::Live };
    let swept = process.sweep_ledger(namespace, Extent::Whole).await.unwrap();
    let proof = swept.redemptions.unwrap();
    assert_eq!((swept.broken, proof.unproven), (None, 0), "{:?}", proof.named);
    // What was sealed under the key before opens no more; what is sealed now does.
    assert!(laboratory.redeem(&open, &Claimant::new()).await.is_err());
    let fresh = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    laboratory.redeem(&fresh, &Claimant::new()).await.unwrap();
}

#[tokio::test]
async fn tokens_are_good_at_every_replica_while_they_change_one_after_the_other() {
    use KeyState::{AcceptOnly, Primary, Staged};
    let laboratory = Laboratory::new().await;
    let rotating = Rotating::of(&laboratory.broker);
    let steps = [[Primary, Staged], [AcceptOnly, Primary]];
    let replicas = [(); 3].map(|()| rotating.replica(&laboratory.broker, steps[0]));
    for changed in 0..=replicas.len() {
        if let Some(next) = changed.checked_sub(1) {
            assert!(
                replicas[next]
                    .take_keys(&rotating.ring(&laboratory.broker, steps[1]), &laboratory.broker.edge)
                    .await
                    .unwrap()
            );
        }
        for minting in &replicas {
            for redeeming in &replicas {
                let minted = laboratory.mint_at(minting, SharePermission::Read, &["a.txt"]).await;
                laboratory.redeem_at(redeeming, &minted, &Claimant::new()).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_begun_while_a_replica_seals_under_the_key_before() {
    let laboratory = Laboratory::new().await;
    let (broker, rotating) = (&laboratory.broker, Rotating::of(&laboratory.broker));
    let behind = rotating.replica(broker, [KeyState::Primary, KeyState::Staged]);
    behind.note_replica().await.unwrap();
    broker.take_keys(&rotating.ring(broker, PROMOTED), &broker.edge).await.unwrap();
    broker.note_replica().await.unwrap();
    chain(broker).await;
    let name = rotating.after.kid.to_string();
    let told = broker.replicas().await.unwrap();
    assert!(told.len() == 2 && told.iter().all(|replica| replica.accepts(&name)));
    assert_eq!(broker.rewrite_rows().await.unwrap(), Rewriting::Later);
    assert!(under(broker).await.contains(&rotating.before.kid.0));
    // It follows; or it is gone.
    laboratory.clock.advance(Duration::from_secs(119));
    broker.note_replica().await.unwrap();
    assert_eq!(broker.rewrite_rows().await.unwrap(), Rewriting::Later);
    laboratory.clock.advance(Duration::from_secs(1));
    assert_eq!(broker.rewrite_rows().await.unwrap(), Rewriting::Done);
    assert_eq!(under(broker).await, BTreeSet::from([rotating.after.kid.0]));
}

#[tokio::test]
async fn a_pass_that_is_gone_at_any_step_is_gone_on_with() {
    let laboratory = Laboratory::new().await;
    let rotating = Rotating::of(&laboratory.broker);
    laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    chain(&laboratory.broker).await;
    let rows = laboratory.faults.backend().copy().all().len();
    for steps in 1.. {
        assert!(steps < 10_000, "it never came to its end");
        let store = Store::new(Arc::new(Halting(laboratory.faults.backend().copy())));
        let process = || Broker { store: store.clone(), ..rotating.replica(&laboratory.broker, PROMOTED) };
        let done = gone_after(steps, process().rewrite_rows()).await;
        // Whoever comes next waits until it is clear that nobody is at it.
        laboratory.clock.advance(Duration::from_secs(121));
        let next = process();
        assert_eq!(next.rewrite_rows().await.unwrap(), Rewriting::Done, "gone after {steps} steps");
        assert_eq!(under(&next).await, BTreeSet::from([rotating.after.kid.0]), "gone after {steps} steps");
        next.check_retired_keys().await.unwrap();
        if done.is_some() {
            assert!(steps > rows, "there were no steps to be gone at");
            break;
        }
    }
}

#[tokio::test]
async fn what_is_written_meanwhile_stays_as_it_was_written() {
    let laboratory = Laboratory::new().await;
    let rotating = Rotating::of(&laboratory.broker);
    let store = Store::new(Arc::new(Halting(laboratory.faults.backend().copy())));
    let broker = Broker { store, ..rotating.replica(&laboratory.broker, PROMOTED) };
    let minted = laboratory.mint_at(&broker, SharePermission::Read, &["a.txt"]).await;
    chain(&broker).await;
    let (first, second) = (Claimant::new(), Claimant::new());
    let (rewritten, one, other) = tokio::join!(
        broker.rewrite_rows(),
        laboratory.redeem_at(&broker, &minted, &first),
        laboratory.redeem_at(&broker, &minted, &second)
    );
    // What both have found changed is looked at once more.
    assert!(matches!(rewritten.unwrap(), Rewriting::Done | Rewriting::Later));
    assert_eq!(broker.rewrite_rows().await.unwrap(), Rewriting::Done);
    assert_eq!(under(&broker).await, BTreeSet::from([rotating.after.kid.0]));
    assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1);
    let admin = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    assert_eq!(broker.inspect_share(&admin, minted.share.grant.id).await.unwrap().claims, 1);
}

#[tokio::test]
async fn a_pass_under_which_the_keys_change_ends_and_shows_nothing() {
    let laboratory = Laboratory::new().await;
    let rotating = Rotating::of(&laboratory.broker);
    chain(&laboratory.broker).await;
    let rows = laboratory.faults.backend().copy().all().len();
    for steps in [1, rows / 2, rows, 3 * rows, 6 * rows] {
        let store = Store::new(Arc::new(Halting(laboratory.faults.backend().copy())));
        let broker = Broker { store, ..rotating.replica(&laboratory.broker, PROMOTED) };
        let back = async {
            for _ in 0..steps {
                tokio::task::yield_now().await;
            }
            let back = rotating.ring(&broker, [KeyState::Primary, KeyState::AcceptOnly]);
            broker.take_keys(&back, &broker.edge).await.unwrap();
        };
        let (rewritten, ()) =
            tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(broker.rewrite_rows(), back) })
                .await
                .expect("it goes on for ever");
        if rewritten.unwrap() == Rewriting::Later {
            assert!(broker.rewritten_at(rotating.before.kid).await.unwrap().is_none(), "after {steps} steps");
        }
        // That a data key was wrapped is told under either key.
        chain(&broker).await;
        assert_eq!(broker.rewrite_rows().await.unwrap(), Rewriting::Done);
        assert!(broker.rewritten_at(rotating.before.kid).await.unwrap().is_none(), "after {steps} steps");
        assert_eq!(under(&broker).await, BTreeSet::from([rotating.before.kid.0]), "after {steps} steps");
    }
}

#[tokio::test]
async fn a_replica_whose_keys_are_not_known_here_seals_under_others() {
    let laboratory = Laboratory::new().await;
    let (broker, rotating) = (&laboratory.broker, Rotating::of(&laboratory.broker));
    let ahead = Rotating::of(broker).replica(broker, PROMOTED);
    ahead.note_replica().await.unwrap();
    chain(broker).await;
    broker.take_keys(&rotating.ring(broker, PROMOTED), &broker.edge).await.unwrap();
    assert_eq!(broker.rewrite_rows().await.unwrap(), Rewriting::Later);
    assert_eq!(broker.replicas().await.unwrap().iter().filter(|told| told.keys.is_empty()).count(), 1);
}

#[tokio::test]
async fn a_key_that_is_primary_again_is_used_again() {
    let laboratory = Laboratory::new().await;
    let (broker, rotating) = (&laboratory.broker, Rotating::of(&laboratory.broker));
    chain(broker).await;
    broker.take_keys(&rotating.ring(broker, PROMOTED), &broker.edge).await.unwrap();
    broker.rewrite_rows().await.unwrap();
    let is_used = async |kid: Kid| broker.rewritten_at(kid).await.unwrap().is_none();
    assert!(!is_used(rotating.before.kid).await);
    chain(broker).await;
    broker.take_keys(&rotating.ring(broker, [KeyState::Primary, KeyState::AcceptOnly]), &broker.edge).await.unwrap();
    assert!(is_used(rotating.before.kid).await, "before anything is written under it");
    broker.rewrite_rows().await.unwrap();
    assert!(is_used(rotating.before.kid).await && !is_used(rotating.after.kid).await);
    // A store that is put back from before knows that rows are under it, too.
    let retired = rotating.replica(broker, RETIRED);
    assert!(matches!(retired.check_retired_keys().await, Err(NotTaken::StillUsed(_))));
}

#[tokio::test]
async fn notes_beside_the_files_are_vouched_for_anew_too() {
    let laboratory = Laboratory::new().await;
    let (broker, rotating) = (&laboratory.broker, Rotating::of(&laboratory.broker));
    let ada = Address::try_from("ada@example.org".to_owned()).unwrap();
    laboratory.mint_to(SharePermission::Read, &["a.txt"], &[&ada]).await;
    let admin = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    let wanted = EraseSubject { who: Named::Address(ada), reason: None, keeps_minted: false };
    let (namespace, erasure) = broker.begin_erasure(&admin, wanted).await.unwrap();
    broker.go_on_with_erasure(namespace, erasure.id).await.unwrap();
    let notes = async || {
        let listed = laboratory.objects.list(&ObjectFolder::Erased(namespace), None).await.unwrap();
        let mut kids = Vec::new();
        for object in listed {
            let stream = laboratory.objects.read(&object.key, None).await.unwrap().unwrap();
            let bytes: Vec<Bytes> = stream.try_collect().await.unwrap();
            kids.push(*bytes.concat().first_chunk::<4>().unwrap());
        }
        kids
    };
    assert_eq!(notes().await, [rotating.before.kid.0]);
    chain(broker).await;
    broker.take_keys(&rotating.ring(broker, PROMOTED), &broker.edge).await.unwrap();
    broker.rewrite_rows().await.unwrap();
    assert_eq!(notes().await, [rotating.after.kid.0]);
}
