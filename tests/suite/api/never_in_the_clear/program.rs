//! The real program with all its logs on, all that it writes down, and all that it tells those who may ask.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    api::harness::{Api, claim_key, text},
    oidc::{issuer::OwnIssuer, signer::Signer},
    program::process::{Place, Served, outcome, said, until},
};

/// What the provider of identities calls the API, and the console.
pub const AUDIENCE: &str = "https://share.example";
pub const CLIENT: &str = "console";

/// What the database has reserved and not written yet: its journal is 64 MB of that.
static NOTHING: [u8; 4096] = [0; 4096];

/// A broker in a process of its own, with a provider of identities, receivers and mail; and words for its callers.
pub struct Program {
    place: Place,
    served: Served,
    /// What was logged when it was started for the first time.
    first_log: String,
    pub api: Api,
    pub issuer: OwnIssuer,
    pub signer: Signer,
    /// What the broker shows to the provider of identities.
    pub client_secret: String,
}

/// Something that was written or told, by what it is.
pub type Told = (String, Vec<u8>);

impl Program {
    /// A provider vouches for the people of one tenant, whose id is known once the program has run.
    pub fn start() -> Self {
        let place = Place::new();
        let first = place.serve();
        let admin = place.admin_key();
        // It is there for the operator to take away.
        fs::remove_file(place.data_dir().join("admin-key")).unwrap();
        let (_, tenants) = first.ask("GET", "/v1/tenants", &admin, None);
        let first_log = first.log();
        first.kill();

        let signer = Signer::es256("a");
        let issuer = OwnIssuer::with(&[&signer]);
        let client_secret = claim_key();
        fs::write(place.path("client-secret"), &client_secret).unwrap();
        let mut command = place.command("serve");
        command
            .env("CLOAKROOM_MAIL", format!("folder:{}", place.path("mails").display()))
            .env("CLOAKROOM_WEBHOOK_ALLOW_PRIVATE", "127.0.0.1")
            // So that what clients say of addresses is read.
            .env("CLOAKROOM_TRUSTED_PROXIES", "127.0.0.1")
            .env("CLOAKROOM_OIDC_ISSUER", issuer.url())
            .env("CLOAKROOM_OIDC_AUDIENCE", AUDIENCE)
            .env("CLOAKROOM_OIDC_CLIENT_ID", CLIENT)
            .env("CLOAKROOM_OIDC_CLIENT_SECRET_FILE", place.path("client-secret"))
            .env("CLOAKROOM_OIDC_TENANT", text(&tenants["items"][0], "id"));
        let served = place.serve_as(command);
        let api = Api::of_process(served.ports, admin);
        Self { place, served, first_log, api, issuer, signer, client_secret }
    }

    /// The mail that has come after so many others, which are codes for recipients.
    pub fn mail(&self, before: usize) -> String {
        until("a mail comes", || {
            let files = fs::read_dir(self.place.path("mails")).ok()?.map(|file| file.unwrap().path());
            let whole = files.filter(|file| file.extension().is_some_and(|extension| extension == "eml"));
            let mut mails: Vec<_> = whole.collect();
            mails.sort();
            mails.get(before).map(|mail| fs::read_to_string(mail).unwrap())
        })
    }

    /// The secrets in the file of keys, which are there and nowhere else.
    pub fn root_keys(&self) -> Vec<String> {
        let keys = fs::read_to_string(self.place.data_dir().join("root-keys.json")).unwrap();
        let keys: Value = serde_json::from_str(&keys).unwrap();
        keys["root_keys"].as_array().unwrap().iter().map(|key| text(key, "secret")).collect()
    }

    /// What it tells operators and administrators, and everybody who asks for its description.
    pub fn tells(&self) -> Vec<Told> {
        let (api, mut told) = (&self.api, Vec::new());
        for path in ["/metrics", "/healthz", "/readyz"] {
            let answer = api.call_url("GET", &format!("http://127.0.0.1:{}{path}", api.ports[2])).send();
            assert_eq!(answer.status, 200, "{answer:?}");
            told.push((path.to_owned(), answer.body));
        }
        for path in ["/openapi.json", "/v1/audit/verify", "/v1/audit/signing-keys", "/v1/audit/exports"] {
            let answer = api.get(api.admin(), path);
            answer.expect(200);
            told.push((path.to_owned(), answer.body));
        }
        told.push(("the audit trail".into(), without_programs(self.all("/v1/audit"))));
        told.push(("the list of events".into(), without_programs(self.events())));
        for list in ["/v1/shares", "/v1/links", "/v1/file-requests"] {
            for item in self.all(list) {
                let one = format!("{list}/{}", text(&item, "id"));
                let explanation = (list == "/v1/shares").then(|| format!("{one}/explain"));
                for path in [format!("{one}/events")].into_iter().chain(explanation) {
                    let answer = api.get(api.admin(), &path);
                    answer.expect(200);
                    told.push((path, answer.body));
                }
            }
        }
        told.extend(self.export());
        told
    }

