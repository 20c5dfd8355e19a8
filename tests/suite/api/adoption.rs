//! A store that was restored from a backup gives nothing back that was used up or revoked since: it is not served until it is adopted, and
//! then nothing opens that was made before.

use std::sync::Arc;

use cloakroom::{
    crypto::secret::SecretText,
    domain::{
        event::{Actor, Event, EventType},
        ids::TenantId,
        permission::SharePermission,
        principal::PrincipalId,
        recipient::Address,
        removal::GRACE,
        standing::Standing,
        tenant::{Mode, Namespace},
    },
    objects::{ContentType, ObjectFolder, ObjectKey, ObjectStorage},
    service::{
        Broker, Caller, Error, Progress,
        adoption::Gap,
        data_subjects::{EraseSubject, Named},
        idempotency::Reply,
        ledger_sweep::{Extent, Swept},
        removal::Turn,
        tenant_deletion::Grace,
    },
    store::{
        Store,
        faulty::{Fault, FaultyStore},
        memory::MemoryStore,
    },
};

use serde_json::{Value, json};

use super::{
    deeds::events,
    laboratory::{Claimant, Laboratory, asking},
    ledger::replica,
    ledger_crashes::{Halting, gone_after},
};

/// What a backup gives back, under the same keys and beside the same objects, in a process that knows nothing yet.
fn restored(laboratory: &Laboratory, backup: &MemoryStore) -> (Broker, Arc<FaultyStore<MemoryStore>>) {
    let faults = Arc::new(FaultyStore::new(backup.copy()));
    (process_on(laboratory, Store::new(faults.clone())), faults)
}

fn process_on(laboratory: &Laboratory, store: Store) -> Broker {
    let progress: Arc<Progress> = Arc::default();
    let (data_keys, known_principals) = (Arc::default(), Arc::default());
    Broker { store, progress, data_keys, known_principals, ..replica(&laboratory.broker) }
}

fn backup_of(laboratory: &Laboratory) -> MemoryStore {
    laboratory.faults.backend().copy()
}

fn home(laboratory: &Laboratory) -> Namespace {
    Namespace { tenant: laboratory.tenant.id.parse().unwrap(), mode: Mode::Live }
}

async fn caller(broker: &Broker, secret: &str) -> Result<Caller, Error> {
    broker.authenticate(&SecretText::new(secret), asking()).await
}

async fn adopt(broker: &Broker) -> Vec<Gap> {
    let mut gaps = Vec::new();
    broker.adopt_restored(|gap| gaps.push(gap.clone())).await.unwrap();
    gaps
}

async fn swept(broker: &Broker, namespace: Namespace) -> Swept {
    let swept = replica(broker).sweep_ledger(namespace, Extent::Whole).await.unwrap();
    assert_eq!(swept.broken, None, "{namespace:?}");
    swept
}

async fn recorded(broker: &Broker, namespace: Namespace) -> Vec<Event> {
    events(broker, &format!("{}#{}", namespace.tenant, namespace.mode.as_str())).await
}

