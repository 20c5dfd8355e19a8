//! What callers do, in a word each; and what is stored when they have done it.

use std::fs;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cloakroom::{
    domain::{
        event::Event,
        ids::AttemptId,
        ledger::{Record, Segment},
        tenant::{Mode, Namespace},
    },
    entropy::{Entropy, SystemEntropy},
    service::Broker,
    store::{Direction, Expected, OutboxEvent, Query, Row, RowKey, Transaction, Write},
};
use serde_json::{Value, json};

use super::{
    calls::{Answer, Call, text},
    harness::{Api, Key, Minted, Session, Tenant},
};

impl Api {
    /// A key of this key's tenant: `[("docs/", "read")]`.
    #[track_caller]
    pub fn new_key(&self, admin: &str, mode: &str, grants: &[(&str, &str)]) -> Key {
        let grants: Vec<_> =
            grants.iter().map(|(path, permission)| json!({ "path": path, "permission": permission })).collect();
        let answer = self.post(admin, "/v1/api-keys", &json!({ "mode": mode, "grants": grants }));
        answer.expect(201);
        Key { id: answer.text("id"), secret: answer.text("secret") }
    }

    /// Another tenant.
    #[track_caller]
    pub fn new_tenant(&self, name: &str) -> Tenant {
        let created = self.post(self.admin(), "/v1/tenants", &json!({ "name": name })).expect(201);
        let key = &created["admin_key"];
        Tenant { id: text(&created, "id"), admin: Key { id: text(key, "id"), secret: text(key, "secret") } }
    }

    /// Declares an upload of these bytes as plain text.
    #[track_caller]
    pub fn declare(&self, bearer: &str, route: &str, path: &str, bytes: &[u8]) -> Value {
        let body = json!({ "path": path, "size": bytes.len(), "content_type": "text/plain" });
        self.post(bearer, route, &body).expect(201)
    }

    /// Sends the bytes of a declared upload.
    #[track_caller]
    pub fn put(&self, declared: &Value, bytes: &[u8]) -> Answer {
        let mut call = self.call_url("PUT", &text(declared, "url")).body(bytes);
        for (name, value) in declared["headers"].as_object().unwrap() {
            call = call.header(name, value.as_str().unwrap());
        }
        call.send()
    }

    /// Puts a file into the vault: declare, send, complete. The upload's id.
    #[track_caller]
    pub fn upload(&self, key: &str, path: &str, bytes: &[u8]) -> String {
        let declared = self.declare(key, "/v1/uploads", path, bytes);
        let put = self.put(&declared, bytes);
        assert!((200..300).contains(&put.status), "{put:?}");
        let id = text(&declared, "id");
        self.call("POST", &format!("/v1/uploads/{id}/complete")).bearer(key).send().expect(200);
        id
    }

    /// Mints a share of these paths, whether or not there are files.
    #[track_caller]
    pub fn mint(&self, key: &str, permission: &str, paths: &[&str]) -> Minted {
        self.mint_as(key, &json!({ "paths": paths, "permission": permission, "allow_missing": true }))
    }

    #[track_caller]
    pub fn mint_as(&self, key: &str, body: &Value) -> Minted {
        let minted = self.post(key, "/v1/shares", body).expect(201);
        Minted { id: text(&minted, "id"), token: text(&minted, "token"), url: text(&minted, "url") }
    }

    pub fn redeem(&self, token: &str, claim_key: &str) -> Answer {
        self.public("/v1/shares/redeem", &json!({ "token": token, "claim_key": claim_key }))
    }

    pub fn preview(&self, token: &str) -> Answer {
        self.public("/v1/shares/redeem/preview", &json!({ "token": token }))
    }

    /// Redeems with a new claim key.
    #[track_caller]
    pub fn open(&self, minted: &Minted) -> Session {
        let opened = self.redeem(&minted.token, &claim_key()).expect(200);
        Session { id: text(&opened, "session"), token: text(&opened, "session_token") }
    }

    /// All mails so far, oldest first, once none is on its way.
    pub fn mails(&self) -> Vec<String> {
        self.wait(self.broker().post.as_ref().unwrap().settled());
        let mut files: Vec<_> =
            fs::read_dir(self.data_dir().join("mail")).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    /// The code of the latest mail to an address.
    #[track_caller]
    pub fn code_for(&self, address: &str) -> String {
        let mails = self.mails();
        let mail = mails.iter().rev().find(|mail| mail.contains(&format!("To: {address}\r\n"))).unwrap();
        code_of(mail)
    }

    /// The paths that a list of files answers.
    #[track_caller]
    pub fn paths(&self, bearer: &str, route: &str) -> Vec<String> {
        let list = self.get(bearer, route).expect(200);
        list["items"].as_array().unwrap().iter().map(|item| text(item, "path")).collect()
    }

    /// The bytes behind a download URL for this path.
    #[track_caller]
    pub fn download(&self, bearer: &str, route: &str, path: &str) -> Vec<u8> {
        let url = self.post(bearer, route, &json!({ "path": path })).expect(200);
        let answer = self.call_url("GET", &text(&url, "url")).send();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}

/// Somebody signed in to the console: what their browser keeps.
pub struct Console {
    pub secret: String,
    pub csrf: String,
}

impl Console {
    pub fn cookies(&self) -> String {
        format!("cloakroom-console={}; cloakroom-csrf={}", self.secret, self.csrf)
    }
}

impl Api {
    /// Signs in to the console with this key.
    #[track_caller]
    pub fn sign_in(&self, key: &str) -> Console {
        let answer = self.public("/v1/console/session", &json!({ "api_key": key }));
        answer.expect(200);
        Console { secret: answer.cookie("cloakroom-console"), csrf: answer.cookie("cloakroom-csrf") }
    }

    /// Waits until every preview that was answered is on record.
    pub fn previews_recorded(&self) {
        self.wait(self.broker().tallies.settled());
    }
}

impl Call<'_> {
    /// As a page of the console sends it.
    pub fn console(self, console: &Console) -> Self {
        self.header("cookie", &console.cookies()).header("cloakroom-csrf", &console.csrf)
    }
}

/// 32 random bytes, as claimants make them.
pub fn claim_key() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

pub fn random<const N: usize>() -> [u8; N] {
    (&SystemEntropy as &dyn Entropy).bytes()
}

impl Api {
    /// One row, as it is stored.
    #[track_caller]
    pub fn row(&self, partition: &str, sort: &str) -> Row {
        let [row] = self.wait(self.broker().store.get([RowKey::new(partition, sort)])).unwrap();
        row.unwrap_or_else(|| panic!("there is no row {partition} {sort}"))
    }

