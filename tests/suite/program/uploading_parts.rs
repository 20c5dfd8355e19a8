//! Uploads in parts, against a server that keeps them in memory and fails as it is told.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    pretending::{Asked, Pretender, Reply},
    process::{Place, fault, outcome, program, said, until},
};

const PART: u64 = 1_000;

/// What the server holds.
#[derive(Default)]
struct State {
    url: String,
    declared: Value,
    parts: BTreeMap<u64, Vec<u8>>,
    completions: u32,
    status: &'static str,
}

type Plan = dyn Fn(&Asked, &mut State) -> Option<Reply> + Send + Sync;

/// A server for one upload; the plan answers first, where it wants to.
fn server(plan: Box<Plan>) -> (Pretender, Arc<Mutex<State>>) {
    let state = Arc::new(Mutex::new(State { status: "pending", ..State::default() }));
    let held = state.clone();
    let server = Pretender::start(move |asked| {
        let mut state = held.lock().unwrap();
        plan(asked, &mut state).unwrap_or_else(|| answer(asked, &mut state))
    });
    state.lock().unwrap().url = server.url();
    (server, state)
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}

fn composite(parts: &BTreeMap<u64, Vec<u8>>) -> String {
    hex(&parts.values().flat_map(|part| Sha256::digest(part).to_vec()).collect::<Vec<u8>>())
}

fn answer(asked: &Asked, state: &mut State) -> Reply {
    let (method, target) = asked.line.split_once(' ').unwrap();
    let view = |state: &State| {
        let (declared, value) = (&state.declared, composite(&state.parts));
        json!({
            "id": "upl_1", "status": state.status, "path": declared["path"], "content_type": declared["content_type"],
            "checksum": { "algorithm": "sha256", "type": "composite", "value": value, "part_size": PART, "parts": 1 },
            "receipt": { "payload": "x" },
        })
    };
    match (method, target) {
        ("POST", "/v1/uploads") => {
            state.declared = asked.json();
            let count = state.declared["size"].as_u64().unwrap().div_ceil(PART);
            let mut declared = view(state);
            declared["part_size"] = json!(PART);
            declared["part_count"] = json!(count);
            Reply::json(201, &declared)
        }
        ("POST", "/v1/uploads/upl_1/parts") => {
            let sign = |part: &Value| {
                let (number, sha256) = (&part["number"], part["sha256"].as_str().unwrap());
                json!({ "number": number, "url": format!("{}/part/{number}", state.url), "headers": { "x-sha256": sha256 } })
            };
            let items: Vec<_> = asked.json()["parts"].as_array().unwrap().iter().map(sign).collect();
            Reply::json(200, &json!({ "items": items }))
        }
        ("GET", target) if target.starts_with("/v1/uploads/upl_1/parts?") => {
            let has = |(number, bytes): (&u64, &Vec<u8>)| json!({ "number": number, "size": bytes.len(), "sha256": hex(bytes) });
            let items: Vec<_> = state.parts.iter().map(has).collect();
            Reply::json(200, &json!({ "items": items, "next_cursor": null }))
        }
        ("PUT", target) => {
            let number = target.strip_prefix("/part/").unwrap().parse().unwrap();
            if hex(&asked.body) != asked.header("x-sha256") {
                return Reply::bytes(400, "<Error><Message>BadDigest</Message></Error>");
            }
            state.parts.insert(number, asked.body.clone());
            Reply::bytes(200, "")
        }
        ("POST", "/v1/uploads/upl_1/complete") => {
            state.completions += 1;
            if state.completions == 1 {
                return Reply::json(202, &json!({ "status": "verifying" })).with("Retry-After", 0);
            }
            state.status = "completed";
            Reply::json(200, &view(state))
        }
        ("GET", "/v1/uploads/upl_1") => Reply::json(200, &view(state)),
        ("DELETE", "/v1/uploads/upl_1") => {
            state.status = "cancelled";
            Reply::bytes(204, "")
        }
        _ => panic!("{}", asked.line),
    }
}

struct Sender {
    place: Place,
    url: String,
}

impl Sender {
    fn with(size: usize, url: &str) -> Self {
        let place = Place::new();
        let bytes: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
        fs::write(place.path("big.bin"), bytes).unwrap();
        Self { place, url: url.into() }
    }

    fn command(&self) -> Command {
        let mut command = self.by_any_method();
        command.args(["--method", "multipart"]);
        command
    }

    fn by_any_method(&self) -> Command {
        let mut command = program();
        command.current_dir(self.place.path(".")).env("CLOAKROOM_URL", &self.url).env("CLOAKROOM_API_KEY", "x");
        command.env("XDG_STATE_HOME", self.place.path("state"));
        command.args(["upload", "big.bin", "--to", "docs/", "--json"]);
        command
    }

    /// What is kept for the next run.
    fn kept(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.place.path("state/cloakroom/uploads"));
        folder.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.place.path("big.bin")).unwrap()
    }
}