#[tokio::test]
async fn what_was_used_up_or_revoked_since_a_backup_stays_dead() {
    let laboratory = Laboratory::new().await;
    let (first, second) = (Claimant::new(), Claimant::new());
    let claimed = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    let pending = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    let revoked = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    laboratory.redeem(&claimed, &first).await.unwrap();
    let key = laboratory.broker.recover_operator().await.unwrap();
    laboratory.broker.note_progress().await.unwrap();
    assert_eq!(laboratory.broker.store_standing().await.unwrap(), Standing::Same);
    swept(&laboratory.broker, home(&laboratory)).await;

    let backup = backup_of(&laboratory);
    let admin = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    laboratory.redeem(&pending, &first).await.unwrap();
    laboratory.broker.revoke_share(&admin, revoked.share.grant.id).await.unwrap();
    laboratory.broker.end_principal(&admin, key.key.id, false).await.unwrap();
    let lost = swept(&laboratory.broker, home(&laboratory)).await.head.size;
    laboratory.broker.note_progress().await.unwrap();

    let (broker, _) = restored(&laboratory, &backup);
    // All of it would be good again.
    let dead_again = [(&pending, &second), (&revoked, &second), (&claimed, &first)];
    for (minted, claimant) in dead_again {
        let token = SecretText::new(minted.token.expose());
        broker.redeem_share(&token, &claimant.key(), None, asking()).await.unwrap();
    }
    let (broker, _) = restored(&laboratory, &backup);
    assert_eq!(broker.store_standing().await.unwrap(), Standing::Behind);
    assert!(matches!(broker.adopt_moved().await, Err(Error::Conflict { code: "store_behind", .. })));
    let gaps = adopt(&broker).await;
    assert_eq!(broker.store_standing().await.unwrap(), Standing::Same);
    for (minted, claimant) in dead_again {
        let token = SecretText::new(minted.token.expose());
        let answer = broker.redeem_share(&token, &claimant.key(), None, asking()).await;
        assert!(matches!(answer, Err(Error::DeadToken)), "{answer:?}");
    }
    for secret in [&laboratory.tenant.admin.secret, key.secret.expose()] {
        assert!(matches!(caller(&broker, secret).await, Err(Error::Unauthenticated)));
    }

    // The gap is told, to whoever adopts and in the ledger, which is whole.
    let [Gap { namespace, has, had }] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!((*namespace, *had), (home(&laboratory), lost));
    let told = recorded(&broker, home(&laboratory)).await;
    let adopted = told.iter().position(|event| event.kind == EventType::StoreAdopted).unwrap() as u64;
    assert_eq!(adopted, *has, "it is the first after what was restored");
    assert_eq!(told[adopted as usize].count, Some(lost - has));
    swept(&broker, home(&laboratory)).await;
    let aside = laboratory.objects.list(&ObjectFolder::Superseded(home(&laboratory)), None).await.unwrap();
    assert_eq!(aside.len(), 1, "the checkpoint of what was lost is kept");

    // Whoever is found to be right may call again; what they had minted stays ended.
    let again = broker.recover_operator().await.unwrap();
    let operator = caller(&broker, again.secret.expose()).await.unwrap();
    let admin_id: PrincipalId = laboratory.tenant.admin.id.parse().unwrap();
    broker.reinstate_principal(&operator, admin_id).await.unwrap();
    caller(&broker, &laboratory.tenant.admin.secret).await.unwrap();
    let twice = broker.reinstate_principal(&operator, admin_id).await;
    assert!(matches!(twice, Err(Error::Conflict { code: "not_cut_off", .. })));
    for (minted, claimant) in dead_again {
        let token = SecretText::new(minted.token.expose());
        assert!(broker.redeem_share(&token, &claimant.key(), None, asking()).await.is_err());
    }
    swept(&broker, home(&laboratory)).await;
}

#[tokio::test]
async fn a_store_that_was_moved_is_told_so_and_stays_as_it_is() {
    let laboratory = Laboratory::new().await;
    laboratory.broker.note_progress().await.unwrap();
    let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    let (broker, _) = restored(&laboratory, &backup_of(&laboratory));
    assert_eq!(broker.store_standing().await.unwrap(), Standing::Elsewhere);
    broker.adopt_moved().await.unwrap();
    assert_eq!(broker.store_standing().await.unwrap(), Standing::Same);
    caller(&broker, &laboratory.tenant.admin.secret).await.unwrap();
    let token = SecretText::new(minted.token.expose());
    broker.redeem_share(&token, &Claimant::new().key(), None, asking()).await.unwrap();
    // The one that it was copied from is behind now, and a process that goes on with it finds that out.
    broker.note_progress().await.unwrap();
    assert_eq!(laboratory.broker.store_standing().await.unwrap(), Standing::Behind);
}

#[tokio::test]
async fn a_process_finds_out_that_another_store_has_taken_the_place_of_its_own() {
    let laboratory = Laboratory::new().await;
    laboratory.broker.note_progress().await.unwrap();
    let backup = backup_of(&laboratory);
    laboratory.broker.recover_operator().await.unwrap();
    assert_eq!(laboratory.broker.note_progress().await.unwrap(), Standing::Same);
    let replaced = |store| Broker { store, ..laboratory.broker.clone() };
    let behind = replaced(Store::new(Arc::new(backup.copy())));
    assert_eq!(behind.note_progress().await.unwrap(), Standing::Behind);
    let elsewhere = replaced(Store::new(Arc::new(backup_of(&laboratory))));
    assert_eq!(elsewhere.note_progress().await.unwrap(), Standing::Elsewhere);
    let emptied = replaced(Store::new(Arc::new(MemoryStore::new())));
    assert_eq!(emptied.note_progress().await.unwrap(), Standing::Behind);
}

