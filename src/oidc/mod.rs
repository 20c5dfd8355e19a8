//! Identity providers (OpenID Connect): whose word is taken, and how it is checked.
//!
//! A bearer token or an ID token goes in, an [`Identity`] or a [`Rejected`] comes
//! out. What its holder may do is none of this module's business.
//!
//! Never here: a key, an algorithm or an address taken from a token; a clock
//! but ours; a provider that no operator has named.

mod authorization;
mod claims;
mod json;
mod jws;
mod keys;
mod known;
mod metadata;
mod provider;
mod rejected;
mod settings;
mod vouched;

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::{clock::Clock, crypto::secret::SecretText, domain::identity::Identity};

pub use authorization::{Answer, NotSignedIn};
pub use provider::Provider;
pub use rejected::{Rejected, TokenKind};
pub use settings::{Client, PATIENCE, ProviderSettings};

use claims::Claims;
use jws::Jws;
use vouched::{Remembered, TokenHash, Vouched};

/// The providers whose word is taken.
#[derive(Debug, Default)]
pub struct Providers {
    all: Vec<Arc<Provider>>,
    remembered: Remembered,
}

impl Providers {
    /// These providers. They are asked on this runtime, which must outlive the requests; nothing is asked before
    /// somebody comes with a token.
    pub fn new(settings: Vec<ProviderSettings>, clock: &Arc<dyn Clock>, runtime: &Handle) -> Self {
        let provider = |settings| Arc::new(Provider::new(settings, Arc::clone(clock), runtime.clone()));
        Self { all: settings.into_iter().map(provider).collect(), remembered: Remembered::default() }
    }

    /// All of them, in the order of the configuration.
    pub fn all(&self) -> &[Arc<Provider>] {
        &self.all
    }

    /// The provider that the operator calls by this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Provider>> {
        self.all.iter().find(|provider| provider.settings().name == name)
    }

    /// The holder of a bearer token: an access token (RFC 9068) of one of these
    /// providers, for us, valid now.
    ///
    /// # Errors
    /// The real reason, for logs. Callers learn one and the same.
    pub async fn identify(&self, text: &SecretText) -> Result<Identity, Rejected> {
        let hash = TokenHash::of(text);
        if let Some(vouched) = self.remembered.of(hash) {
            let snapshot = vouched.provider.snapshot().await?;
            if Arc::ptr_eq(&snapshot, &vouched.snapshot) {
                vouched.validity.check(vouched.provider.now())?;
                return Ok(vouched.identity);
            }
        }
        let token = Jws::parse(text.expose())?;
        // Read before it is verified, to find whose key to verify with.
        let claims = claims::claimed(&token)?;
        let provider = self.vouching(&claims)?;
        let (identity, validity, snapshot) = provider.identify(&token, &claims).await?;
        let vouched = Vouched { identity: identity.clone(), validity, provider: Arc::clone(provider), snapshot };
        self.remembered.remember(hash, vouched);
        Ok(identity)
    }

    /// The provider that issues tokens of this issuer for this audience. One issuer may have several audiences.
    fn vouching(&self, claims: &Claims) -> Result<&Arc<Provider>, Rejected> {
        let is_issuer = |provider: &&Arc<Provider>| provider.settings().issuer.as_str() == claims.issuer;
        let is_audience = |provider: &&Arc<Provider>| claims.audience.has(provider.settings().audience.as_deref());
        let mut of_issuer = self.all.iter().filter(is_issuer).peekable();
        if of_issuer.peek().is_none() {
            return Err(Rejected::UnknownIssuer);
        }
        of_issuer.find(is_audience).ok_or(Rejected::WrongAudience)
    }
}
