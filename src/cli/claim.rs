//! A claim that this machine has: on a share, or to deliver to a file request.
//!
//! The claim key is kept, so that the next run comes back to the same claim;
//! and its credential, which lives for minutes, is renewed as often as needed.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    crypto::secret::SecretText,
    entropy::{Entropy, SystemEntropy},
};

use super::{
    Failed,
    client::{Client, text},
    fault::{Fault, patiently},
    kept::Kept,
};

/// What a link opens, and how it is redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A share: `…/s#crs_…`
    Share,
    /// A file request: `…/r#crf_…`
    FileRequest,
}

/// A claim on what a link opens.
pub(super) struct Claim {
    kind: Kind,
    /// Without a credential: whoever redeems needs none.
    public: Client,
    token: SecretText,
    key: SecretText,
    kept: Kept,
    /// Whether this run made the claim key.
    is_new: bool,
    credential: Mutex<SecretText>,
}

#[derive(Serialize, Deserialize)]
struct KeptClaim {
    claim_key: String,
}

impl Kind {
    fn redeem_route(self) -> &'static str {
        match self {
            Self::Share => "/v1/shares/redeem",
            Self::FileRequest => "/v1/file-requests/redeem",
        }
    }

    /// The folder of what is kept.
    fn folder(self) -> &'static str {
        match self {
            Self::Share => "claims",
            Self::FileRequest => "deliveries",
        }
    }
}

impl Claim {
    /// The claim of an earlier run, or one that is new. Nothing is redeemed yet.
    ///
    /// # Errors
    /// When a new claim key cannot be kept: a claim whose key is lost is lost.
    pub(super) fn of(kind: Kind, public: Client, token: &str, words: &[&str]) -> Result<Self, Failed> {
        let kept = Kept::of(kind.folder(), &[&[public.url(), token], words].concat());
        let Some(KeptClaim { claim_key }) = kept.read() else {
            return Self::anew(kind, public, token, words);
        };
        Ok(Self::with(kind, public, token, SecretText::new(claim_key), kept, false))
    }

    /// A new claim, whatever there was before.
    ///
    /// # Errors
    /// When its key cannot be kept.
    pub(super) fn anew(kind: Kind, public: Client, token: &str, words: &[&str]) -> Result<Self, Failed> {
        let kept = Kept::of(kind.folder(), &[&[public.url(), token], words].concat());
        let key = SecretText::new(URL_SAFE_NO_PAD.encode((&SystemEntropy as &dyn Entropy).bytes::<32>()));
        kept.write(&KeptClaim { claim_key: key.expose().to_owned() })
            .map_err(|fault| format!("the claim key cannot be kept: {fault}"))?;
        Ok(Self::with(kind, public, token, key, kept, true))
    }

    fn with(kind: Kind, public: Client, token: &str, key: SecretText, kept: Kept, is_new: bool) -> Self {
        let (token, credential) = (SecretText::new(token), Mutex::new(SecretText::new("")));
        Self { kind, public, token, key, kept, is_new, credential }
    }

    /// Whether this run made the claim.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The place for what is kept of this claim and no other.
    pub(super) fn memory(&self) -> Kept {
        Kept::of("delivered", &[self.key.expose()])
    }

    /// Keeps the claim no longer: it opens nothing.
    pub(super) fn forget(&self) {
        self.kept.forget();
    }

    /// Redeems the token under the claim key, with what else it wants.
    pub(super) fn redeem(&self, proof: &Value) -> Result<Value, Fault> {
        let mut credential = self.credential.lock().unwrap_or_else(PoisonError::into_inner);
        self.redeem_into(&mut credential, proof)
    }

    /// Has a code sent to somebody who may be a recipient. The answer does not tell whether they are.
    pub(super) fn send_code(&self, address: &str) -> Result<(), Fault> {
        let body = json!({ "token": self.token.expose(), "address": address });
        patiently(|| self.public.post(&format!("{}/code", self.kind.redeem_route()), &body)).map(drop)
    }

    /// A client that goes by this claim.
    pub(super) fn client(self) -> Client {
        self.public.clone().claiming(Arc::new(self))
    }

    /// What requests are to bear now.
    pub(super) fn credential(&self) -> SecretText {
        self.credential.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gets a new credential in the place of one that has run out, unless
    /// another thread has got one meanwhile.
    pub(super) fn renew(&self, stale: &SecretText) -> Result<SecretText, Fault> {
        let mut credential = self.credential.lock().unwrap_or_else(PoisonError::into_inner);
        if credential.expose() == stale.expose() {
            // No proof again: whoever comes back gave it at the beginning.
            self.redeem_into(&mut credential, &Value::Null)?;
        }
        Ok(credential.clone())
    }

    /// An answer that got lost is asked for again with the same key: still one claim.
    fn redeem_into(&self, credential: &mut SecretText, proof: &Value) -> Result<Value, Fault> {
        let mut body = json!({ "token": self.token.expose(), "claim_key": self.key.expose() });
        for (name, value) in proof.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            body[name] = value.clone();
        }
        let opened = patiently(|| self.public.post(self.kind.redeem_route(), &body))?;
        *credential = SecretText::new(text(&opened, "session_token"));
        Ok(opened)
    }
}