#[tokio::test]
async fn where_nothing_happens_nothing_is_noted() {
    let laboratory = Laboratory::new().await;
    laboratory.broker.note_progress().await.unwrap();
    let before = laboratory.faults.backend().all();
    for _ in 0..3 {
        assert_eq!(laboratory.broker.note_progress().await.unwrap(), Standing::Same);
    }
    assert_eq!(laboratory.faults.backend().all(), before);
}

#[tokio::test]
async fn a_note_that_was_altered_is_no_reason_to_serve() {
    let laboratory = Laboratory::new().await;
    laboratory.broker.note_progress().await.unwrap();
    let key = ObjectKey::standing(&laboratory.broker.keyring.deployment().0);
    for note in ["0", "", "18446744073709551615", &"x".repeat(5_000)] {
        let body = bytes::Bytes::from(note.to_owned());
        laboratory.objects.put(&key, &ContentType::unknown(), body).await.unwrap();
        assert_eq!(laboratory.broker.store_standing().await.unwrap(), Standing::Behind, "{note:.9}");
    }
    adopt(&laboratory.broker).await;
    assert_eq!(laboratory.broker.store_standing().await.unwrap(), Standing::Same);
}

/// Tenants with records that a backup does not have: of each, how many those are.
struct Losing {
    laboratory: Laboratory,
    backup: MemoryStore,
    lost: Vec<(TenantId, u64)>,
    secrets: Vec<String>,
}

impl Losing {
    async fn new() -> Self {
        let laboratory = Laboratory::new().await;
        let broker = &laboratory.broker;
        let admin = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
        let mut tenants = vec![home(&laboratory)];
        let mut secrets = vec![laboratory.tenant.admin.secret.clone()];
        for name in ["Second"] {
            let created = broker.create_tenant(&admin, name.into(), &Reply::unkept()).await.unwrap();
            tenants.push(Namespace { tenant: created.tenant.id, mode: Mode::Live });
            secrets.push(created.admin_key.secret.expose().to_owned());
        }
        // What the others did waits in the outbox when the backup is made.
        let chained = broker.chain(home(&laboratory)).await.unwrap() as u64;
        let backup = backup_of(&laboratory);
        let mut lost = Vec::new();
        for namespace in &tenants {
            if *namespace != home(&laboratory) {
                broker.suspend_tenant(&admin, namespace.tenant, true).await.unwrap();
            }
            let had = swept(broker, *namespace).await.head.size;
            let has = if *namespace == home(&laboratory) { chained } else { 0 };
            lost.push((namespace.tenant, had - has));
        }
        broker.note_progress().await.unwrap();
        Self { laboratory, backup, lost, secrets }
    }

    /// Each ledger is whole and says once that it was restored; nobody's key is accepted any more.
    async fn are_adopted(&self, store: Store) {
        let broker = process_on(&self.laboratory, store);
        assert_eq!(broker.store_standing().await.unwrap(), Standing::Same);
        for (tenant, lost) in &self.lost {
            let namespace = Namespace { tenant: *tenant, mode: Mode::Live };
            swept(&broker, namespace).await;
            let told = recorded(&broker, namespace).await;
            let adopted = told.iter().filter(|event| event.kind == EventType::StoreAdopted);
            let adopted: Vec<_> = adopted.map(|event| event.count).collect();
            assert_eq!(adopted, [Some(*lost).filter(|lost| *lost > 0)]);
            let test = Namespace { tenant: *tenant, mode: Mode::Test };
            assert!(recorded(&broker, test).await.is_empty(), "nothing ever happened there");
        }
        for secret in &self.secrets {
            assert!(matches!(caller(&broker, secret).await, Err(Error::Unauthenticated)));
        }
    }
}

#[tokio::test]
async fn an_adoption_that_is_gone_at_any_step_is_gone_on_with() {
    for steps in 1.. {
        assert!(steps < 5_000, "it never came to its end");
        let losing = Losing::new().await;
        let store = Store::new(Arc::new(Halting(losing.backup.copy())));
        let broker = process_on(&losing.laboratory, store.clone());
        let is_done = gone_after(steps, broker.adopt_restored(|_| ())).await.is_some();
        // Whoever is not told that it is done looks how it stands.
        if broker.store_standing().await.unwrap() != Standing::Same {
            assert!(!is_done);
            adopt(&broker).await;
        }
        losing.are_adopted(store).await;
        if is_done {
            assert!(steps > 50, "there were no steps to be gone at: {steps}");
            break;
        }
    }
}

