//! What nobody completes is swept: once, by whoever is first, and only when
//! nothing can bring it back.

use std::{fs, sync::Arc, time::Duration};

use cloakroom::{
    clock::{ManualClock, SystemClock},
    domain::{instant::Instant, path::VaultPath, upload::Upload},
    objects::{ContentType, InboxSecret, ObjectKey},
    service::sweep::Sweeping,
};
use serde_json::json;

use super::{
    away::{Fails, Step, served_at},
    storage_faults::caller,
    words::at_once,
};
use crate::{
    api::{
        harness::{Api, text},
        laboratory::Laboratory,
    },
    program::process::until,
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn served() -> (Api, Arc<ManualClock>) {
    let (api, clock, _) = Laboratory::served();
    (api, clock)
}

impl Api {
    #[track_caller]
    fn sweep(&self, dry_run: bool) -> Vec<(String, String)> {
        let swept = self.post(self.admin(), "/v1/uploads/sweep", &json!({ "dry_run": dry_run })).expect(200);
        assert_eq!(swept["failed"], 0);
        swept["items"].as_array().unwrap().iter().map(|item| (text(item, "action"), text(item, "upload"))).collect()
    }

    #[track_caller]
    fn reserved(&self) -> u64 {
        self.get(self.admin(), "/v1/usage").expect(200)["tenant"]["bytes"].as_u64().unwrap()
    }

    /// Where the bytes of an upload land, as its row tells.
    fn inbox_of(&self, id: &str) -> ObjectKey {
        let row = self.row(&format!("uploads#{}", self.ledger()), id);
        let body = self.broker().keyring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap();
        let declaration = serde_json::from_slice::<Upload>(body).unwrap().declaration;
        let mut secret = [0; 32];
        base16ct::lower::decode(&declaration.inbox, &mut secret).unwrap();
        ObjectKey::inbox(declaration.made.namespace, InboxSecret(secret))
    }

    fn has_arrivals(&self, id: &str) -> bool {
        self.wait(self.broker().objects.head(&self.inbox_of(id))).unwrap().is_some()
    }
}

#[test]
fn what_was_sent_and_never_completed_goes() {
    let (api, clock) = served();
    let (sent, unsent) = (
        api.declare(api.admin(), "/v1/uploads", "a.txt", b"sent"),
        api.declare(api.admin(), "/v1/uploads", "b.txt", b"not"),
    );
    api.put(&sent, b"sent");
    let (sent, unsent) = (text(&sent, "id"), text(&unsent, "id"));
    // Until a day after its URL has ended it may be completed.
    clock.advance(DAY + 9 * MINUTE);
    assert_eq!(api.sweep(false), []);
    clock.advance(7 * MINUTE);
    let mut found = api.sweep(true);
    found.sort();
    let mut expected = [("expire".to_owned(), sent.clone()), ("expire".to_owned(), unsent.clone())];
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!((api.reserved(), api.has_arrivals(&sent)), (7, true), "a dry run changes nothing");
    api.complete(api.admin(), &sent).problem(409, "upload_expired");

    assert_eq!(api.sweep(false).len(), 2);
    assert_eq!((api.reserved(), api.has_arrivals(&sent)), (0, false));
    for id in [&sent, &unsent] {
        assert_eq!((api.status_of(api.admin(), id).as_str(), api.happened("upload.expired", id)), ("expired", 1));
        api.complete(api.admin(), id).problem(409, "upload_expired");
        api.delete(api.admin(), &format!("/v1/uploads/{id}")).expect(204);
    }
    assert_eq!(api.sweep(false), []);
}

#[test]
fn what_was_called_off_gives_its_room_back_when_its_url_is_silent() {
    let (api, clock) = served();
    let declared = api.declare(api.admin(), "/v1/uploads", "a.txt", b"bytes");
    let id = text(&declared, "id");
    api.delete(api.admin(), &format!("/v1/uploads/{id}")).expect(204);
    // Ten minutes the URL, a minute the transfer, five the clocks.
    clock.advance(15 * MINUTE);
    assert_eq!((api.sweep(false), api.reserved()), (vec![], 5));
    clock.advance(MINUTE);
    assert_eq!((api.sweep(false), api.reserved()), (vec![("release".to_owned(), id.clone())], 0));
    assert_eq!(api.happened("upload.released", &id), 1);
    clock.advance(2 * DAY);
    assert_eq!(api.sweep(false), []);
    assert_eq!(api.status_of(api.admin(), &id), "cancelled");
}

#[test]
fn what_is_called_off_late_is_found_all_the_same() {
    let (api, clock) = served();
    let id = text(&api.declare(api.admin(), "/v1/uploads", "a.txt", b"bytes"), "id");
    clock.advance(20 * 60 * MINUTE);
    api.delete(api.admin(), &format!("/v1/uploads/{id}")).expect(204);
    clock.advance(6 * MINUTE);
    assert_eq!((api.sweep(false), api.reserved()), (vec![("release".to_owned(), id)], 0));
}

#[test]
fn what_comes_after_completion_is_removed_and_read_by_nobody() {
    let (api, clock) = served();
    let id = api.upload(api.admin(), "a.txt", b"agreed");
    // As a form does that is sent again: S3 takes it as long as the policy lives.
    let content_type = ContentType::parse("text/plain").unwrap();
    let inbox = api.inbox_of(&id);
    let late = api.broker().objects.put(&inbox, &content_type, b"others".as_slice().into());
    api.wait(late).unwrap();
    assert_eq!(api.sweep(false), []);
    clock.advance(17 * MINUTE);
    assert_eq!(api.sweep(true), [("remove_late".to_owned(), id.clone())]);
    assert_eq!(api.sweep(false), [("remove_late".to_owned(), id.clone())]);
    assert_eq!((api.has_arrivals(&id), api.sweep(false)), (false, vec![]));
    assert_eq!((api.file(api.admin(), "a.txt"), api.reserved()), (b"agreed".to_vec(), 6));
}

#[test]
fn what_a_form_could_bring_again_is_given_back_when_it_cannot() {
    let (api, clock) = served();
    let body = json!({ "path": "a.txt", "size": 5, "content_type": "text/plain", "method": "post" });
    let declared = api.declare_as(api.admin(), &body);
    assert!((200..300).contains(&api.send_form(&declared, b"bytes").status));
    let id = text(&declared, "id");
    api.complete(api.admin(), &id).expect(200);
    api.delete(api.admin(), "/v1/objects/a.txt").expect(204);
    clock.advance(10 * MINUTE);
    assert_eq!((api.sweep(false), api.reserved()), (vec![], 5));
    clock.advance(7 * MINUTE);
    assert_eq!((api.sweep(false), api.reserved()), (vec![("release".to_owned(), id)], 0));
    assert_eq!((api.sweep(false), api.reserved()), (vec![], 0));
    // Deleted later, nothing is kept back.
    let declared = api.declare_as(api.admin(), &body);
    assert!((200..300).contains(&api.send_form(&declared, b"bytes").status));
    api.complete(api.admin(), &text(&declared, "id")).expect(200);
    clock.advance(17 * MINUTE);
    api.delete(api.admin(), "/v1/objects/a.txt").expect(204);
    assert_eq!(api.reserved(), 0);
}

impl Api {
    /// The key of a file's bytes.
    fn bytes_of(&self, path: &str) -> ObjectKey {
        let caller = self.wait(caller(self));
        let file = self.wait(self.broker().inspect_object(&caller, &VaultPath::parse(path).unwrap())).unwrap();
        ObjectKey::vault(caller.namespace(), file.object)
    }

    fn is_there(&self, key: &ObjectKey) -> bool {
        self.wait(self.broker().objects.head(key)).unwrap().is_some()
    }
}

#[test]
fn bytes_that_could_not_be_removed_go_later() {
    let clock = Arc::new(ManualClock::at(Instant::from_unix_seconds(1_800_000_000)));
    let (api, away) = served_at(Arc::<ManualClock>::clone(&clock));
    api.upload(api.admin(), "deleted.txt", b"bytes");
    api.upload(api.admin(), "replaced.txt", b"bytes");
    let left = [api.bytes_of("deleted.txt"), api.bytes_of("replaced.txt")];
    let body = json!({ "path": "replaced.txt", "size": 5, "content_type": "text/plain", "overwrite": true });
    let declared = api.declare_as(api.admin(), &body);
    api.put(&declared, b"other");
    away.plan(Step::Delete, Fails::Undone, 3);
    api.delete(api.admin(), "/v1/objects/deleted.txt").expect(204);
    api.complete(api.admin(), &text(&declared, "id")).expect(200);
    assert!(!away.is_planned());
    assert_eq!((api.sweep(false), left.each_ref().map(|key| api.is_there(key))), (vec![], [true; 2]));
    clock.advance(6 * MINUTE);
    assert_eq!((api.sweep(true), left.each_ref().map(|key| api.is_there(key))), (vec![], [true; 2]));
    assert_eq!((api.sweep(false), left.each_ref().map(|key| api.is_there(key))), (vec![], [false; 2]));
    assert_eq!(api.file(api.admin(), "replaced.txt"), b"other");
}

#[test]
fn who_hangs_up_does_not_keep_bytes_from_being_removed() {
    let (api, away) = served_at(Arc::new(SystemClock::default()));
    api.upload(api.admin(), "a.txt", b"bytes");
    let bytes = api.bytes_of("a.txt");
    let gate = away.gate(Step::Delete);
    api.wait(async {
        let (caller, path) = (caller(&api).await, VaultPath::parse("a.txt").unwrap());
        tokio::select! {
            _ = api.broker().delete_object(&caller, &path) => panic!("it passed the gate"),
            () = gate.come.notified() => {}
        }
    });
    gate.go_on.notify_one();
    until("the bytes are gone", || (!api.is_there(&bytes)).then_some(()));
}

#[test]
fn what_was_looked_at_is_not_looked_at_again() {
    let (api, clock) = served();
    let sweep = |since| api.wait(api.broker().sweep(since, Sweeping::DryRun)).unwrap().swept.len();
    let declared = api.declare(api.admin(), "/v1/uploads", "a.txt", b"bytes");
    let begin = api.broker().now();
    clock.advance(2 * DAY);
    let due: Upload = {
        let row = api.row(&format!("uploads#{}", api.ledger()), &text(&declared, "id"));
        serde_json::from_slice(api.broker().keyring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap())
            .unwrap()
    };
    assert_eq!((sweep(begin), sweep(due.due_at())), (1, 1));
    assert_eq!((sweep(due.due_at().plus(Duration::from_millis(1))), sweep(api.broker().now())), (0, 0));
}

#[test]
fn parts_that_nobody_goes_on_with_go() {
    let (api, clock) = served();
    let declare = |path| api.declare_parts(api.admin(), path, &vec![7; 1024 * 1024], json!({}));
    let (abandoned, cancelled) = (declare("a.bin"), declare("b.bin"));
    api.send_parts(api.admin(), &abandoned, &[1], &vec![7; 1024 * 1024]);
    let parts = || fs::read_dir(api.data_dir().join("objects/parts")).unwrap().count();
    assert_eq!(parts(), 2);
    api.delete(api.admin(), &format!("/v1/uploads/{}", text(&cancelled, "id"))).expect(204);
    assert_eq!(parts(), 1);
    // Its last URL could have been signed just before, not a day later.
    clock.advance(10 * MINUTE + 5 * MINUTE + 4 * MINUTE);
    assert_eq!(api.sweep(false), [("release".to_owned(), text(&cancelled, "id"))]);
    clock.advance(2 * DAY);
    assert_eq!(api.sweep(false), [("expire".to_owned(), text(&abandoned, "id"))]);
    assert_eq!((parts(), api.reserved()), (0, 0));
}

#[test]
fn any_number_of_sweepers_give_room_back_once() {
    let (api, clock) = served();
    let ids: Vec<_> = (0..30)
        .map(|number| text(&api.declare(api.admin(), "/v1/uploads", &number.to_string(), b"bytes"), "id"))
        .collect();
    api.upload(api.admin(), "kept.txt", b"kept");
    clock.advance(2 * DAY);
    let swept = at_once(6, |_| api.sweep(false).len());
    assert_eq!(swept.iter().sum::<usize>(), ids.len(), "{swept:?}");
    assert_eq!(api.reserved(), 4);
    for id in &ids {
        assert_eq!(api.happened("upload.expired", id), 1);
    }
}

#[test]
fn what_cannot_be_removed_yet_keeps_its_room() {
    let clock = Arc::new(ManualClock::at(Instant::from_unix_seconds(1_800_000_000)));
    let (api, away) = served_at(Arc::<ManualClock>::clone(&clock));
    let id = text(&api.declare(api.admin(), "/v1/uploads", "a.txt", b"bytes"), "id");
    clock.advance(2 * DAY);
    away.plan(Step::Delete, Fails::Undone, 1);
    let swept = api.post(api.admin(), "/v1/uploads/sweep", &json!({})).expect(200);
    assert_eq!((&swept["failed"], &swept["items"]), (&json!(1), &json!([])));
    assert_eq!((api.reserved(), api.status_of(api.admin(), &id).as_str()), (5, "expired"));
    assert_eq!((api.sweep(false).len(), api.reserved()), (1, 0));
}

#[test]
fn sweeping_is_the_operators() {
    let (api, _) = served();
    let tenant = api.new_tenant("Other");
    api.post(&tenant.admin.secret, "/v1/uploads/sweep", &json!({})).problem(403, "forbidden");
    api.public("/v1/uploads/sweep", &json!({})).problem(401, "unauthenticated");
    api.post(api.admin(), "/v1/uploads/sweep", &json!({ "dry": true })).problem(422, "invalid");
}
