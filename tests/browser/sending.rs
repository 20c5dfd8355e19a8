//! Files that are sent: whole folders, picked or dropped; and a large file in parts, through pauses and lost connections.

use std::sync::{Arc, Barrier};

use serde_json::{Value, json};

use crate::{
    browser::{Browser, browser, until},
    folders::opened,
    house::{Fate, House},
};

/// Large enough to go in parts: 40 MB, each byte of which tells its place.
const LARGE: usize = 40_000_000;

/// A part on its way to the storage, or a whole file.
const PART: &str = "PUT /o/";

fn large() -> Vec<u8> {
    (0..LARGE / 4).flat_map(|place| u32::try_from(place).unwrap().to_le_bytes()).collect()
}

impl Browser {
    /// Drops files and folders of this machine on an element, as from a folder's window.
    #[track_caller]
    pub fn drops(&self, selector: &str, paths: &[&str]) {
        self.finds(selector);
        let (x, y): (f64, f64) = self.eval(&format!(
            "const one = document.querySelector({});
             one.scrollIntoView({{ block: 'center' }});
             const box = one.getBoundingClientRect();
             return [box.x + box.width / 2, box.y + box.height / 2]",
            json!(selector)
        ));
        let data = json!({ "items": [], "files": paths, "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.cdp("Input.dispatchDragEvent", json!({ "type": kind, "x": x, "y": y, "data": data }));
        }
    }

    /// Waits until a file on its way is in this state.
    #[track_caller]
    pub fn is(&self, path: &str, state: &str) {
        let line = format!("[data-slot=sent] [data-path={}][data-state={state}]", json!(path));
        self.until(&line, &format!("return document.querySelector({}) !== null", json!(line)));
    }

    /// Does this with a file on its way.
    #[track_caller]
    pub fn does(&self, deed: &str, path: &str) {
        self.clicks(&format!("[data-slot=sent] [data-path={}] [data-do={deed}]", json!(path)));
    }

    /// Whether this device has a connection.
    fn online(&self, is: bool) {
        let conditions = json!({ "offline": !is, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.cdp("Network.emulateNetworkConditions", conditions);
    }

    /// Waits until so much of a file has gone.
    #[track_caller]
    fn has_sent(&self, path: &str, share: f64) {
        let bar = format!("[data-slot=sent] [data-path={}] progress", json!(path));
        self.until("some of it has gone", &format!("return document.querySelector({})?.value > {share}", json!(bar)));
    }
}

#[test]
fn folders_are_picked_and_dropped_with_all_that_is_in_them() {
    let house = House::open();
    let sender = browser();
    opened(&house, &sender, "write", &["inbox/"]);
    let files: [(&str, &[u8]); 4] =
        [("one.bin", b"1"), ("trips/two.bin", b"22"), ("trips/🎭 א.bin", b"333"), (".DS_Store", b"litter")];
    let picked = sender.has_folder("picked", &files);
    sender.chooses("[data-slot=upload] [data-do=choose-folder]", "#chosen-folder", picked.to_str().unwrap());
    for path in ["inbox/picked/one.bin", "inbox/picked/trips/two.bin", "inbox/picked/trips/🎭 א.bin"] {
        sender.is(path, "done");
    }
    sender.shows(&["picked"]);
    let dropped = sender.has_folder("dropped", &files);
    let single = sender.has_file("single.bin", b"4444");
    sender.enters("picked");
    sender.drops("[data-slot=drop]", &[dropped.to_str().unwrap(), single.to_str().unwrap()]);
    for path in ["dropped/one.bin", "dropped/trips/two.bin", "dropped/trips/🎭 א.bin", "single.bin"] {
        sender.is(&format!("inbox/picked/{path}"), "done");
    }
    sender.shows(&["dropped", "trips", "one.bin", "single.bin"]);
    sender.pictures("session", "folders-sent");
    let mut vault = house.api.vault(house.admin());
    vault.sort();
    assert_eq!(
        vault,
        [
            "inbox/picked/dropped/one.bin",
            "inbox/picked/dropped/trips/two.bin",
            "inbox/picked/dropped/trips/🎭 א.bin",
            "inbox/picked/one.bin",
            "inbox/picked/single.bin",
            "inbox/picked/trips/two.bin",
            "inbox/picked/trips/🎭 א.bin",
        ]
    );
    assert_eq!(house.api.file(house.admin(), "inbox/picked/dropped/trips/two.bin"), b"22");
    // The same again: nothing is replaced before it is said so.
    sender.drops("[data-slot=drop]", &[single.to_str().unwrap()]);
    sender.is("inbox/picked/single.bin", "failed");
    sender.pictures("session", "taken");
    sender.clicks("[data-slot=sent] [data-state=failed] [data-do=replace]");
    sender.until("it is replaced", "return document.querySelector('[data-slot=sent] [data-state=failed]') === null");
}

#[test]
fn folders_are_dropped_on_the_console_and_on_a_request_for_files() {
    let house = House::open();
    let asked = house.asks(json!({}));
    let owner = browser();
    let folder = owner.has_folder("dropped", &[("one.bin", b"1"), ("trips/two.bin", b"22")]);
    owner.signs_in(&house, house.admin());
    owner.visits("files");
    owner.drops("[data-view=files] [data-slot=drop]", &[folder.to_str().unwrap()]);
    assert_eq!(owner.lists(1), ["dropped/"]);
    owner.is("dropped/one.bin", "done");
    owner.is("dropped/trips/two.bin", "done");
    // Elsewhere in the console nothing is taken.
    owner.visits("usage");
    owner.drops("[data-view=usage]", &[folder.to_str().unwrap()]);
    owner.sees("usage");
    owner.go(&asked.url);
    owner.presses("begin");
    owner.sees("open");
    owner.drops("[data-view=open] [data-slot=drop]", &[folder.to_str().unwrap()]);
    until("all has arrived", || house.delivered().len() == 2);
    let mut delivered = house.delivered();
    delivered.sort();
    assert_eq!(delivered, ["dropped/one.bin", "dropped/trips/two.bin"]);
}

#[test]
fn a_large_file_goes_in_parts_through_a_pause_and_a_lost_connection() {
    let house = House::open();
    let sender = browser();
    opened(&house, &sender, "write", &["inbox/"]);
    let bytes = large();
    let path = "inbox/large.bin";
    // One part waits, so that it cannot be over too soon.
    let held = Arc::new(Barrier::new(2));
    house.plan(PART, Fate::Meet(held.clone()));
    sender.sends("large.bin", &bytes);
    sender.has_sent(path, 0.1);
    sender.does("pause", path);
    sender.is(path, "paused");
    held.wait();
    sender.pictures("session", "paused");

    sender.online(false);
    sender.does("resume", path);
    sender.is(path, "lost");
    sender.pictures("session", "connection-lost");
    // It goes on by itself, and through a part that breaks off.
    house.plan(PART, Fate::CutAfter(1_000_000));
    sender.online(true);
    sender.is(path, "done");
    assert!(house.api.file(house.admin(), "inbox/large.bin") == bytes, "it is whole, and each part in its place");
    assert_eq!(sender.listed(), ["large.bin"]);
    sender.pictures("session", "large-sent");
    let arrived = house.seen(PART).iter().filter(|seen| seen.status == "200").count();
    assert_eq!(arrived, parts(&house), "none was sent again that had arrived");
}

/// In how many parts the file went.
fn parts(house: &House) -> usize {
    let completed = |event: &Value| event["type"] == "upload.created";
    let id =
        house.api.events(&house.api.ledger()).iter().map(|event| json!(event)).find(completed).unwrap()["resource"]
            .clone();
    let upload = house.api.get(house.admin(), &format!("/v1/uploads/{}", id.as_str().unwrap())).expect(200);
    usize::try_from(upload["part_count"].as_u64().unwrap()).unwrap()
}

#[test]
fn a_large_file_that_is_called_off_leaves_nothing() {
    let house = House::open();
    let sender = browser();
    opened(&house, &sender, "write", &["inbox/"]);
    let path = "inbox/large.bin";
    let held = Arc::new(Barrier::new(2));
    house.plan(PART, Fate::Meet(held.clone()));
    sender.sends("large.bin", &large());
    sender.has_sent(path, 0.1);
    sender.does("cancel", path);
    sender.is(path, "cancelled");
    held.wait();
    until("the broker is told", || {
        house.seen("DELETE /v1/session/uploads/").iter().any(|seen| seen.status == "204" || seen.status == "200")
    });
    assert!(house.api.vault(house.admin()).is_empty());
    let history = house.api.history();
    assert_eq!(history.iter().filter(|(kind, _)| kind == "upload.cancelled").count(), 1);
    // And the same file can be sent after all.
    sender.sends("small.bin", b"1");
    sender.is("inbox/small.bin", "done");
    assert_eq!(house.api.vault(house.admin()), ["inbox/small.bin"]);
}
