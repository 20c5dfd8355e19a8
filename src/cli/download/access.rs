//! Who may download what: the claimant of a share, or the holder of an API key.

use std::sync::{Mutex, PoisonError};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    cli::{
        Failed,
        checksum::Told,
        client::{Client, all_pages, encoded, text},
        fault::{Fault, patiently},
        kept::Kept,
    },
    crypto::secret::SecretText,
    domain::path::PathPin,
    entropy::{Entropy, SystemEntropy},
};

/// A right to list and to download.
pub(in crate::cli) struct Access {
    claim: Option<Claim>,
    client: Mutex<Client>,
}

/// A claim on a share, which comes back to the same session as long as the key is kept.
struct Claim {
    public: Client,
    token: SecretText,
    key: SecretText,
}

#[derive(Serialize, Deserialize)]
struct KeptClaim {
    claim_key: String,
}

/// A file as a server lists it.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Listed {
    pub(in crate::cli) path: String,
    pub(in crate::cli) size: u64,
    pub(in crate::cli) checksum: Option<Told>,
}

impl Access {
    /// Claims a share, or comes back to the claim that was made from here.
    pub(in crate::cli) fn of_share(link: &str) -> Result<(Self, Value), Failed> {
        let (server, token) = link
            .split_once("/s#")
            .ok_or("this is not a whole share link: put it in quotes, and copy all of it, to the end")?;
        let public = Client::public(server);
        let kept = Kept::of("claims", &[public.url(), token]);
        let before = kept.read::<KeptClaim>();
        let is_new = before.is_none();
        let entropy: &dyn Entropy = &SystemEntropy;
        let claim = before.unwrap_or_else(|| KeptClaim { claim_key: URL_SAFE_NO_PAD.encode(entropy.bytes::<32>()) });
        if is_new {
            // Before it is used: a claim whose key is lost is lost.
            kept.write(&claim).map_err(|fault| format!("the claim key cannot be kept: {fault}"))?;
        }
        let claim = Claim { public, token: SecretText::new(token), key: SecretText::new(claim.claim_key) };
        let session = claim.redeem().inspect_err(|fault| {
            if is_new && fault.code == "dead_token" {
                kept.forget();
            }
        })?;
        let client = claim.client(&session);
        Ok((Self { claim: Some(claim), client: Mutex::new(client) }, session))
    }

    /// The caller's own vault.
    pub(in crate::cli) fn of_vault(client: Client) -> Self {
        Self { claim: None, client: Mutex::new(client) }
    }

    /// The server's URL.
    pub(super) fn server(&self) -> String {
        self.client().url().to_owned()
    }

    /// The files under a pin.
    pub(in crate::cli) fn list(&self, pin: &PathPin) -> Result<Vec<Listed>, Fault> {
        let route = if self.claim.is_some() { "/v1/session/objects" } else { "/v1/objects" };
        let prefix = encoded(&pin.listing_prefix());
        let files = all_pages(|cursor| {
            self.renewing(|client| client.get(&format!("{route}?limit=1000&prefix={prefix}{cursor}")))
        })?;
        let listed = |file: &Value| Listed {
            path: text(file, "path").to_owned(),
            size: file["size"].as_u64().unwrap_or_default(),
            checksum: Told::of(file),
        };
        Ok(files.iter().map(listed).collect())
    }

    /// A URL for one file, good for a minute.
    pub(super) fn url(&self, path: &str) -> Result<String, Fault> {
        let route = if self.claim.is_some() { "/v1/session/downloads" } else { "/v1/objects/downloads" };
        let signed = self.renewing(|client| client.post(route, &json!({ "path": path })))?;
        Ok(text(&signed, "url").to_owned())
    }

    /// Asks; and where the credential has run out, again with a new one.
    fn renewing<T>(&self, ask: impl Fn(&Client) -> Result<T, Fault>) -> Result<T, Fault> {
        let client = self.client();
        match (patiently(|| ask(&client)), &self.claim) {
            (Err(fault), Some(claim)) if fault.status == Some(401) => {
                let renewed = claim.client(&claim.redeem()?);
                self.client.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&renewed);
                patiently(|| ask(&renewed))
            }
            (asked, _) => asked,
        }
    }

    fn client(&self) -> Client {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Claim {
    /// An answer that got lost is asked for again with the same key: still one claim.
    fn redeem(&self) -> Result<Value, Fault> {
        let redemption = json!({ "token": self.token.expose(), "claim_key": self.key.expose() });
        patiently(|| self.public.post("/v1/shares/redeem", &redemption))
    }

    fn client(&self, session: &Value) -> Client {
        self.public.clone().bearing(SecretText::new(text(session, "session_token")))
    }
}