    /// All that the first tenant has, as its lists show it.
    pub fn tenant_export(&self) -> Vec<Told> {
        let (mut pages, mut more) = (Vec::new(), String::new());
        loop {
            let page = self.api.get(self.api.admin(), &format!("/v1/export?limit=1000{more}"));
            assert_eq!(page.status, 200, "{page:?}");
            let lines = String::from_utf8(page.body).unwrap();
            let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
            pages.push(("the export of a tenant".to_owned(), lines.into_bytes()));
            match last["value"]["cursor"].as_str() {
                Some(cursor) => more = format!("&cursor={cursor}"),
                None => return pages,
            }
        }
    }

    /// All items of a list.
    fn all(&self, list: &str) -> Vec<Value> {
        let (mut items, mut more) = (Vec::new(), String::new());
        loop {
            let page = self.api.get(self.api.admin(), &format!("{list}?limit=1000{more}")).expect(200);
            items.extend_from_slice(page["items"].as_array().unwrap());
            match page["next_cursor"].as_str() {
                Some(cursor) => more = format!("&cursor={cursor}"),
                None => return items,
            }
        }
    }

    fn events(&self) -> Vec<Value> {
        let (mut items, mut after) = (Vec::new(), 0);
        loop {
            let page = self.api.get(self.api.admin(), &format!("/v1/events?after={after}&limit=1000")).expect(200);
            items.extend_from_slice(page["items"].as_array().unwrap());
            if page["more"] != true {
                return items;
            }
            after = page["next_after"].as_u64().unwrap();
        }
    }

    /// The files of an export of the audit trail.
    fn export(&self) -> Vec<Told> {
        let (api, admin) = (&self.api, self.api.admin());
        // Three are made at a time.
        let made = until("an export may be made", || {
            let made = api.post(admin, "/v1/audit/exports", &json!({}));
            (made.status == 201).then(|| made.text("id"))
        });
        let ready = until("the export is made", || {
            let seen = api.get(admin, &format!("/v1/audit/exports/{made}")).expect(200);
            (seen["status"] != "building").then_some(seen)
        });
        assert_eq!(ready["status"], "ready", "{ready}");
        let files = ready["files"].as_array().unwrap().iter().map(|file| {
            let answer = api.call_url("GET", &text(&file["download"], "url")).send();
            assert_eq!(answer.status, 200, "{answer:?}");
            (format!("{} of an export", text(file, "name")), answer.body)
        });
        files.collect()
    }

    /// The files of a backup, which is made while it runs.
    pub fn backup(&self) -> Vec<Told> {
        let folder = self.place.path("kept");
        said(&outcome(self.place.command("backup").arg(&folder)));
        written_in(&folder)
    }

    /// Ends it as a power cut would: all files that it has left, and its logs.
    pub fn end(self) -> Vec<Told> {
        let Self { place, served, first_log, api, .. } = self;
        drop(api);
        served.kill();
        let mut written = written_in(&place.data_dir());
        written.push(("the log of the first start".into(), first_log.into_bytes()));
        written.push(("the log".into(), fs::read(place.path("log")).unwrap()));
        written
    }
}

/// Events without what a program has said of itself, which is told with the audit trail for a time: docs/privacy.md.
fn without_programs(mut events: Vec<Value>) -> Vec<u8> {
    for event in &mut events {
        if let Some(client) = event.get_mut("client").and_then(Value::as_object_mut) {
            client.remove("user_agent");
        }
    }
    Value::Array(events).to_string().into_bytes()
}

/// Every file below a folder, each with its name before its bytes.
fn written_in(folder: &Path) -> Vec<Told> {
    let bytes = |file: &PathBuf| {
        let (name, bytes) = (file.display().to_string(), fs::read(file).unwrap());
        let blocks = bytes.chunks(NOTHING.len()).filter(|block| **block != NOTHING[..block.len()]);
        [name.as_bytes()].into_iter().chain(blocks).collect::<Vec<_>>().concat()
    };
    files(folder).into_iter().map(|file| (file.display().to_string(), bytes(&file))).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    // A socket has no bytes.
    let all = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    all.filter(|path| path.is_file()).collect()
}
