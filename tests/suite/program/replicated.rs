//! Three replicas of a broker on one table and one bucket, behind a load balancer, and what befalls them.

use std::{
    fs,
    process::{Command, Output},
    sync::Arc,
    thread,
};

use cloakroom::{
    domain::instant::Instant,
    entropy::{Entropy, SystemEntropy},
    store::{
        Direction, Query, Store,
        dynamodb::{self, DynamoStore},
        outbox_partitions,
    },
};
use serde_json::{Value, json};

use super::{
    balancer::{ADDRESS, Balancer, free_port},
    process::{Place, Served, outcome, patiently, wrote},
    replica_load::now,
};

/// How many replicas there are.
pub const REPLICAS: usize = 3;

/// For how long a replica that was told to stop goes on answering: longer than the load balancer takes to find out.
const NOTICE: &str = "15";

/// A time in which requests under way at a replica may be lost.
#[derive(Debug)]
pub struct Disturbance {
    pub replica: usize,
    pub from: Instant,
    pub to: Instant,
}

pub struct Replicas {
    pub balancer: Balancer,
    /// The operator's key.
    pub operator: String,
    pub disturbances: Vec<Disturbance>,
    /// What those have logged that were started again since.
    logs: String,
    places: Vec<Place>,
    /// None while it does not run.
    served: Vec<Option<Served>>,
    ports: Vec<[u16; 3]>,
    settings: Vec<(&'static str, String)>,
    table: String,
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: use ./test"))
}

/// A table and a bucket that nobody else has.
fn table_and_bucket() -> String {
    let [random] = [(&SystemEntropy as &dyn Entropy).bytes()].map(u64::from_be_bytes);
    let name = format!("replicas-{random:016x}");
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let text = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let table = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [text("pk"), text("sk")], "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
    });
    // Emulators let anybody make them.
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    agent
        .post(setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT"))
        .header("x-amz-target", "DynamoDB_20120810.CreateTable")
        .content_type("application/x-amz-json-1.0")
        .send(table.to_string())
        .unwrap();
    agent.put(format!("{}/{name}", setting("CLOAKROOM_TEST_S3_ENDPOINT"))).send_empty().unwrap();
    name
}

impl Replicas {
    /// Starts them, with these limits.
    pub fn start(limits: &str) -> Self {
        let table = table_and_bucket();
        let ports: Vec<_> = (0..REPLICAS).map(|_| [(); 3].map(|()| free_port())).collect();
        let places: Vec<_> = (0..REPLICAS).map(|_| Place::new()).collect();
        let balancer = Balancer::before(&ports.iter().map(|[api, _, ops]| [*api, *ops]).collect::<Vec<_>>());
        let mut settings: Vec<_> = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]
            .map(|credential| (credential, setting(credential)))
            .into();
        settings.extend([
            ("CLOAKROOM_STORE", "dynamodb".into()),
            ("CLOAKROOM_DYNAMODB_TABLE", table.clone()),
            ("CLOAKROOM_DYNAMODB_ENDPOINT", setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT")),
            ("CLOAKROOM_OBJECTS", "s3".into()),
            ("CLOAKROOM_S3_BUCKET", table.clone()),
            ("CLOAKROOM_S3_ENDPOINT", setting("CLOAKROOM_TEST_S3_ENDPOINT")),
            ("CLOAKROOM_S3_PATH_STYLE", "true".into()),
            // Emulators check less than S3: docs/storage.md says what.
            ("CLOAKROOM_UNENFORCED", "accept".into()),
            ("CLOAKROOM_ROOT_KEYS", places[0].data_dir().join("root-keys.json").display().to_string()),
            ("CLOAKROOM_PUBLIC_URL", balancer.url()),
            ("CLOAKROOM_CONTENT_URL", format!("http://localhost:{}", balancer.port)),
            ("CLOAKROOM_BEHIND_PROXY", "true".into()),
            ("CLOAKROOM_TRUSTED_PROXIES", ADDRESS.into()),
            ("CLOAKROOM_STOP_NOTICE", NOTICE.into()),
            ("CLOAKROOM_LIMITS", limits.into()),
        ]);
        let (disturbances, served) = (Vec::new(), (0..REPLICAS).map(|_| None).collect());
        let operator = String::new();
        let logs = String::new();
        let mut replicas = Self { balancer, operator, disturbances, logs, places, served, ports, settings, table };
        wrote(&outcome(&mut replicas.command(0, "bootstrap")), 0);
        replicas.operator = replicas.places[0].admin_key();
        let served = thread::scope(|threads| {
            let begin = |replica| (&replicas.places[replica], replicas.command(replica, "serve"));
            let begun: Vec<_> = (0..REPLICAS).map(begin).collect();
            let begun: Vec<_> =
                begun.into_iter().map(|(place, command)| threads.spawn(|| place.serve_as(command))).collect();
            begun.into_iter().map(|served| Some(served.join().unwrap())).collect()
        });
        replicas.served = served;
        (0..REPLICAS).for_each(|replica| replicas.until_sent_to(replica, true));
        replicas
    }