#[test]
fn every_part_is_signed_with_its_checksum_and_arrives() {
    let (server, state) = server(Box::new(|_, _| None));
    let sender = Sender::with(10_500, &server.url());
    let told: Value = serde_json::from_str(&said(&outcome(&mut sender.command()))).unwrap();
    assert_eq!(
        (&told["path"], &told["size"], &told["receipt"]["payload"]),
        (&json!("docs/big.bin"), &json!(10_500), &json!("x"))
    );
    let state = state.lock().unwrap();
    assert_eq!((state.parts.len(), state.parts.values().flatten().copied().collect::<Vec<u8>>()), (11, sender.bytes()));
    assert_eq!(state.declared["part_checksums"], json!(true));
    assert_eq!(told["checksum"]["value"], json!(composite(&state.parts)));
    assert!(sender.kept().is_empty());
}

#[test]
fn a_bad_line_and_a_stale_url_cost_no_part() {
    let failed = Mutex::new(BTreeMap::<String, u32>::new());
    let (server, state) = server(Box::new(move |asked, _| {
        let mut failed = failed.lock().unwrap();
        let times = failed.entry(asked.line.clone()).or_default();
        *times += 1;
        match (asked.line.as_str(), *times) {
            ("PUT /part/2", 1) => Some(Reply::bytes(503, "").with("Retry-After", 0)),
            ("PUT /part/3", 1) => Some(Reply::lost()),
            ("PUT /part/5", 1) => Some(Reply::bytes(403, "<Error><Message>Request has expired</Message></Error>")),
            ("POST /v1/uploads/upl_1/parts", 1) => Some(Reply::problem(429, "slower").with("Retry-After", 0)),
            _ => None,
        }
    }));
    let sender = Sender::with(6_000, &server.url());
    said(&outcome(&mut sender.command()));
    assert_eq!(state.lock().unwrap().parts.values().flatten().copied().collect::<Vec<u8>>(), sender.bytes());
    assert_eq!(server.asked("PUT /part/5").len(), 2);
}

