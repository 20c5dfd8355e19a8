//! A broker whose clock stands still, and who is behind a ticket: minters and tenants that end in every way.

use std::{sync::Arc, time::Duration};

use cloakroom::{
    clock::ManualClock,
    store::{Expected, Row, Write, faulty::FaultyStore, memory::MemoryStore},
};
use serde_json::{Value, json};

use super::{
    altered::Strangers,
    table::{Case, column},
    tickets::{Held, Ticket},
};
use crate::api::{
    harness::{Api, claim_key, text},
    laboratory::Laboratory,
};

pub struct House {
    pub api: Api,
    pub clock: Arc<ManualClock>,
    pub faults: Arc<FaultyStore<MemoryStore>>,
    pub strangers: Strangers,
}

impl House {
    pub fn open() -> Self {
        let (api, clock, faults) = Laboratory::served();
        let strangers = Strangers::of(&api);
        Self { api, clock, faults, strangers }
    }

    pub fn passes(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.api.post(self.api.admin(), path, body);
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        answer.json()
    }

    pub fn delete(&self, path: &str) {
        self.api.delete(self.api.admin(), path).expect(204);
    }

    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) {
        self.api.call("PATCH", path).bearer(self.api.admin()).json(body).send().expect(200);
    }

    /// Somebody with the database changes what stands there; the MAC is that of before.
    pub fn doctor(&self, partition: &str, sort: &str) {
        let Row { key, version, mut body } = self.api.row(partition, sort);
        let last = body.len() - 1;
        body[last] ^= 1;
        self.api.write(Write { key, expected: Expected::Version(version), body, purge_after: None });
    }

    /// What `make` makes with a key, once the key or its tenant has ended in each way that the table has an entry for. Half a
    /// minute passes meanwhile, at least.
    pub fn ended(&self, ticket: Ticket, make: &dyn Fn(&str) -> Held) -> Vec<Case> {
        let entries = column(ticket);
        let wanted = |cause: &&str| entries.contains_key(*cause);
        let mut cases = Vec::new();
        if wanted(&"its minter expired") {
            let grants = json!([{ "path": "/", "permission": "admin" }]);
            let key = self.post("/v1/api-keys", &json!({ "grants": grants, "expires_in": 60 }));
            self.passes(45);
            let held = make(&text(&key, "secret"));
            self.passes(15);
            cases.push(Case::new("its minter expired", "", held));
        }
        let keys = ["its minter revoked", "its minter cut off", "its minter a viewer", "its minter narrowed"];
        for cause in keys.into_iter().filter(wanted) {
            let key = self.api.new_key(self.api.admin(), "live", &[("/", "admin")]);
            let held = make(&key.secret);
            let path = format!("/v1/api-keys/{}", key.id);
            match cause {
                "its minter revoked" => self.delete(&path),
                "its minter cut off" => {
                    self.api.post(self.api.admin(), &format!("{path}/cut-off"), &json!({})).expect(204);
                }
                "its minter a viewer" => {
                    let grants = json!([{ "path": "/", "permission": "read" }]);
                    self.patch(&path, &json!({ "role": "viewer", "grants": grants }));
                }
                _ => {
                    let grants = json!([{ "path": "elsewhere/", "permission": "write" }]);
                    self.patch(&path, &json!({ "role": "member", "grants": grants }));
                }
            }
            cases.push(Case::new(cause, "", held));
        }
        let tenants = ["its tenant suspended", "its tenant cut off", "its tenant to be deleted", "its tenant deleted"];
        for cause in tenants.into_iter().filter(wanted) {
            let tenant = self.api.new_tenant("Other");
            let held = make(&tenant.admin.secret);
            let deed = |what: &str, body: &Value| self.post(&format!("/v1/tenants/{}/{what}", tenant.id), body);
            match cause {
                "its tenant suspended" => drop(deed("suspend", &json!({}))),
                "its tenant cut off" => {
                    let path = format!("/v1/tenants/{}/cut-off", tenant.id);
                    let answer = self.api.post(self.api.admin(), &path, &json!({}));
                    assert!((200..300).contains(&answer.status), "{answer:?}");
                }
                "its tenant to be deleted" => drop(deed("delete", &json!({}))),
                _ => {
                    deed("delete", &json!({ "grace": "none", "name": "Other" }));
                    // It is begun in the background, and whoever goes on with it meanwhile is told to come later.
                    self.api.wait(self.api.broker().under_way.settled());
                    let id = tenant.id.parse().unwrap();
                    let is_gone = |_: &usize| {
                        self.api.wait(self.api.broker().remove_tenant(id)).unwrap();
                        let seen = self.api.get(self.api.admin(), &format!("/v1/tenants/{}", tenant.id)).expect(200);
                        seen["status"] == "deleted"
                    };
                    (0..20).find(is_gone).expect("it is deleted");
                }
            }
            cases.push(Case::new(cause, "", held));
        }
        cases
    }

    /// A share that an administrator's key mints, with these terms beside the usual.
    pub fn share(&self, key: &str, more: &Value) -> crate::api::harness::Minted {
        let mut body =
            json!({ "paths": ["a.txt"], "permission": "write", "allow_missing": true, "expires_in": 604_800 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.api.mint_as(key, &body)
    }

    /// A share that was claimed, with the claim key and what that gave.
    pub fn claimed(&self, key: &str, more: &Value) -> Claimed {
        let minted = self.share(key, more);
        let claim_key = claim_key();
        let opened = self.api.redeem(&minted.token, &claim_key).expect(200);
        let (session, name) = (text(&opened, "session_token"), text(&opened, "session"));
        Claimed { id: minted.id, token: minted.token, claim_key, session, name }
    }

    /// The same of one that goes to two recipients.
    pub fn claimed_by_ada(&self) -> Claimed {
        let minted = self.share(self.api.admin(), &json!({ "recipients": ["ada@example.org", "bob@example.org"] }));
        let claim_key = claim_key();
        let proof = self.proof("shares", &minted.token);
        let body = json!({ "token": minted.token, "claim_key": claim_key, "recipient": proof });
        let opened = self.api.public("/v1/shares/redeem", &body).expect(200);
        let (session, name) = (text(&opened, "session_token"), text(&opened, "session"));
        Claimed { id: minted.id, token: minted.token, claim_key, session, name }
    }

    /// What Ada was sent.
    pub fn proof(&self, kind: &str, token: &str) -> Value {
        let ask = json!({ "token": token, "address": "ada@example.org" });
        assert_eq!(self.api.public(&format!("/v1/{kind}/redeem/code"), &ask).status, 202);
        json!({ "address": "ada@example.org", "code": self.api.code_for("ada@example.org") })
    }

    pub fn without_ada(&self, path: &str) {
        self.patch(path, &json!({ "recipients": ["bob@example.org"] }));
    }

    pub fn only_from_elsewhere(&self, path: &str) {
        self.patch(path, &json!({ "allowed_networks": ["192.0.2.0/24"] }));
    }

    /// A token to move what was claimed.
    pub fn offered(&self, claimed: &Claimed) -> String {
        let offer = self.api.post(&claimed.session, "/v1/session/moves", &json!({ "claim_key": claimed.claim_key }));
        text(&offer.expect(201), "token")
    }
}

/// A share that was claimed.
pub struct Claimed {
    pub id: String,
    pub token: String,
    pub claim_key: String,
    pub session: String,
    /// The id of the session.
    pub name: String,
}

impl Claimed {
    pub fn path(&self) -> String {
        format!("/v1/shares/{}", self.id)
    }
}