    /// All rows of a partition, in order.
    pub fn rows(&self, partition: &str) -> Vec<Row> {
        self.wait(rows(self.broker(), partition))
    }

    /// Writes a row past the broker, as somebody with the database could.
    #[track_caller]
    pub fn write(&self, write: Write) {
        let event = OutboxEvent { ledger: "intruder".into(), body: b"{}".to_vec() };
        let transaction = Transaction::recording(AttemptId::from_bytes(random()), event).write(write);
        self.wait(self.broker().store.commit(transaction)).unwrap();
    }

    /// Writes the rows of files at these paths past the broker: so many that sending each would take long. They list,
    /// and have no bytes.
    #[track_caller]
    pub fn has_rows_of(&self, paths: &[String]) {
        let partition = format!("vault#{}", self.ledger());
        for (number, path) in paths.iter().enumerate() {
            let file = json!({ "file": {
                "path": path, "object": format!("obj_{number:032x}"), "size": number, "content_type": "text/plain",
                "checksum": { "type": "full", "sha256": "0".repeat(64) }, "upload": null, "charges": [],
                "created_at": "2026-11-23T00:00:00Z",
            } });
            let body = self.broker().keyring.authenticate(&partition, path, file.to_string().as_bytes());
            let key = RowKey::new(&*partition, &**path);
            self.write(Write { key, expected: Expected::Absent, body, purge_after: None });
        }
    }

    /// The events of a ledger that wait in the outbox, oldest first.
    pub fn events(&self, ledger: &str) -> Vec<Event> {
        self.wait(events(self.broker(), ledger))
    }

    /// How many events of this type and about this resource the first tenant has.
    pub fn happened(&self, what: &str, resource: &str) -> usize {
        self.history().iter().filter(|(kind, about)| kind == what && about == resource).count()
    }

    /// The events of the first tenant, each as its type and what it was about.
    pub fn history(&self) -> Vec<(String, String)> {
        self.events(&self.ledger()).iter().map(|event| (kind(event), event.resource.clone())).collect()
    }
}

/// The type of an event, as it is written.
pub fn kind(event: &Event) -> String {
    text(&serde_json::to_value(event).unwrap(), "type")
}

pub async fn rows(broker: &Broker, partition: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.key.sort.clone());
        let (partition, direction) = (partition.to_owned(), Direction::Ascending);
        let query = Query { partition, begins_with: String::new(), after, limit: 1_000, direction };
        let page = broker.store.query(&query).await.unwrap();
        let full = page.len() == 1_000;
        rows.extend(page);
        if !full {
            return rows;
        }
    }
}

pub async fn events(broker: &Broker, ledger: &str) -> Vec<Event> {
    let (tenant, mode) = ledger.split_once('#').unwrap();
    let mode = if mode == "live" { Mode::Live } else { Mode::Test };
    // Where the store has faults, they go on waiting.
    let _chained = broker.chain(Namespace { tenant: tenant.parse().unwrap(), mode }).await;
    let mut events = Vec::new();
    for row in rows(broker, &format!("ledger#{ledger}")).await {
        let body = broker.keyring.authentic_by_first_line(&row.key.partition, &row.key.sort, &row.body).unwrap();
        let segment = Segment::read(body).unwrap();
        events.extend(segment.records.iter().map(|text| Record::parse(text).unwrap().event));
    }
    let mut waiting = Vec::new();
    for shard in 0..8 {
        waiting.extend(rows(broker, &format!("outbox#{ledger}#{shard}")).await);
    }
    // Attempts are named by the time of their making.
    waiting.sort_by(|a, b| a.key.sort.cmp(&b.key.sort));
    events.extend(waiting.iter().map(|row| {
        let body = broker.keyring.authentic(&format!("outbox#{ledger}"), &row.key.sort, &row.body).unwrap();
        serde_json::from_slice::<Event>(body).unwrap()
    }));
    events
}

/// The code that a mail tells.
pub fn code_of(mail: &str) -> String {
    let after = mail.split_once("Your code is ").unwrap().1;
    after.lines().next().unwrap().replace(' ', "")
}
