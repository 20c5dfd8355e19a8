//! Shares and links while the program is killed: minted, redeemed once, and looked at afterwards.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{crashing::Asking, process::until};

const SHARES: &str = "/v1/shares";
const LINKS: &str = "/v1/links";

/// As long as may be: a long run is longer than what is given by default.
const WEEK: u64 = 604_800;

/// What was minted, and redeemed or not: of a claim without an answer nobody knows.
pub struct Token {
    route: &'static str,
    id: String,
    token: String,
    claim_key: String,
    pub is_claimed: bool,
}

fn claim_key(numbers: &AtomicUsize) -> String {
    format!("{:0>42}A", numbers.fetch_add(1, Ordering::SeqCst))
}

/// Mints a share and redeems it; nothing once there was no answer.
pub fn share(asking: &Asking, numbers: &AtomicUsize, tokens: &mut Vec<Token>) -> Option<()> {
    let body = json!({
        "paths": ["x/"], "permission": "read", "allow_missing": true, "expires_in": WEEK, "access_expires_in": WEEK,
    });
    minted_and_redeemed(asking, SHARES, &body, numbers, tokens)
}

/// The same of a link to this artifact.
pub fn link(asking: &Asking, artifact: &str, numbers: &AtomicUsize, tokens: &mut Vec<Token>) -> Option<()> {
    let body = json!({ "artifact": artifact, "expires_in": WEEK, "access_expires_in": WEEK });
    minted_and_redeemed(asking, LINKS, &body, numbers, tokens)
}

fn minted_and_redeemed(
    asking: &Asking,
    route: &'static str,
    body: &Value,
    numbers: &AtomicUsize,
    tokens: &mut Vec<Token>,
) -> Option<()> {
    let (status, minted) = asking.tried("POST", route, Some(body))?;
    assert_eq!(status, 201, "{minted}");
    let [id, token] = ["id", "token"].map(|name| minted[name].as_str().unwrap().to_owned());
    let mut minted = Token { route, id, token, claim_key: claim_key(numbers), is_claimed: false };
    let redeemed = minted.redeemed(asking, &minted.claim_key);
    assert!(matches!(redeemed, None | Some(200)), "{redeemed:?}");
    minted.is_claimed = redeemed.is_some();
    tokens.push(minted);
    redeemed.map(drop)
}

impl Token {
    pub fn is_link(&self) -> bool {
        self.route == LINKS
    }

    fn redeemed(&self, asking: &Asking, claim_key: &str) -> Option<u16> {
        let body = json!({ "token": self.token, "claim_key": claim_key });
        Some(asking.tried("POST", &format!("{}/redeem", self.route), Some(&body))?.0)
    }

    /// It is there, and its claimant's and nobody else's.
    pub fn holds(&mut self, asking: &Asking, numbers: &AtomicUsize) {
        let (id, anothers) = (&self.id, claim_key(numbers));
        let redeemed = |claim_key: &str| until("a claim is answered", || self.redeemed(asking, claim_key));
        if self.is_claimed {
            assert_eq!(redeemed(&anothers), 404, "{id}: a claim that was acknowledged is lost");
        }
        assert_eq!(redeemed(&self.claim_key), 200, "{id}");
        assert_eq!(redeemed(&anothers), 404, "{id}: it was claimed twice");
        let (status, found) = asking.told("GET", &format!("{}/{id}", self.route), None);
        assert_eq!((status, &found["claims"]), (200, &json!(1)), "{id}");
        // It was just now.
        self.is_claimed = true;
    }
}

/// Nothing was changed in the trail, nor lost, and each claim is in it once.
pub fn trail_holds(asking: &Asking) {
    let mut cursor = String::new();
    loop {
        let (status, verified) = asking.told("GET", &format!("/v1/audit/verify{cursor}"), None);
        assert_eq!((status, &verified["intact"]), (200, &json!(true)), "{verified}");
        assert_ne!(verified["redemptions"]["proven"], json!(false), "{verified}");
        match verified["next_cursor"].as_str() {
            Some(next) => cursor = format!("?cursor={next}"),
            None => return,
        }
    }
}
