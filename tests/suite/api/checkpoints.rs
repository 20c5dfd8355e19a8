//! Checkpoints: what a chain alone cannot show, they show. Signed as others sign, kept apart, and held against the ledger by whoever
//! verifies it.

use std::{fs, process::Command, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use cloakroom::{
    crypto::record_hash,
    domain::{
        checkpoint,
        ledger::{Segment, Wrong},
        tenant::{Mode, Namespace},
    },
    objects::{ContentType, ObjectFolder, ObjectKey},
    service::ledger_sweep::{Extent, Swept},
    store::{Expected, Row, Write},
};
use serde_json::{Value, json};

use super::{calls::text, harness::Api, laboratory::Laboratory};

const NOTHING: fn() -> Value = || json!({});

fn checkpoint_of(api: &Api) -> Value {
    api.post(api.admin(), "/v1/audit/checkpoints", &NOTHING()).expect(200)
}

fn verified(api: &Api) -> Value {
    api.get(api.admin(), "/v1/audit/verify").expect(200)
}

pub fn namespace(api: &Api) -> Namespace {
    Namespace { tenant: api.tenant.id.parse().unwrap(), mode: Mode::Live }
}

fn sweep(api: &Api, extent: Extent) -> Swept {
    api.wait(api.broker().sweep_ledger(namespace(api), extent)).unwrap()
}

fn mint(api: &Api, count: usize) {
    for _ in 0..count {
        api.mint(api.admin(), "read", &["a.txt"]);
    }
}

pub fn a_checkpoint_is_a_note_that_openssl_verifies(api: &Api) {
    mint(api, 3);
    let made = checkpoint_of(api);
    let seen = verified(api);
    assert_eq!((&seen["intact"], &seen["records"], &seen["checkpoints"]), (&json!(true), &made["records"], &json!(1)));
    assert_eq!(seen["head"], made["head"]);
    let note = text(&made, "note");
    let (signed, signature) = note.split_once("\n\n").unwrap();
    let lines: Vec<_> = signed.lines().collect();
    let origin = text(&made, "origin");
    assert_eq!((lines[0], lines[1]), (origin.as_str(), made["records"].to_string().as_str()));
    let head = base16ct::lower::encode_string(&STANDARD.decode(lines[2]).unwrap());
    assert_eq!(head, text(&made, "head"));
    assert!(origin.ends_with(&format!("/{}/live", api.tenant.id)), "{origin}");

    let keys = api.get(api.admin(), "/v1/audit/signing-keys").expect(200);
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(keys["items"][0]["id"], made["key_id"]);
    let folder = tempfile::tempdir().unwrap();
    let encoded = signature.trim_end().strip_prefix(&format!("— {origin} ")).unwrap();
    let signature = STANDARD.decode(encoded).unwrap();
    fs::write(folder.path().join("key.pem"), text(&keys["items"][0], "public_key")).unwrap();
    fs::write(folder.path().join("signature"), &signature[4..]).unwrap();
    let verifies = |text: &str| {
        fs::write(folder.path().join("text"), text).unwrap();
        let arguments = "pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile signature";
        Command::new("openssl").current_dir(folder.path()).args(arguments.split(' ')).status().unwrap().success()
    };
    assert!(verifies(&format!("{signed}\n")));
    assert!(!verifies(&format!("{}\n", signed.replace(lines[1], "999999"))));

    // Nothing new: nothing more is said.
    assert_eq!(checkpoint_of(api), made);
    mint(api, 1);
    assert!(checkpoint_of(api)["records"].as_u64() > made["records"].as_u64());
    assert_eq!(verified(api)["checkpoints"], 2);
}

pub fn segments(api: &Api) -> Vec<Row> {
    api.rows(&format!("ledger#{}", api.ledger()))
}

/// Changes the records of a segment, and all that vouches for them within the store, as somebody with the root keys could.
pub fn forged(api: &Api, row: &Row, change: impl FnOnce(&mut Vec<String>)) {
    let keyring = &api.broker().keyring;
    let body = keyring.authentic_by_first_line(&row.key.partition, &row.key.sort, &row.body).unwrap();
    let Segment { first, records, .. } = Segment::read(body).unwrap();
    let mut records: Vec<_> = records.into_iter().map(str::to_owned).collect();
    change(&mut records);
    let segment = Segment { first, head: record_hash::of_record(records.last().unwrap()), records };
    put(api, row, keyring.authenticate_first_line(&row.key.partition, &row.key.sort, segment.text().as_bytes()));
}

pub fn put(api: &Api, row: &Row, body: Vec<u8>) {
    let expected = Expected::Version(api.row(&row.key.partition, &row.key.sort).version);
    api.write(Write { key: row.key.clone(), expected, body, purge_after: None });
}

#[test]
fn a_cut_tail_and_a_ledger_written_anew_show() {
    let (api, _, _) = Laboratory::served();
    mint(&api, 4);
    let unmarked = verified(&api)["records"].as_u64().unwrap();
    let row = segments(&api).pop().unwrap();
    // As long as nobody has kept how it ended, a chain that is whole is all that can be seen.
    forged(&api, &row, |records| drop(records.pop()));
    assert_eq!((&verified(&api)["intact"], &verified(&api)["records"]), (&json!(true), &json!(unmarked - 1)));
    put(&api, &row, row.body.clone());

    checkpoint_of(&api);
    mint(&api, 3);
    let marked = checkpoint_of(&api)["records"].as_u64().unwrap();
    let row = segments(&api).pop().unwrap();
    let broken = |seq: u64, wrong: Wrong| {
        let seen = verified(&api);
        let told = (&seen["intact"], &seen["broken"]["seq"], text(&seen["broken"], "problem"));
        assert_eq!(told, (&json!(false), &json!(seq), wrong.to_string()), "{seen}");
    };
    forged(&api, &row, |records| drop(records.pop()));
    broken(marked, Wrong::Cut);
    forged(&api, &row, |records| records.truncate(1));
    broken(marked - 1, Wrong::Cut);
    put(&api, &row, row.body.clone());
    forged(&api, &row, |records| {
        let last = records.last_mut().unwrap();
        *last = last.replace("\"done\"", "\"refused\"");
    });
    broken(marked, Wrong::Rewritten);
    // Nobody signs that.
    let refused = api.post(api.admin(), "/v1/audit/checkpoints", &NOTHING()).problem(409, "ledger_broken");
    assert!(refused.detail.as_ref().unwrap().contains(&format!("record {marked} ")), "{refused:?}");
    put(&api, &row, row.body.clone());
    assert_eq!((&verified(&api)["intact"], &verified(&api)["checkpoints"]), (&json!(true), &json!(2)));
}

#[test]
fn a_checkpoint_that_is_none_of_ours_shows() {
    let (api, _, _) = Laboratory::served();
    let other = api.new_tenant("Other");
    let elsewhere = api.post(&other.admin.secret, "/v1/audit/checkpoints", &NOTHING()).expect(200);
    mint(&api, 2);
    let made = checkpoint_of(&api);
    let size = made["records"].as_u64().unwrap();
    let note = text(&made, "note");
    let keep = |size: u64, note: &str| {
        let bytes = Bytes::from(note.to_owned());
        let key = ObjectKey::checkpoint(namespace(&api), size);
        api.wait(api.broker().objects.put(&key, &ContentType::plain_text(), bytes)).unwrap();
    };
    let broken = |seq: u64| {
        let seen = verified(&api);
        assert_eq!((&seen["intact"], &seen["broken"]["seq"]), (&json!(false), &json!(seq)), "{seen}");
        assert_eq!(text(&seen["broken"], "problem"), Wrong::Checkpoint.to_string());
    };
    for wrong in [
        String::new(),
        "x".repeat(20_000),
        text(&elsewhere, "note"),
        note.replace("at ", "at 1"),
        note.trim_end().to_owned(),
        note.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size - 1), 1),
    ] {
        keep(size, &wrong);
        broken(size);
    }
    keep(size, &note);
    assert_eq!(verified(&api)["intact"], true);
    // One that speaks of another size than its name.
    keep(size - 1, &note);
    broken(size - 1);
}