    fn command(&self, replica: usize, name: &str) -> Command {
        let mut command = self.places[replica].command(name);
        let listen = ["CLOAKROOM_LISTEN", "CLOAKROOM_CONTENT_LISTEN", "CLOAKROOM_OPS_LISTEN"];
        command.envs(listen.into_iter().zip(self.ports[replica].map(|port| format!("127.0.0.1:{port}"))));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A command about their keys, by whoever has the file.
    pub fn keys(&self, arguments: &[&str]) -> Output {
        outcome(self.command(0, "keys").args(arguments))
    }

    /// Has one read its keys.
    pub fn hang_up(&self, replica: usize) {
        self.served[replica].as_ref().unwrap().signal("HUP");
    }

    fn log(&self, replica: usize) -> String {
        fs::read_to_string(self.places[replica].path("log")).unwrap()
    }

    fn begin(&mut self, replica: usize) {
        let log = self.log(replica);
        self.logs += &log;
        self.served[replica] = Some(self.places[replica].serve_as(self.command(replica, "serve")));
    }

    fn until_sent_to(&self, replica: usize, wanted: bool) {
        patiently("the load balancer has found out about a replica", || {
            (self.balancer.sends_to(replica) == wanted).then_some(())
        });
    }

    /// Kills one, and starts it again. `away` lasts as long as it is to be away.
    pub fn kill(&mut self, replica: usize, away: impl FnOnce()) {
        let from = now();
        self.served[replica].take().unwrap().kill();
        self.disturbances.push(Disturbance { replica, from, to: now() });
        self.until_sent_to(replica, false);
        away();
        self.begin(replica);
        self.until_sent_to(replica, true);
    }

    /// Holds one still until the load balancer has given up on it, and longer; then lets it go on with what it was at.
    pub fn pause(&mut self, replica: usize, away: impl FnOnce()) {
        let from = now();
        self.served[replica].as_ref().unwrap().signal("STOP");
        self.until_sent_to(replica, false);
        self.balancer.give_up_on(replica);
        self.disturbances.push(Disturbance { replica, from, to: now() });
        away();
        self.served[replica].as_ref().unwrap().signal("CONT");
        self.until_sent_to(replica, true);
    }

    /// Tells one to stop, and starts it again when it has.
    pub fn stop(&mut self, replica: usize, away: impl FnOnce()) {
        let served = self.served[replica].take().unwrap();
        served.signal("TERM");
        self.until_sent_to(replica, false);
        served.stops();
        away();
        self.begin(replica);
        self.until_sent_to(replica, true);
    }

    /// Stops all of them at once: each ends well.
    pub fn end(&mut self) {
        let served: Vec<_> = self.served.iter_mut().filter_map(Option::take).collect();
        served.iter().for_each(|served| served.signal("TERM"));
        served.into_iter().for_each(Served::stops);
    }

    /// How often a replica had no answer since an emulator was too slow, which says nothing about replicas. Other
    /// reasons not to answer are none here.
    pub fn too_slow(&self) -> usize {
        let logs = (0..REPLICAS).fold(self.logs.clone(), |logs, replica| logs + &self.log(replica));
        let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<_> = lines.filter(|line| line["message"] == "a backend did not answer").collect();
        for line in &lines {
            let reason = line["reason"].as_str().unwrap();
            assert!(reason.contains("timed out") || reason.contains("before the deadline"), "{line}");
        }
        lines.len()
    }

    /// How many events of this ledger have not left the outbox.
    pub fn waiting(&self, ledger: &str) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let sdk = cloakroom::aws::sdk_config().await;
            let client = dynamodb::client(&sdk, Some(setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT")));
            let store = Store::new(Arc::new(DynamoStore::new(client, self.table.clone())));
            let mut waiting = 0;
            for partition in outbox_partitions(ledger) {
                let (begins_with, direction) = (String::new(), Direction::Ascending);
                let query = Query { partition, begins_with, after: None, limit: 100, direction };
                waiting += store.query(&query).await.unwrap().len();
            }
            waiting
        })
    }
}
