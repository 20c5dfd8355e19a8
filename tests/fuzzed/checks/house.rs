//! A broker on real sockets with one of everything in it, and the genuine credentials and names of those things, which an
//! input may have spliced into it. Its clock stands still, it sends nothing to anybody, and it is built anew now and then,
//! since requests use it up.

use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use cloakroom::objects::embedded::EmbeddedStorage;
use serde_json::{Value, json};

use super::{
    deeds::Console,
    harness::{Api, claim_key, text},
    laboratory::Laboratory,
};

/// A byte that no text has; after it a letter names what is spliced in.
pub const MARK: u8 = 0x1a;

/// After so many requests there may be little left to find.
const MOST_REQUESTS: usize = 2_000;

pub struct House {
    pub api: Api,
    pub objects: Arc<EmbeddedStorage>,
    pub console: Console,
    pub member: String,
    pub stranger: String,
    pub test: String,
    pub session: String,
    pub delivery: String,
    /// The host of an artifact, what is on it, and the cookies that open it.
    pub artifact: String,
    pub page: Vec<u8>,
    pub cookies: String,
    /// By their letters.
    genuine: Vec<(u8, String)>,
    requests: usize,
}

static HOUSE: Mutex<Option<House>> = Mutex::new(None);

/// What threads of the broker have panicked with.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The house of this process, for one request.
pub fn enter() -> MutexGuard<'static, Option<House>> {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Threads of tests have their names.
            let name = std::thread::current().name().unwrap_or("actix").to_owned();
            if name.starts_with("actix") || name.starts_with("tokio") {
                PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{name}: {panic}"));
            }
            before(panic);
        }));
    });
    let mut house = HOUSE.lock().unwrap_or_else(PoisonError::into_inner);
    if house.as_ref().is_none_or(|house| house.requests >= MOST_REQUESTS) {
        *house = None;
        *house = Some(House::open());
    }
    house.iter_mut().for_each(|house| house.requests += 1);
    house
}

/// No thread of the broker has panicked.
pub fn assert_nothing_panicked() {
    let panics = std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
    assert!(panics.is_empty(), "{panics:?}");
}

impl House {
    fn open() -> Self {
        let (api, objects) = Laboratory::served_alone();
        let admin = api.admin().to_owned();
        let post = |route: &str, body: Value| api.post(&admin, route, &body);
        let made = |route: &str, body: Value| post(route, body).expect(201);
        let id = |made: &Value| text(made, "id");
        let page = b"<p>hello</p>".to_vec();
        api.upload(&admin, "docs/a.txt", b"what was put away");
        api.upload(&admin, "page/index.html", &page);
        let artifact = made("/v1/artifacts", json!({ "paths": ["page/"] }));
        let link = || made("/v1/links", json!({ "artifact": id(&artifact) }));
        let to_ada = json!({ "artifact": id(&artifact), "recipients": ["ada@example.org"] });
        let share = |permission: &str| api.mint(&admin, permission, &["docs/"]);
        let claim_key = claim_key();
        let minted = share("write");
        let session = text(&api.redeem(&minted.token, &claim_key).expect(200), "session_token");
        let (unclaimed, asked) = (share("read"), made("/v1/file-requests", json!({ "folder": "in/" })));
        let wanted = made("/v1/file-requests", json!({ "folder": "in/" }));
        let delivery = json!({ "token": text(&wanted, "token"), "claim_key": claim_key });
        let delivery = api.public("/v1/file-requests/redeem", &delivery).text("session_token");
        let declared = api.declare(&admin, "/v1/uploads", "docs/b.txt", b"b");
        let parts = json!({ "path": "docs/c.txt", "size": 1, "content_type": "text/plain", "method": "multipart" });
        let user = json!({ "issuer": "https://id.example", "subject": "1", "grants": [{ "path": "/", "permission": "read" }] });
        let moved = json!({ "claim_key": claim_key });
        let moved = api.post(&session, "/v1/session/moves", &moved).expect(201);
        let key = api.new_key(&admin, "live", &[("docs/", "read")]);
        let second = api.new_tenant("Second");
        let (opened, given) = (link(), link());
        let redeemed = json!({ "token": text(&opened, "token"), "claim_key": claim_key });
        let handoff = api.public("/v1/links/redeem", &redeemed).expect(200);
        let artifact_host = text(&artifact, "origin").strip_prefix("http://").unwrap().to_owned();
        let entered = api
            .call_content("POST", &artifact_host, "/.cloakroom/enter")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", &format!("http://127.0.0.1:{}", api.ports[0]))
            .body(format!("code={}", text(&handoff["enter"], "code")).as_bytes())
            .send();
        let cookies = ["Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"].map(|name| {
            let name = format!("CloudFront-{name}");
            format!("{name}={}", entered.cookie(&name))
        });
        let console = api.sign_in(&admin);
        post("/v1/audit/checkpoints", json!({})).expect(200);
        let signing_key = id(&api.get(&admin, "/v1/audit/signing-keys").expect(200)["items"][0]);
        let hook = made("/v1/webhooks", json!({ "url": "https://inside.example/" }));
        let genuine = vec![
            (b'A', admin.clone()),
            (b'B', key.secret.clone()),
            (b'C', session.clone()),
            (b'D', unclaimed.token.clone()),
            (b'E', unclaimed.id.clone()),
            (b'F', text(&given, "token")),
            (b'G', id(&given)),
            (b'H', id(&artifact)),
            (b'I', text(&asked, "token")),
            (b'J', id(&asked)),
            (b'K', delivery.clone()),
            (b'L', id(&declared)),
            (b'M', key.id.clone()),
            (b'N', second.id.clone()),
            (b'O', claim_key.clone()),
            (b'P', console.secret.clone()),
            (b'Q', console.csrf.clone()),
            (b'R', id(&made("/v1/users", user))),
            (b'S', id(&hook)),
            (b'T', text(&moved, "token")),
            (b'U', id(&made("/v1/uploads", parts))),
            (b'V', signing_key),
            (b'W', text(&made("/v1/links", to_ada), "token")),
            (b'X', minted.token),
            (b'Y', api.call("POST", "/v1/events/tickets").bearer(&admin).send().text("ticket")),
            (b'Z', cookies.join("; ")),
        ];
        let test = api.new_key(&admin, "test", &[("/", "admin")]).secret;
        Self {
            objects,
            console,
            member: key.secret,
            stranger: second.admin.secret,
            test,
            session,
            delivery,
            artifact: artifact_host,
            page,
            cookies: cookies.join("; "),
            genuine,
            requests: 0,
            api,
        }
    }

    /// The input with genuine things in the place of marks, and whether there were any.
    pub fn spliced(&self, input: &[u8]) -> (Vec<u8>, bool) {
        spliced(input, |letter| {
            let index = usize::from(letter.wrapping_sub(b'A')) % self.genuine.len();
            Some(self.genuine[index].1.clone().into_bytes())
        })
    }
}

/// The same with what stands for each letter.
pub fn spliced(input: &[u8], mut what: impl FnMut(u8) -> Option<Vec<u8>>) -> (Vec<u8>, bool) {
    let (mut bytes, mut rest, mut any) = (Vec::with_capacity(input.len()), input, false);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.split_first()) {
            (MARK, Some((&letter, after))) => {
                rest = after;
                any = true;
                bytes.extend(what(letter).unwrap_or_default());
            }
            _ => bytes.push(byte),
        }
    }
    (bytes, any)
}
