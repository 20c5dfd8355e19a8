//! What a browser carries while somebody signs in at an identity provider: a
//! sealed cookie, so that the broker need not remember anything.
//!
//! `state(32) | nonce(32) | verifier(32) | expires(8) | name of the provider`.
//! The state binds the provider's answer to this browser (RFC 6749, section 10.12), the nonce binds the ID token to
//! this attempt (OpenID Connect Core, section 3.1.2.1), and the verifier the code to whoever asked for it (PKCE,
//! RFC 7636). Nobody reads them but us: the provider sees the verifier's hash.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

use crate::{domain::instant::Instant, entropy::Entropy};

use super::{
    digest::{self, Sha256Digest, labelled},
    keyring::Keyring,
    sealed::{NotOpened, Purpose, SealError},
    secret::SecretText,
};

const FIXED: usize = 32 + 32 + 32 + 8;

/// An attempt to sign in at a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningIn {
    state: [u8; 32],
    nonce: [u8; 32],
    verifier: [u8; 32],
    expires_at: Instant,
    provider: String,
}

impl SigningIn {
    /// A new attempt at the provider of this name.
    pub fn begin(provider: &str, expires_at: Instant, entropy: &dyn Entropy) -> Self {
        let (state, nonce, verifier) = (entropy.bytes(), entropy.bytes(), entropy.bytes());
        Self { state, nonce, verifier, expires_at, provider: provider.to_owned() }
    }

    /// Seals the attempt for the cookie.
    ///
    /// # Errors
    /// Never for these few bytes; the cipher's own limit is passed on.
    pub fn seal(&self, keyring: &Keyring, entropy: &dyn Entropy) -> Result<SecretText, SealError> {
        let fields: [&[u8]; 5] = [
            &self.state,
            &self.nonce,
            &self.verifier,
            &self.expires_at.as_unix_millis().to_be_bytes(),
            self.provider.as_bytes(),
        ];
        keyring.seal(Purpose::SigningIn, &fields.concat(), entropy).map(SecretText::new)
    }

    /// The attempt in a cookie, if this deployment sealed it.
    ///
    /// # Errors
    /// One and the same for every text that is no such attempt.
    pub fn open(cookie: &SecretText, keyring: &Keyring) -> Result<Self, NotOpened> {
        let plaintext = keyring.open(Purpose::SigningIn, cookie.expose())?;
        let (fixed, provider) = plaintext.split_at_checked(FIXED).ok_or(NotOpened)?;
        let part = |from: usize| fixed[from..from + 32].try_into().map_err(|_| NotOpened);
        let expires: [u8; 8] = fixed[96..].try_into().map_err(|_| NotOpened)?;
        Ok(Self {
            state: part(0)?,
            nonce: part(32)?,
            verifier: part(64)?,
            expires_at: Instant::from_unix_millis(u64::from_be_bytes(expires)),
            provider: String::from_utf8(provider.to_vec()).map_err(|_| NotOpened)?,
        })
    }

    /// At which provider.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Until when the provider's answer is taken.
    pub fn expires_at(&self) -> Instant {
        self.expires_at
    }

    /// What the provider repeats in its answer: 43 characters.
    pub fn state(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.state)
    }

    /// Whether this text is the state. Takes as long for a wrong one.
    pub fn accepts_state(&self, presented: &str) -> bool {
        self.state().as_bytes().ct_eq(presented.as_bytes()).into()
    }

    /// What the provider repeats in the ID token: 43 characters.
    pub fn nonce(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.nonce)
    }

    /// Whether this text is the nonce. Takes as long for a wrong one.
    pub fn accepts_nonce(&self, presented: &str) -> bool {
        self.nonce().as_bytes().ct_eq(presented.as_bytes()).into()
    }

    /// What is shown with the code: 43 characters.
    pub fn verifier(&self) -> SecretText {
        SecretText::new(URL_SAFE_NO_PAD.encode(self.verifier))
    }

    /// What the provider is told of the verifier beforehand: `S256`, RFC 7636, section 4.2.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::of(self.verifier().expose().as_bytes()))
    }

    /// Names the attempt where it is remembered that it has been used.
    pub fn hash(&self) -> Sha256Digest {
        labelled("cloakroom/signing-in/v1|used", &[&self.state])
    }
}

impl fmt::Debug for SigningIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningIn(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::keyring::{
            KeyState,
            tests::{key, keyring},
        },
        entropy::SystemEntropy,
    };

    fn attempt() -> SigningIn {
        SigningIn::begin("work", Instant::from_unix_millis(7), &SystemEntropy)
    }

    #[test]
    fn an_attempt_survives_its_cookie_and_opens_under_no_other_purpose() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let begun = attempt();
        let cookie = begun.seal(&ring, &SystemEntropy).unwrap();
        let opened = SigningIn::open(&cookie, &ring).unwrap();
        assert!(opened == begun);
        assert_eq!((opened.provider(), opened.expires_at().as_unix_millis()), ("work", 7));
        assert!(ring.open(Purpose::Session, cookie.expose()).is_err());
        for length in [0, 103] {
            let short = ring.seal(Purpose::SigningIn, &vec![0; length], &SystemEntropy).unwrap();
            assert!(SigningIn::open(&SecretText::new(short), &ring).is_err());
        }
        assert_eq!(format!("{begun:?}"), "SigningIn(…)");
    }

    #[test]
    fn an_attempt_accepts_its_own_state_and_nonce_alone() {
        let (one, other) = (attempt(), attempt());
        assert!(one.accepts_state(&one.state()) && one.accepts_nonce(&one.nonce()));
        for wrong in [other.state(), one.nonce(), String::new(), one.state()[..42].to_owned()] {
            assert!(!one.accepts_state(&wrong));
        }
        assert!(!one.accepts_nonce(&one.state()) && !one.accepts_nonce(""));
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636() {
        // Appendix B.
        let verifier = URL_SAFE_NO_PAD.decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        let attempt = SigningIn { verifier: verifier.try_into().unwrap(), ..attempt() };
        assert_eq!(attempt.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
