//! Identity providers: who the bearer of a token is, and signing in there.
//!
//! What somebody may do is decided elsewhere: here they only get a name.

use std::sync::Arc;

use crate::{
    crypto::{digest::Sha256Digest, secret::SecretText, signing_in::SigningIn},
    domain::{identity::Identity, instant::Instant, lifetime},
    oidc::{NotSignedIn, Provider, Rejected},
};

pub use crate::oidc::Answer;

use super::{Broker, Error};

/// Where to send a browser, and what it carries meanwhile. No `Debug`: both are for that browser alone.
pub struct Departure {
    /// The provider's page, with everything that it needs to know.
    pub url: String,
    /// The sealed attempt, for a cookie.
    pub cookie: SecretText,
}

/// Somebody for whom a provider has vouched in answer to one attempt.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who.
    pub identity: Identity,
    /// Names the attempt, so that whoever begins a session can see to it, in the same commit, that it is the only
    /// one of this attempt.
    pub attempt: Sha256Digest,
    /// Until when the attempt has to be remembered for that.
    pub expires_at: Instant,
}

impl Broker {
    /// Who the bearer of an access token is.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for every token that is not accepted.
    pub async fn identify(&self, token: &SecretText) -> Result<Identity, Error> {
        self.providers.identify(token).await.map_err(|rejected| {
            tracing::info!(reason = %rejected, "a bearer token was refused");
            Error::Unauthenticated
        })
    }

    /// Sends somebody to this provider to sign in.
    ///
    /// # Errors
    /// [`Error::NotFound`] when nobody signs in there, [`Error::Unavailable`] when it cannot be asked where.
    pub async fn depart(&self, provider: &str) -> Result<Departure, Error> {
        let provider = self.provider(provider)?;
        let expires_at = self.now().plus(lifetime::SIGNING_IN);
        let attempt = SigningIn::begin(&provider.settings().name, expires_at, self.entropy.as_ref());
        let url = provider.authorization_url(&attempt, &self.comes_back_to(provider)).await;
        let url = url.map_err(|fault| match fault {
            NotSignedIn::Token(Rejected::Unavailable(reason)) => Error::Unavailable(reason),
            fault => Error::Unavailable(fault.to_string()),
        })?;
        let sealed = attempt.seal(&self.keyring, self.entropy.as_ref());
        let cookie = sealed.map_err(|_| Error::Internal("an attempt to sign in could not be sealed".into()))?;
        Ok(Departure { url, cookie })
    }

    /// Takes a provider's answer to the attempt in the browser's cookie.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for every answer that is not accepted.
    pub async fn arrive(
        &self,
        provider: &str,
        cookie: Option<&SecretText>,
        state: &str,
        answer: Answer,
    ) -> Result<Arrival, Error> {
        let provider = self.provider(provider)?;
        let arrived = async {
            let attempt = self.attempt(provider, cookie, state)?;
            let identity = provider.signed_in(answer, &attempt, &self.comes_back_to(provider)).await?;
            Ok(Arrival { identity, attempt: attempt.hash(), expires_at: attempt.expires_at() })
        };
        arrived.await.map_err(|reason: NotSignedIn| {
            tracing::info!(provider = provider.settings().name, %reason, "nobody was signed in");
            Error::Unauthenticated
        })
    }

    /// The names of the providers at which people sign in to the console.
    pub fn sign_in_providers(&self) -> impl Iterator<Item = &str> {
        let offered = self.providers.all().iter().filter(|provider| provider.settings().client.is_some());
        offered.map(|provider| provider.settings().name.as_str())
    }

    fn provider(&self, name: &str) -> Result<&Arc<Provider>, Error> {
        let offered = |provider: &&Arc<Provider>| provider.settings().client.is_some();
        self.providers.named(name).filter(offered).ok_or(Error::NotFound)
    }

    /// Fixed by the configuration, and registered at the provider word for word.
    fn comes_back_to(&self, provider: &Provider) -> String {
        format!("{}/console/sign-in/{}/callback", self.settings.public_url, provider.settings().name)
    }

    fn attempt(&self, provider: &Provider, cookie: Option<&SecretText>, state: &str) -> Result<SigningIn, NotSignedIn> {
        let cookie = cookie.ok_or(NotSignedIn::NotThisAttempt("there is no cookie"))?;
        let attempt = SigningIn::open(cookie, &self.keyring);
        let attempt = attempt.map_err(|_| NotSignedIn::NotThisAttempt("the cookie is not ours"))?;
        if self.now() >= attempt.expires_at() {
            return Err(NotSignedIn::NotThisAttempt("it is too old"));
        }
        if attempt.provider() != provider.settings().name {
            return Err(NotSignedIn::NotThisAttempt("it was begun at another provider"));
        }
        if !attempt.accepts_state(state) {
            return Err(NotSignedIn::NotThisAttempt("the state is another"));
        }
        Ok(attempt)
    }
}
