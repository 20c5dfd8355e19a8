//! Files on their way that are stopped, held up or cut off: they go on where they can, and what is told of them is true.

use std::{
    fs,
    sync::{Arc, Barrier},
};

use serde_json::json;

use crate::{
    browser::{Browser, ENTER, Setup, browser, browsers_as, until},
    folders::opened,
    house::{Fate, House},
};

const DECLARE: &str = "POST /v1/session/uploads/batch";
const COMPLETE: &str = "POST /v1/session/uploads/*/complete";
const SEND: &str = "PUT /o/";

/// Goes in parts.
const LARGE: usize = 20_000_000;

impl Browser {
    /// What has the focus, by what it does.
    #[track_caller]
    fn focused(&self) -> Option<String> {
        self.eval(
            "const at = document.activeElement; return at.checkVisibility() && at !== document.body ? at.dataset.do ?? at.tagName : null",
        )
    }

    /// Whether leaving the page would be asked about.
    #[track_caller]
    fn asks_before_it_goes(&self) -> bool {
        self.eval(
            "const leaving = new Event('beforeunload', { cancelable: true }); dispatchEvent(leaving); return leaving.defaultPrevented",
        )
    }

    /// How many lines of files on their way are in this state.
    #[track_caller]
    fn lines(&self, state: &str) -> usize {
        self.eval(&format!("return document.querySelectorAll('[data-slot=sent] [data-state={state}]').length"))
    }

    /// What is told of a file that is on its way.
    #[track_caller]
    fn told(&self, path: &str) -> String {
        self.texts(&format!("[data-slot=sent] [data-path={}] .about", json!(path))).remove(0)
    }
}

/// A sender in a session that may write.
#[track_caller]
fn sender(house: &House) -> Browser {
    let sender = browser();
    opened(house, &sender, "write", &["inbox/"]);
    sender
}

/// The next requests that bring bytes wait, three of them, until this is met as often.
fn held(house: &House) -> [Arc<Barrier>; 3] {
    [(); 3].map(|()| {
        let held = Arc::new(Barrier::new(2));
        house.plan(SEND, Fate::Meet(held.clone()));
        held
    })
}

fn happened(house: &House, what: &str) -> usize {
    house.api.history().iter().filter(|(kind, _)| kind == what).count()
}

#[test]
fn what_was_paused_together_goes_on_one_by_one_and_other_files_have_their_turn() {
    let house = House::open();
    let sender = sender(&house);
    let [held, ..] = held(&house);
    sender.sends("one.bin", b"1");
    sender.is("inbox/one.bin", "sending");
    until("its bytes are on their way", || house.seen(SEND).len() == 1);
    house.mend();
    sender.presses("pause-all");
    sender.is("inbox/one.bin", "paused");
    assert_eq!(sender.focused().as_deref(), Some("resume-all"), "what is pressed next is at hand");
    assert!(sender.asks_before_it_goes());
    held.wait();
    sender.does("resume", "inbox/one.bin");
    sender.is("inbox/one.bin", "done");
    assert!(!sender.asks_before_it_goes());

    house.plan(SEND, Fate::Meet(held.clone()));
    sender.sends("two.bin", b"2");
    sender.is("inbox/two.bin", "sending");
    until("its bytes are on their way", || house.is_done());
    sender.presses("pause-all");
    sender.is("inbox/two.bin", "paused");
    held.wait();
    sender.does("cancel", "inbox/two.bin");
    sender.sends("three.bin", b"3");
    sender.is("inbox/three.bin", "done");

    house.plan(SEND, Fate::Meet(held.clone()));
    sender.sends("four.bin", b"4");
    until("its bytes are on their way", || house.is_done());
    sender.presses("pause-all");
    sender.is("inbox/four.bin", "paused");
    held.wait();
    // By the keyboard: where the focus is.
    sender.types(ENTER);
    sender.is("inbox/four.bin", "done");
    let mut vault = house.api.vault(house.admin());
    vault.sort();
    assert_eq!(vault, ["inbox/four.bin", "inbox/one.bin", "inbox/three.bin"]);
}

#[test]
fn a_file_whose_connection_died_without_a_word_goes_on_when_the_server_has_noticed() {
    let house = House::open();
    let sender = sender(&house);
    let noticed = Arc::new(Barrier::new(2));
    house.plan(SEND, Fate::LeaveOpen(1_000_000, noticed.clone()));
    let bytes = vec![7; 3_000_000];
    sender.sends("photo.bin", &bytes);
    // More often than it would be asked without waiting.
    until("it is asked again and again", || {
        house.seen(COMPLETE).iter().filter(|seen| seen.status == "409").count() >= 4
    });
    sender.is("inbox/photo.bin", "lost");
    noticed.wait();
    sender.is("inbox/photo.bin", "done");
    assert!(house.api.file(house.admin(), "inbox/photo.bin") == bytes);
}

