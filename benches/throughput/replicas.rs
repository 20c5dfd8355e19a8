//! One replica and three, on one table of an emulated DynamoDB, in turns. What one emulator can answer bounds both: its
//! processor time is told beside theirs.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    load::{self, Load, Requests},
    median,
    process::{Server, admin_key, processor_seconds, request},
};

const MANY: usize = 3;
const SHARE: &str = r#"{"paths":["a.txt"],"permission":"read","allow_missing":true,"expires_in":86400}"#;

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: eval \"$(localstack/emulators env)\""))
}

pub(crate) fn figures(program: &Path, workers: usize, load: Load, rounds: usize) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<_> = (0..MANY).map(|replica| folder.path().join(replica.to_string())).collect();
    let table = format!("benchmark-{}", std::process::id());
    let endpoint = setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT");
    make_table(&endpoint, &table);
    let mut settings: Vec<_> =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"].map(|name| (name, setting(name))).into();
    settings.extend([
        ("CLOAKROOM_STORE", "dynamodb".into()),
        ("CLOAKROOM_DYNAMODB_TABLE", table),
        ("CLOAKROOM_DYNAMODB_ENDPOINT", endpoint.clone()),
        ("CLOAKROOM_ROOT_KEYS", data[0].join("root-keys.json").display().to_string()),
        ("CLOAKROOM_LIMITS", "off".into()),
    ]);
    let made = Command::new(program)
        .args(["bootstrap", "--data-dir"])
        .arg(&data[0])
        .env_clear()
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let key = admin_key(&data[0]);
    let servers: Vec<_> = data.iter().map(|data| Server::start_with(program, data, workers, &settings).0).collect();
    let emulator = listener_of(&endpoint);
    let (mut rates, mut costs) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        for (which, count) in [1, MANY].into_iter().enumerate() {
            let before = emulator.map(processor_seconds);
            let (rate, seconds) = round(&servers[..count], &key, load);
            rates[which].push(rate);
            costs[which].extend(before.zip(emulator).map(|(before, id)| (processor_seconds(id) - before) / seconds));
        }
    }
    let [mut one, mut many] = rates;
    let mut ratios: Vec<f64> = one.iter().zip(&many).map(|(one, many)| many / one).collect();
    let (one, many, ratio) = (median(&mut one), median(&mut many), median(&mut ratios));
    let busy = costs.map(|mut costs| if costs.is_empty() { f64::NAN } else { median(&mut costs) });
    println!(
        "mint a share, on an emulated table: one replica {one:.0}/s, {MANY} replicas {many:.0}/s: {ratio:.2} ({:.2} to {:.2}); \
         the emulator keeps {:.2} and {:.2} processors busy\n",
        ratios[0],
        ratios[ratios.len() - 1],
        busy[0],
        busy[1],
    );
    json!({ "one_per_second": one, "many_per_second": many, "ratio": ratio, "emulator_processors": busy })
}

/// Requests a second of all of them together, and how long it took.
fn round(servers: &[Server], key: &str, load: Load) -> (f64, f64) {
    let each = Load { connections: load.connections / servers.len(), ..load };
    let rounds: Vec<_> = thread::scope(|scope| {
        let begun: Vec<_> = servers
            .iter()
            .map(|server| {
                let bytes = vec![request(server.api, "POST", "/v1/shares", key, SHARE, "keep-alive")];
                let requests = Arc::new(Requests { bytes, again: true });
                scope.spawn(move || load::round(server.api, &requests, 201, each))
            })
            .collect();
        begun.into_iter().map(|round| round.join().unwrap()).collect()
    });
    let seconds = rounds.iter().map(|round| round.seconds).fold(0.0, f64::max);
    (rounds.iter().map(load::Round::rate).sum(), seconds)
}

fn make_table(endpoint: &str, name: &str) {
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let text = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let table = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [text("pk"), text("sk")], "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
    });
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    agent
        .post(endpoint)
        .header("x-amz-target", "DynamoDB_20120810.CreateTable")
        .content_type("application/x-amz-json-1.0")
        .send(table.to_string())
        .unwrap();
    thread::sleep(Duration::from_millis(200));
}

/// The process that listens there, if it is one of this machine that can be seen.
fn listener_of(endpoint: &str) -> Option<u32> {
    let port: u16 = endpoint.trim_end_matches('/').rsplit_once(':')?.1.parse().ok()?;
    let wanted = format!(":{port:04X} ");
    let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
    let line = sockets.lines().find(|line| line.contains(&wanted) && line.contains(" 0A "))?;
    let inode = format!("socket:[{}]", line.split_whitespace().nth(9)?);
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|process| {
        let id: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut open = fs::read_dir(process.path().join("fd")).ok()?.filter_map(Result::ok);
        open.any(|file| fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy() == inode)).then_some(id)
    })
}