#[test]
fn ledgers_are_verified_and_marked_though_nobody_asks() {
    let (api, clock, _) = Laboratory::served();
    let (broker, step) = (api.broker().clone(), checkpoint::EVERY);
    let marks = || verified(&api)["checkpoints"].as_u64().unwrap();
    let sweeping = || api.wait(broker.sweep_due_ledgers());
    mint(&api, 2);
    sweeping();
    assert_eq!(marks(), 0, "it is not time");
    clock.advance(step);
    sweeping();
    assert_eq!(marks(), 1);
    // Drawing the key was an event, and is the last there is to mark.
    clock.advance(step);
    sweeping();
    let settled = marks();
    clock.advance(100 * step);
    sweeping();
    assert_eq!(marks(), settled);
    mint(&api, 1);
    clock.advance(step);
    sweeping();
    assert_eq!(marks(), settled + 1);

    // Once a day all of it, by one of the replicas.
    let verified = |hours: u64| {
        clock.advance(Duration::from_secs(hours * 3600));
        let before = broker.ledger_figures();
        let mut after = None;
        loop {
            after = api.wait(broker.sweep_next(after)).unwrap();
            if after.is_none() {
                break broker.ledger_figures().intact - before.intact;
            }
        }
    };
    assert_eq!((verified(24), verified(23), verified(1), verified(23)), (2, 0, 2, 0), "live and test");
}

