//! What a token claims (RFC 7519, section 4.1; OpenID Connect Core, section 2; RFC 9068,
//! section 2.2), and what must be true of it. Pure: the time comes in.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};

use crate::{
    crypto::{secret::SecretText, signing_in::SigningIn},
    domain::{
        identity::{Identity, SecondFactor, Subject},
        instant::Instant,
    },
};

use super::{
    json,
    jws::{Algorithm, Jws},
    rejected::{Rejected, TokenKind},
    settings::ProviderSettings,
};

/// By how much a provider's clock and ours may differ.
pub(super) const SKEW: Duration = Duration::from_secs(60);

/// Claims as they are in a token. Whoever has these has not verified anything yet.
#[derive(Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "iss")]
    pub(super) issuer: String,
    #[serde(rename = "sub")]
    subject: String,
    #[serde(rename = "aud")]
    pub(super) audience: Audience,
    #[serde(rename = "exp")]
    expires_at: Date,
    #[serde(rename = "iat")]
    issued_at: Date,
    #[serde(rename = "nbf")]
    not_before: Option<Date>,
    nonce: Option<String>,
    #[serde(rename = "azp")]
    authorized_party: Option<String>,
    #[serde(rename = "at_hash")]
    access_token_hash: Option<String>,
    #[serde(rename = "auth_time")]
    authenticated_at: Option<Date>,
    #[serde(rename = "amr")]
    methods: Option<Vec<String>>,
    #[serde(rename = "acr")]
    class: Option<String>,
}

/// For whom a token is.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// Whether this is among them; nobody never is.
    pub(super) fn has(&self, wanted: Option<&str>) -> bool {
        match (self, wanted) {
            (_, None) => false,
            (Self::One(one), Some(wanted)) => one == wanted,
            (Self::Several(several), Some(wanted)) => several.iter().any(|one| one == wanted),
        }
    }

    fn is_several(&self) -> bool {
        matches!(self, Self::Several(several) if several.len() > 1)
    }
}

/// Seconds since 1970, whole or not (RFC 7519, section 2).
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Date(f64);

impl From<Date> for Instant {
    fn from(date: Date) -> Self {
        // What is before 1970 is 1970, and what is beyond all time its end.
        Self::from_unix_millis((date.0 * 1_000.0) as u64)
    }
}

/// When a token is valid, with what clocks may differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    /// From when on, by `nbf`.
    from: Instant,
    issued_at: Instant,
    /// Until when, exclusively.
    until: Instant,
}

impl Validity {
    pub(super) fn check(self, now: Instant) -> Result<(), Rejected> {
        if now >= self.until {
            Err(Rejected::Expired)
        } else if now < self.from {
            Err(Rejected::NotYetValid)
        } else if now < self.issued_at {
            Err(Rejected::FromTheFuture)
        } else {
            Ok(())
        }
    }
}

/// Reads what a token claims, before anything is verified.
pub(super) fn claimed(token: &Jws<'_>) -> Result<Claims, Rejected> {
    json::object(&token.claims).ok_or(Rejected::Malformed("claims"))
}

impl Claims {
    /// When the token is valid.
    pub(super) fn validity(&self) -> Validity {
        let from = self.not_before.unwrap_or(Date(0.0));
        Validity {
            from: Instant::from(from).minus(SKEW),
            issued_at: Instant::from(self.issued_at).minus(SKEW),
            until: Instant::from(self.expires_at).plus(SKEW),
        }
    }

    /// Whether this is an access token for our API, valid now: RFC 9068, section 4.
    pub(super) fn check_access(
        &self,
        token: &Jws<'_>,
        settings: &ProviderSettings,
        now: Instant,
    ) -> Result<(), Rejected> {
        let is_of_id_tokens = self.nonce.is_some() || self.access_token_hash.is_some();
        if !token.is_typed(TokenKind::Access) || is_of_id_tokens {
            return Err(Rejected::WrongKind(TokenKind::Access));
        }
        self.check(settings, settings.audience.as_deref(), now)
    }

    /// Whether this is the ID token of this attempt to sign in, valid now: OpenID
    /// Connect Core, section 3.1.3.7.
    pub(super) fn check_id(
        &self,
        token: &Jws<'_>,
        settings: &ProviderSettings,
        attempt: &SigningIn,
        access_token: Option<&SecretText>,
        now: Instant,
    ) -> Result<(), Rejected> {
        if !token.is_typed(TokenKind::Id) {
            return Err(Rejected::WrongKind(TokenKind::Id));
        }
        let client = settings.client.as_ref().map(|client| client.id.as_str());
        self.check(settings, client, now)?;
        let party = self.authorized_party.as_deref();
        if party.is_some_and(|party| Some(party) != client) || (party.is_none() && self.audience.is_several()) {
            return Err(Rejected::WrongClient);
        }
        if !self.nonce.as_deref().is_some_and(|nonce| attempt.accepts_nonce(nonce)) {
            return Err(Rejected::Nonce);
        }
        let hash = access_token.map(|access_token| half_hash(token.algorithm, access_token));
        match (&self.access_token_hash, hash) {
            (Some(claimed), Some(hash)) if *claimed != hash => Err(Rejected::AccessTokenHash),
            _ => Ok(()),
        }
    }

    fn check(&self, settings: &ProviderSettings, audience: Option<&str>, now: Instant) -> Result<(), Rejected> {
        if self.issuer != settings.issuer.as_str() {
            return Err(Rejected::UnknownIssuer);
        }
        if !self.audience.has(audience) {
            return Err(Rejected::WrongAudience);
        }
        self.validity().check(now)
    }

    /// Who it is. To be asked when everything has been verified.
    pub(super) fn identity(&self, settings: &ProviderSettings) -> Result<Identity, Rejected> {
        Ok(Identity {
            issuer: settings.issuer.clone(),
            subject: Subject::parse(&self.subject).map_err(|_| Rejected::Malformed("subject"))?,
            tenant: settings.tenant,
            authenticated_at: self.authenticated_at.map(Into::into),
            second_factor: SecondFactor::of(self.methods.as_deref(), self.class.as_deref(), &settings.accepted_acr),
        })
    }
}

/// The left half of the hash that belongs to the algorithm: OpenID Connect Core, section 3.1.3.6.
fn half_hash(algorithm: Algorithm, access_token: &SecretText) -> String {
    let text = access_token.expose().as_bytes();
    match algorithm {
        Algorithm::EdDsa => URL_SAFE_NO_PAD.encode(&Sha512::digest(text)[..32]),
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16]),
    }
}