#[tokio::test]
async fn an_adoption_under_every_fault_tells_each_ledger_once() {
    for [first, then] in Fault::ALL.into_iter().flat_map(|first| Fault::ALL.map(|then| [first, then])) {
        let losing = Losing::new().await;
        let (broker, faults) = restored(&losing.laboratory, &losing.backup);
        faults.plan([first, then, Fault::Ok].into_iter().cycle().take(60));
        for _ in 0..20 {
            let adopted = broker.adopt_restored(|_| ()).await;
            if broker.store_standing().await.unwrap() == Standing::Same {
                break;
            }
            assert!(matches!(adopted, Err(Error::Busy | Error::Unavailable(_))), "{adopted:?}");
        }
        faults.clear_plan();
        faults.settle().await;
        losing.are_adopted(Store::new(faults)).await;
    }
}

#[tokio::test]
async fn two_who_adopt_at_once_tell_each_ledger_once() {
    let losing = Losing::new().await;
    let store = Store::new(Arc::new(Halting(losing.backup.copy())));
    let brokers = [(); 2].map(|()| process_on(&losing.laboratory, store.clone()));
    let [one, other] = &brokers;
    let (one, other) = tokio::join!(one.adopt_restored(|_| ()), other.adopt_restored(|_| ()));
    assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
    losing.are_adopted(store).await;
}

#[tokio::test]
async fn a_store_whose_adoption_has_begun_was_not_moved() {
    let losing = Losing::new().await;
    let store = Store::new(Arc::new(Halting(losing.backup.copy())));
    let broker = process_on(&losing.laboratory, store.clone());
    // Nothing outside tells that it is older.
    let note = ObjectKey::standing(&broker.keyring.deployment().0);
    losing.laboratory.objects.delete(&note).await.unwrap();
    assert_eq!(broker.store_standing().await.unwrap(), Standing::New);
    assert!(gone_after(40, broker.adopt_restored(|_| ())).await.is_none());
    assert!(matches!(broker.adopt_moved().await, Err(Error::Conflict { code: "adoption_begun", .. })));
}

#[tokio::test]
async fn a_tenant_that_was_removed_since_a_backup_is_removed_again() {
    let laboratory = Laboratory::new().await;
    let admin = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    // Which is the first is told by the time of its making.
    laboratory.clock.advance(std::time::Duration::from_millis(1));
    let created = laboratory.broker.create_tenant(&admin, "Gone".into(), &Reply::unkept()).await.unwrap();
    let gone = created.tenant.id;
    laboratory.broker.chain(Namespace { tenant: gone, mode: Mode::Live }).await.unwrap();
    let backup = backup_of(&laboratory);
    laboratory.broker.delete_tenant(&admin, gone, &Grace::Usual).await.unwrap();
    laboratory.clock.advance(GRACE);
    assert_eq!(laboratory.broker.remove_tenant(gone).await.unwrap(), Turn::Later);
    laboratory.broker.note_progress().await.unwrap();

    let (broker, faults) = restored(&laboratory, &backup);
    // What somebody else says of a tenant counts for nothing.
    let note = ObjectKey::removed(laboratory.tenant.id.parse().unwrap());
    laboratory.objects.put(&note, &ContentType::unknown(), "removed".into()).await.unwrap();
    adopt(&broker).await;
    assert_eq!(broker.remove_tenant(gone).await.unwrap(), Turn::Later);
    let rows = faults.backend().all();
    let of_it: Vec<_> = rows.iter().filter(|row| row.key.partition.contains(&gone.to_string())).collect();
    assert!(of_it.is_empty(), "{of_it:?}");
    let told = recorded(&broker, home(&laboratory)).await;
    assert!(told.iter().any(|event| event.kind == EventType::TenantDeleted && event.resource == gone.to_string()));
    let operator = broker.recover_operator().await.unwrap();
    caller(&broker, operator.secret.expose()).await.unwrap();
}