#[test]
fn what_is_not_as_it_was_written_is_told_once() {
    let (api, clock, _) = Laboratory::served();
    mint(&api, 3);
    verified(&api);
    mint(&api, 1);
    checkpoint_of(&api);
    let (early, size) = (segments(&api).remove(0), verified(&api)["records"].as_u64().unwrap());
    mint(&api, 1);
    forged(&api, &early, |records| records[1] = records[1].replace("\"done\"", "\"refused\""));
    // Since the checkpoint all is well; before it, it is not.
    let since = sweep(&api, Extent::SinceCheckpoint);
    assert!(since.broken.is_none() && since.head.size > size);
    for _ in 0..2 {
        let whole = sweep(&api, Extent::Whole);
        let broken = whole.broken.unwrap();
        assert_eq!((broken.seq, broken.what), (3, Wrong::PreviousHash));
    }
    let told = api.get(api.admin(), "/v1/audit?type=ledger.verification_failed").expect(200);
    let items = told["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{told}");
    assert_eq!((&items[0]["resource"], &items[0]["outcome"]), (&json!("record 3"), &json!("refused")));
    let metrics = api.metrics();
    for line in ["cloakroom_ledgers_broken 1", "cloakroom_ledger_verifications_total{outcome=\"broken\"} 2"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    // It stays so, and nothing more is signed of it, whatever is well after the break.
    mint(&api, 1);
    let marks = api.wait(api.broker().objects.list(&ObjectFolder::Checkpoints(namespace(&api)), None)).unwrap().len();
    clock.advance(checkpoint::EVERY);
    api.wait(api.broker().sweep_due_ledgers());
    assert!(sweep(&api, Extent::SinceCheckpoint).broken.is_some());
    api.post(api.admin(), "/v1/audit/checkpoints", &NOTHING()).problem(409, "ledger_broken");
    let listed = api.wait(api.broker().objects.list(&ObjectFolder::Checkpoints(namespace(&api)), None)).unwrap();
    assert_eq!(listed.len(), marks);
    assert!(api.metrics().contains("cloakroom_ledgers_broken 1"));
    // All of it is not verified again and again; after an hour it is.
    let looks = || {
        let before = api.broker().ledger_figures().broken;
        api.wait(api.broker().sweep_next(None)).unwrap();
        api.broker().ledger_figures().broken - before
    };
    assert_eq!((looks(), looks()), (0, 0));
    clock.advance(Duration::from_secs(3_600));
    assert_eq!((looks(), looks()), (1, 0));
    put(&api, &early, early.body.clone());
    assert!(sweep(&api, Extent::Whole).broken.is_none());
    assert!(api.metrics().contains("cloakroom_ledgers_broken 0"));
}

#[test]
fn a_key_that_was_replaced_signs_no_more_and_what_it_signed_stands() {
    let (api, clock, _) = Laboratory::served();
    let keys = || api.get(api.admin(), "/v1/audit/signing-keys").expect(200)["items"].as_array().unwrap().clone();
    assert!(keys().is_empty());
    let first = text(&checkpoint_of(&api), "key_id");
    let replace = |id: &str| api.post(api.admin(), &format!("/v1/audit/signing-keys/{id}/replace"), &NOTHING());
    let second = text(&replace(&first).expect(200), "id");
    assert_ne!(first, second);
    replace(&first).problem(409, "replaced");
    replace("lgk_0").problem(404, "not_found");
    let listed = keys();
    assert_eq!((&listed[0]["id"], &listed[1]["id"]), (&json!(second), &json!(first)));
    assert!(listed[0]["replaced_at"].is_null() && listed[1]["replaced_at"].is_string());
    assert_eq!(text(&checkpoint_of(&api), "key_id"), second);
    assert_eq!((&verified(&api)["intact"], &verified(&api)["checkpoints"]), (&json!(true), &json!(2)));
    // Of the first there is nothing left to sign with; of the second nothing in the open.
    let rows = api.rows(&format!("signing-keys#{}", api.ledger()));
    let of = |row: &Row| -> Value { serde_json::from_slice(&row.body[36..]).unwrap() };
    assert!(of(&rows[0])["seed"].is_null() && of(&rows[1])["seed"].is_string());
    assert_eq!(api.happened("ledger.key_created", &first), 1);
    assert_eq!(api.happened("ledger.key_replaced", &second), 1);

    clock.advance(Duration::from_secs(366 * 24 * 3600));
    mint(&api, 1);
    let third = text(&checkpoint_of(&api), "key_id");
    assert_eq!((keys().len(), text(&keys()[0], "id")), (3, third));
}