#[test]
fn killed_in_the_middle_it_sends_only_what_is_missing() {
    // Parts from the ninth on are held back until the program is dead.
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = gate.clone();
    let (inner, state) = server(Box::new(|_, _| None));
    let relayed = state.clone();
    let relay = Pretender::start(move |asked| {
        let number = asked.line.strip_prefix("PUT /part/").and_then(|number| number.parse::<u64>().ok());
        let (open, opened) = &*held;
        if number.is_some_and(|number| number > 8) && !*open.lock().unwrap() {
            let _open = opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap();
            return Reply::lost();
        }
        answer(asked, &mut relayed.lock().unwrap())
    });
    drop(inner);
    state.lock().unwrap().url = relay.url();
    let sender = Sender::with(20_000, &relay.url());
    let mut killed = sender.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("eight parts are there, and a ninth under way", || {
        let all = (1..=8).all(|number| state.lock().unwrap().parts.contains_key(&number));
        (all && relay.asked("PUT").len() > 8).then_some(())
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    let kept = sender.kept();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::metadata(&kept[0]).unwrap().mode() & 0o777, 0o600);

    // A part that is not what the file has now is sent again as well.
    state.lock().unwrap().parts.insert(4, vec![0; 1_000]);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let before = relay.asked("PUT").len();
    said(&outcome(&mut sender.command()));
    let mut sent: Vec<u64> =
        relay.asked("PUT")[before..].iter().map(|asked| asked.line["PUT /part/".len()..].parse().unwrap()).collect();
    sent.sort();
    assert_eq!(sent, [4].into_iter().chain(9..=20).collect::<Vec<_>>());
    assert_eq!(relay.asked("POST /v1/uploads").iter().filter(|asked| asked.line == "POST /v1/uploads").count(), 1);
    assert_eq!(state.lock().unwrap().parts.values().flatten().copied().collect::<Vec<u8>>(), sender.bytes());
    assert!(sender.kept().is_empty());
}

#[test]
fn an_upload_that_the_server_has_ended_begins_anew() {
    let ended = AtomicBool::new(false);
    let (server, state) = server(Box::new(move |asked, state| match asked.line.as_str() {
        "POST /v1/uploads" => {
            state.status = "pending";
            None
        }
        "POST /v1/uploads/upl_1/complete" if !ended.swap(true, Ordering::SeqCst) => {
            state.status = "expired";
            Some(Reply::problem(403, "too_late"))
        }
        _ => None,
    }));
    let sender = Sender::with(2_000, &server.url());
    let told = fault(&outcome(&mut sender.command()));
    assert!(told.contains("big.bin: title of too_late"), "{told}");
    assert_eq!(sender.kept().len(), 1);
    said(&outcome(&mut sender.command()));
    assert_eq!(server.asked("POST /v1/uploads").iter().filter(|asked| asked.line == "POST /v1/uploads").count(), 2);
    assert_eq!(state.lock().unwrap().status, "completed");
}

#[test]
fn where_parts_are_not_offered_one_request_does_it() {
    let (server, _) = server(Box::new(|asked, state| match asked.line.as_str() {
        "POST /v1/uploads" if asked.json()["method"] == "multipart" => Some(Reply::problem(422, "method_not_offered")),
        "POST /v1/uploads" => {
            state.declared = asked.json();
            let url = format!("{}/whole", state.url);
            Some(Reply::json(201, &json!({ "id": "upl_1", "url": url, "headers": {} })))
        }
        "PUT /whole" => Some(Reply::bytes(200, "")),
        "POST /v1/uploads/upl_1/complete" => {
            let (path, sha256) = (&state.declared["path"], &state.declared["sha256"]);
            let checksum = json!({ "algorithm": "sha256", "type": "full", "value": sha256 });
            let receipt = json!({ "payload": "x" });
            let view =
                json!({ "id": "upl_1", "status": "completed", "path": path, "checksum": checksum, "receipt": receipt });
            Some(Reply::json(200, &view))
        }
        _ => None,
    }));
    let sender = Sender::with(0, &server.url());
    let size = 64 * 1024 * 1024 + 1;
    fs::File::create(sender.place.path("big.bin")).unwrap().set_len(size).unwrap();
    // Who asks for parts is told that there are none.
    let told = fault(&outcome(&mut sender.command()));
    assert!(told.contains("big.bin: title of method_not_offered"), "{told}");
    assert!(server.asked("PUT /").is_empty());
    said(&outcome(&mut sender.by_any_method()));
    let [sent] = &server.asked("PUT /whole")[..] else { panic!("it was not sent once") };
    assert_eq!(sent.body.len() as u64, size);
    assert!(sender.kept().is_empty());
}

#[test]
fn a_file_that_changes_meanwhile_is_not_sent() {
    let file = Arc::new(Mutex::new(PathBuf::new()));
    let changed = file.clone();
    let (server, state) = server(Box::new(move |asked, _| {
        if asked.line == "PUT /part/2" {
            fs::write(&*changed.lock().unwrap(), "short").unwrap();
        }
        None
    }));
    let sender = Sender::with(2_000, &server.url());
    *file.lock().unwrap() = sender.place.path("big.bin");
    assert!(fault(&outcome(&mut sender.command())).contains("it was changed while it was sent"));
    let state = state.lock().unwrap();
    assert_eq!((state.status, state.completions), ("cancelled", 0));
    assert!(sender.kept().is_empty());
}

#[test]
fn a_server_that_tells_another_checksum_or_plan_is_not_believed() {
    let (liar, _) = server(Box::new(|asked, state| {
        (asked.line.ends_with("/complete")).then(|| {
            let checksum = json!({
                "algorithm": "sha256", "type": "composite", "value": "00".repeat(32), "part_size": PART, "parts": 2,
            });
            Reply::json(
                200,
                &json!({ "id": "upl_1", "status": "completed", "path": state.declared["path"], "checksum": checksum }),
            )
        })
    }));
    assert!(fault(&outcome(&mut Sender::with(2_000, &liar.url()).command())).contains("another checksum"));
    for (part_size, part_count) in [(0, 1), (1_000, 1), (1, 2_000_000)] {
        let (liar, _) = server(Box::new(move |asked, _| {
            let plan = json!({ "id": "upl_1", "part_size": part_size, "part_count": part_count });
            (asked.line == "POST /v1/uploads").then(|| Reply::json(201, &plan))
        }));
        assert!(fault(&outcome(&mut Sender::with(2_000, &liar.url()).command())).contains("plan"));
        assert!(liar.asked("PUT").is_empty());
    }
}

#[test]
fn parts_go_up_are_vouched_for_and_come_down() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    let folder = place.path(".");
    let run = |arguments: &[&str]| said(&served.client_in(&folder, &key, arguments));
    let bytes: Vec<u8> = (0..20_000_000_u32).map(|index| (index % 251) as u8).collect();
    fs::write(place.path("big.bin"), &bytes).unwrap();
    let told =
        run(&["upload", "big.bin", "--method", "multipart", "--to", "docs/", "--receipts", "receipts", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["receipt"]["signature"].is_string() && told["checksum"]["value"].is_string(), "{told}");
    let (_, view) = served.ask("GET", &format!("/v1/uploads/{}", told["id"].as_str().unwrap()), &key, None);
    assert_eq!(
        (&view["method"], &view["part_count"], &view["part_checksums"]),
        (&json!("multipart"), &json!(3), &json!(true))
    );

    fs::write(place.path("key.pem"), run(&["receipt", "key"])).unwrap();
    let receipt = "receipts/docs/big.bin.receipt.json";
    let verified = run(&["receipt", "verify", receipt, "--key", "key.pem", "--file", "big.bin"]);
    assert!(verified.contains("The file big.bin is the one.") && verified.contains("docs/big.bin"), "{verified}");
    run(&["download", "docs/big.bin", "--to", "out"]);
    assert!(fs::read(place.path("out/docs/big.bin")).unwrap() == bytes);
    // In parts or not, what is there already is known.
    let again = served.client_in(&folder, &key, &["upload", "big.bin", "--method", "multipart", "--to", "docs/"]);
    assert!(super::process::wrote(&again, 0).1.contains("already there"));
    served.stop();
}