#[tokio::test]
async fn a_person_who_was_erased_since_a_backup_is_erased_again() {
    let laboratory = Laboratory::new().await;
    let address = |text: &str| Address::try_from(text.to_owned()).unwrap();
    let (ada, bob) = (address("ada@example.org"), address("bob@example.org"));
    let minted = laboratory.mint_to(SharePermission::Read, &["a.txt"], &[&ada, &bob]).await;
    let backup = backup_of(&laboratory);
    let admin = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    let wanted = EraseSubject { who: Named::Address(ada.clone()), reason: None, keeps_minted: false };
    let (namespace, erasure) = laboratory.broker.begin_erasure(&admin, wanted).await.unwrap();
    laboratory.broker.go_on_with_erasure(namespace, erasure.id).await.unwrap();
    laboratory.broker.note_progress().await.unwrap();

    // What somebody else says of a person counts for nothing.
    let of_bob = laboratory.broker.find_subject(&admin, Named::Address(bob.clone())).await.unwrap().id;
    let note = ObjectKey::erased(namespace, of_bob);
    laboratory.objects.put(&note, &ContentType::unknown(), "erased".into()).await.unwrap();
    let (broker, _) = restored(&laboratory, &backup);
    assert_eq!(broker.adopt_restored(|_| ()).await.unwrap().erased_again, 1);
    let operator = broker.recover_operator().await.unwrap();
    let operator = caller(&broker, operator.secret.expose()).await.unwrap();
    let seen = broker.see_erasure(&operator, erasure.id).await.unwrap();
    assert!(seen.is_under_way() && seen.by == Actor::System);
    broker.go_on_with_erasure(namespace, erasure.id).await.unwrap();
    let seen = broker.see_erasure(&operator, erasure.id).await.unwrap();
    assert!(seen.erased_at.is_some() && seen.removed.shares == 1, "{seen:?}");
    assert!(matches!(broker.see_erasure(&operator, of_bob).await, Err(Error::NotFound)));
    let left = broker.inspect_share(&operator, minted.share.grant.id).await.unwrap().notes.recipients.unwrap();
    assert!(left.has(&bob) && !left.has(&ada));
    swept(&broker, home(&laboratory)).await;
    // Adopted once more, there is nobody left to erase.
    assert_eq!(broker.adopt_restored(|_| ()).await.unwrap().erased_again, 0);
}

#[tokio::test]
async fn what_a_newer_program_has_written_is_neither_served_nor_adopted() {
    let laboratory = Laboratory::new().await;
    let broker = &laboratory.broker;
    broker.note_progress().await.unwrap();
    let rows = broker.store.scan(None, 1_000).await.unwrap();
    let row = rows.iter().find(|row| row.key.sort == "standing").unwrap();
    let (partition, sort) = (row.key.partition.as_str(), row.key.sort.as_str());
    let mut record: Value =
        serde_json::from_slice(broker.keyring.authentic(partition, sort, &row.body).unwrap()).unwrap();
    record["format"] = json!(record["format"].as_u64().unwrap() + 1);
    let newer = broker.keyring.authenticate(partition, sort, &serde_json::to_vec(&record).unwrap());
    assert!(broker.store.replace_body(row, &newer).await.unwrap());
    assert_eq!(broker.store_standing().await.unwrap(), Standing::Newer);
    // One that runs meanwhile ends.
    assert!(!broker.note_progress().await.unwrap().may_serve());
    let moved = broker.adopt_moved().await;
    assert!(matches!(moved, Err(Error::Conflict { code: "store_newer", .. })));
    let restored = broker.adopt_restored(|_| ()).await;
    assert!(matches!(restored, Err(Error::Conflict { code: "store_newer", .. })));
}

#[tokio::test]
async fn an_older_program_is_told_of_the_newer_form_before_anything_is_written_in_it() {
    let laboratory = Laboratory::new().await;
    let broker = &laboratory.broker;
    broker.note_progress().await.unwrap();
    let standing = || async {
        let rows = broker.store.scan(None, 1_000).await.unwrap();
        let row = rows.into_iter().find(|row| row.key.sort == "standing").unwrap();
        let body = broker.keyring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap();
        (serde_json::from_slice::<Value>(body).unwrap(), row)
    };
    let (mut record, row) = standing().await;
    let format = record["format"].clone();
    record["format"] = json!(1);
    let text = serde_json::to_vec(&record).unwrap();
    let older = broker.keyring.authenticate(&row.key.partition, &row.key.sort, &text);
    assert!(broker.store.replace_body(&row, &older).await.unwrap());
    // Nothing has happened that would be noted otherwise.
    assert!(broker.note_progress().await.unwrap().may_serve());
    assert_eq!(standing().await.0["format"], format);
}
