//! Everybody who may ask, each of the kinds that the table has a column for.

use cloakroom::{domain::identity::Issuer, oidc::ProviderSettings};
use serde_json::json;

use crate::{
    api::{
        calls::Call,
        harness::{Api, Key, claim_key, text},
        laboratory::Laboratory,
    },
    oidc::{self, issuer::OwnIssuer, signer::Signer},
};

/// The columns, in their order.
pub const COLUMNS: [&str; 15] = [
    "viewer", "member", "admin", "operator", "acting", "user", "console", "forged", "test", "stranger", "nobody",
    "revoked", "session", "another", "delivery",
];

/// A broker with two tenants, and everybody who asks it.
pub struct House {
    pub api: Api,
    viewer: String,
    member: String,
    admin: String,
    acting: String,
    user: String,
    test: String,
    stranger: String,
    revoked: String,
    /// A session that may write in `docs/`, with the claim key that opened it.
    pub session: String,
    pub claim_key: String,
    another: String,
    delivery: String,
}

impl House {
    /// Its clock stands still, so that nobody's time is over however long it takes.
    pub fn open() -> Self {
        let signer = Signer::es256("a");
        let issuer = OwnIssuer::with(&[&signer]);
        let api = Laboratory::served_trusting(|tenant| ProviderSettings { tenant, ..oidc::settings(issuer.url()) });
        api.put_file(api.admin(), "docs/a.txt", "text/plain", b"a");
        let acting = json!({ "reason": "a test", "role": "admin", "expires_in": 3600 });
        let acting = api.post(api.admin(), &format!("/v1/tenants/{}/impersonations", api.tenant.id), &acting);
        let user = json!({
            "issuer": Issuer::parse(issuer.url()).unwrap().to_string(), "subject": "user-1", "role": "member",
            "grants": [{ "path": "/", "permission": "write" }],
        });
        api.post(api.admin(), "/v1/users", &user).expect(201);
        // Something for every list.
        api.link(api.admin(), &api.publish(api.admin(), &["docs/a.txt"]).id, json!({}));
        let revoked = api.new_key(api.admin(), "live", &[("/", "admin")]);
        api.delete(api.admin(), &format!("/v1/api-keys/{}", revoked.id)).expect(204);
        let claim_key = claim_key();
        let session = |claim_key: &str| {
            let minted = api.mint(api.admin(), "write", &["docs/"]);
            text(&api.redeem(&minted.token, claim_key).expect(200), "session_token")
        };
        let asked = api.post(api.admin(), "/v1/file-requests", &json!({ "folder": "incoming/" })).expect(201);
        let delivery = json!({ "token": asked["token"], "claim_key": claim_key });
        Self {
            viewer: key(&api, "viewer", "read").secret,
            member: key(&api, "member", "write").secret,
            admin: key(&api, "admin", "admin").secret,
            acting: text(&acting.expect(201), "secret"),
            user: oidc::access_token(&issuer, &signer),
            test: api.new_key(api.admin(), "test", &[("/", "admin")]).secret,
            stranger: api.new_tenant("Second").admin.secret,
            revoked: revoked.secret,
            session: session(&claim_key),
            another: session(&self::claim_key()),
            delivery: api.public("/v1/file-requests/redeem", &delivery).text("session_token"),
            claim_key,
            api,
        }
    }

    /// The request as somebody of this column sends it.
    pub fn by<'api>(&self, column: &str, call: Call<'api>) -> Call<'api> {
        let bearer = match column {
            "viewer" => &self.viewer,
            "member" => &self.member,
            "admin" => &self.admin,
            "operator" => self.api.admin(),
            "acting" => &self.acting,
            "user" => &self.user,
            "test" => &self.test,
            "stranger" => &self.stranger,
            "revoked" => &self.revoked,
            "session" => &self.session,
            "another" => &self.another,
            "delivery" => &self.delivery,
            "nobody" => return call,
            "console" => return call.console(&self.api.sign_in(&self.admin)),
            "forged" => return call.header("cookie", &self.api.sign_in(&self.admin).cookies()),
            other => panic!("who is {other}?"),
        };
        call.bearer(bearer)
    }
}

/// A key of the first tenant that may do this much everywhere.
pub fn key(api: &Api, role: &str, permission: &str) -> Key {
    let body = json!({ "role": role, "grants": [{ "path": "/", "permission": permission }] });
    let created = api.post(api.admin(), "/v1/api-keys", &body).expect(201);
    Key { id: text(&created, "id"), secret: text(&created, "secret") }
}