#[test]
fn a_connection_on_which_nothing_moves_is_given_up_and_the_file_sent_anew() {
    let house = House::open();
    let impatient = "const real = setTimeout; window.setTimeout = (go, span) => real(go, span === 45_000 ? 500 : span)";
    let [sender] = browsers_as([Setup::default().script(impatient)]);
    opened(&house, &sender, "write", &["inbox/"]);
    let held = Arc::new(Barrier::new(2));
    house.plan(SEND, Fate::Meet(held.clone()));
    sender.sends("one.bin", b"1");
    sender.is("inbox/one.bin", "done");
    held.wait();
    assert_eq!(house.api.vault(house.admin()), ["inbox/one.bin"]);
}

#[test]
fn what_the_storage_does_not_take_yet_is_sent_again_and_what_it_never_takes_is_told() {
    let house = House::open();
    let sender = sender(&house);
    for (status, name) in [(408, "slow.bin"), (409, "twice.bin"), (429, "much.bin"), (503, "away.bin")] {
        house.plan(SEND, Fate::Answer(status, ""));
        sender.sends(name, b"1");
        let path = format!("inbox/{name}");
        sender.is(&path, "lost");
        assert!(!sender.told(&path).contains("connection"), "{status}: {}", sender.told(&path));
        if status == 503 {
            sender.pictures("session", "held-up");
        }
        house.mend();
        // Whoever waits long by now need not.
        sender.eval::<()>("dispatchEvent(new Event('online'))");
        sender.is(&path, "done");
    }
    // Its URL has ended: there is another.
    house.plan(SEND, Fate::Answer(403, ""));
    sender.sends("late.bin", b"1");
    sender.is("inbox/late.bin", "failed");
    assert_eq!(house.seen(DECLARE).len(), 4 + 1 + 3, "as often as is of use");
    house.mend();
    sender.does("retry", "inbox/late.bin");
    sender.is("inbox/late.bin", "done");
    assert_eq!(house.api.vault(house.admin()).len(), 5);
}

#[test]
fn what_was_stored_is_told_to_be_however_its_answer_was_lost() {
    let house = House::open();
    let sender = sender(&house);
    for (name, bytes) in [("small.bin", vec![1; 10]), ("large.bin", vec![2; LARGE])] {
        house.plan(COMPLETE, Fate::LoseAnswer);
        sender.sends(name, &bytes);
        let path = format!("inbox/{name}");
        sender.is(&path, "lost");
        sender.does("pause", &path);
        sender.is(&path, "paused");
        house.mend();
        sender.does("resume", &path);
        sender.is(&path, "done");
    }
    // Called off too late.
    house.plan(COMPLETE, Fate::LoseAnswer);
    sender.sends("kept.bin", b"1");
    sender.is("inbox/kept.bin", "lost");
    until("it is stored", || happened(&house, "upload.completed") == 3);
    sender.does("cancel", "inbox/kept.bin");
    sender.is("inbox/kept.bin", "done");
    // While it is checked, it is not called off with the others.
    house.mend();
    let checked = Arc::new(Barrier::new(2));
    house.plan(COMPLETE, Fate::Meet(checked.clone()));
    sender.sends("last.bin", b"1");
    sender.is("inbox/last.bin", "checking");
    sender.presses("cancel-all");
    sender.eval_async::<()>(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))",
    );
    sender.is("inbox/last.bin", "checking");
    checked.wait();
    sender.is("inbox/last.bin", "done");
    assert_eq!(sender.lines("cancelled"), 0);
    assert_eq!(house.api.vault(house.admin()).len(), 4);
    assert_eq!(happened(&house, "upload.created"), 4);
}

#[test]
fn what_was_declared_is_gone_on_with_or_called_off_and_never_left_behind() {
    let house = House::open();
    let sender = sender(&house);
    let declared = Arc::new(Barrier::new(2));
    house.plan(DECLARE, Fate::Meet(declared.clone()));
    sender.sends("one.bin", b"1");
    sender.is("inbox/one.bin", "sending");
    sender.does("pause", "inbox/one.bin");
    sender.is("inbox/one.bin", "paused");
    declared.wait();
    sender.does("resume", "inbox/one.bin");
    sender.is("inbox/one.bin", "done");
    assert_eq!(happened(&house, "upload.created"), 1);

    house.plan(DECLARE, Fate::Meet(declared.clone()));
    sender.sends("two.bin", b"2");
    sender.is("inbox/two.bin", "sending");
    sender.does("cancel", "inbox/two.bin");
    declared.wait();
    until("it is called off", || happened(&house, "upload.cancelled") == 1);

    // An answer that was lost is asked for again, by the same name.
    house.plan(DECLARE, Fate::LoseAnswer);
    sender.sends("three.bin", b"3");
    sender.is("inbox/three.bin", "lost");
    house.mend();
    sender.is("inbox/three.bin", "done");
    let keys = |line: &str| -> Vec<String> {
        let key = |headers: &str| {
            headers.lines().find_map(|line| line.to_lowercase().strip_prefix("idempotency-key: ").map(str::to_owned))
        };
        house.seen(line).iter().map(|seen| key(&seen.headers).unwrap()).collect()
    };
    let keys = keys(DECLARE);
    assert!(keys.len() >= 4 && keys[3..].iter().all(|key| *key == keys[2]), "{keys:?}");
    assert!(keys[0] != keys[1] && keys[1] != keys[2], "{keys:?}");
}

#[test]
fn files_that_were_declared_before_their_turn_are_called_off_with_the_others() {
    let house = House::open();
    let sender = sender(&house);
    let held = held(&house);
    let names: Vec<String> = (0..20).map(|number| format!("{number:02}.bin")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b"1"[..])).collect();
    let folder = sender.has_folder("many", &files);
    sender.drops("[data-slot=drop]", &[folder.to_str().unwrap()]);
    until("three are on their way", || house.is_done());
    assert_eq!(house.seen(DECLARE).len(), 1, "all of them together");
    sender.presses("cancel-all");
    until("all are called off", || happened(&house, "upload.cancelled") == 20);
    sender.until(
        "all are told",
        "return document.querySelectorAll('[data-slot=sent] [data-state=cancelled]').length === 20",
    );
    for one in held {
        one.wait();
    }
    assert!(house.api.vault(house.admin()).is_empty());
    sender.sends("after.bin", b"1");
    sender.is("inbox/after.bin", "done");
}

#[test]
fn of_many_that_fail_a_hundred_are_shown_and_all_are_tried_again_at_once() {
    let house = House::open();
    let sender = sender(&house);
    house.plan(SEND, Fate::Answer(400, ""));
    let names: Vec<String> = (0..130).map(|number| format!("{number:03}.bin")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b"1"[..])).collect();
    let folder = sender.has_folder("many", &files);
    sender.drops("[data-slot=drop]", &[folder.to_str().unwrap()]);
    sender.until(
        "all have failed",
        "return document.querySelector('.sending').innerText.includes('130 could not be sent')",
    );
    assert_eq!(sender.lines("failed"), 100);
    let spoken: String = sender.eval("return document.querySelector('.sending [role=status]').textContent");
    assert!(spoken.contains("130 could not be sent"), "{spoken}");
    sender.pictures("session", "all-failed");
    house.mend();
    sender.presses("retry-all");
    sender
        .until("all are sent", "return document.querySelector('.sending').innerText.includes('130 of 130 files sent')");
    assert_eq!(house.api.paths(house.admin(), "/v1/objects?limit=1000").len(), 130);
    assert_eq!(sender.lines("failed"), 0);
}

#[test]
fn a_file_that_has_changed_meanwhile_is_told_to_have() {
    let house = House::open();
    let sender = sender(&house);
    let declared = Arc::new(Barrier::new(2));
    house.plan(DECLARE, Fate::Meet(declared.clone()));
    sender.sends("notes.bin", b"as it was");
    sender.is("inbox/notes.bin", "sending");
    fs::remove_file(sender.has_file("notes.bin", b"as it is now, and longer")).unwrap();
    declared.wait();
    sender.is("inbox/notes.bin", "failed");
    assert!(sender.told("inbox/notes.bin").contains("could not be read"), "{}", sender.told("inbox/notes.bin"));
    let again: bool = sender.eval("return document.querySelector('[data-slot=sent] [data-do=retry]').hidden");
    assert!(again, "it would fail again");
}

#[test]
fn who_loses_access_while_files_are_sent_is_told_how_many_have_arrived() {
    let house = House::open();
    let sender = browser();
    let share = opened(&house, &sender, "write", &["inbox/"]);
    sender.sends("one.bin", b"1");
    sender.is("inbox/one.bin", "done");
    let [held, ..] = held(&house);
    sender.sends("two.bin", b"2");
    until("its bytes are on their way", || house.seen(SEND).len() == 2);
    house.mend();
    house.api.delete(house.admin(), &format!("/v1/shares/{share}")).expect(204);
    held.wait();
    sender.sees("over");
    assert!(sender.text("arrived").contains("1 of 2"), "{}", sender.text("arrived"));
    sender.pictures("session", "over-while-sending");
}
