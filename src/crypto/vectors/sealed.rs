//! Sealed tokens: of every purpose, and those whose plaintext is a format of its own.

use serde::Deserialize;

use crate::{
    crypto::{
        claim::ClaimHash,
        data_key::EncryptedDataKey,
        keyring::Keyring,
        move_token::{MoveToken, MoveTokenContents},
        sealed::{NotOpened, Purpose},
        secret::SecretText,
        session_token::{SessionToken, SessionTokenContents},
        share_token::{ShareToken, ShareTokenContents},
        signing_in::SigningIn,
        submission_token::{SubmissionToken, SubmissionTokenContents},
    },
    domain::{
        ids::{FileRequestId, SessionId, ShareId, TenantId},
        instant::Instant,
        permission::SharePermission,
    },
};

use super::{Bytes, Recorded, Vectors, text_of};

#[derive(Deserialize)]
pub(super) struct Sealed {
    pub(super) purpose: String,
    kid: Bytes,
    salt: Bytes,
    iv: Bytes,
    plaintext: Bytes,
    pub(super) text: String,
}

#[derive(Deserialize)]
pub(super) struct Refused {
    name: String,
    purpose: String,
    text: String,
}

/// The tokens of every purpose.
pub(super) fn tokens() -> Vectors<Sealed, Refused> {
    Vectors::read(text_of!("sealed-token"), 16, 92)
}

/// The purpose with this label.
pub(super) fn purpose(label: &str) -> Purpose {
    Purpose::ALL.into_iter().find(|purpose| purpose.labels()[0] == label).unwrap()
}

#[test]
fn every_purpose() {
    let vectors = tokens();
    for Sealed { purpose: label, kid, salt, iv, plaintext, text } in &vectors.positives {
        let recorded = Recorded::of(&[&salt.0, &iv.0]);
        let sealed = vectors.sealing_under(kid).seal(purpose(label), &plaintext.0, &recorded).unwrap();
        assert_eq!(sealed, *text, "{label}");
        assert_eq!(*vectors.keyring().open(purpose(label), text).unwrap(), plaintext.0, "{label}");
    }
    for missing in Purpose::ALL {
        assert!(vectors.positives.iter().any(|vector| purpose(&vector.purpose) == missing), "{missing:?}");
    }
    for Refused { name, purpose: label, text } in &vectors.negatives {
        assert_eq!(vectors.keyring().open(purpose(label), text).unwrap_err(), NotOpened, "{label} {name}");
    }
}

#[derive(Deserialize)]
struct Token<C> {
    kid: Bytes,
    salt: Bytes,
    iv: Bytes,
    contents: C,
    text: String,
}

#[derive(Deserialize)]
struct RefusedText {
    name: String,
    text: String,
}

impl<C> Token<C> {
    fn drawn(&self) -> Recorded {
        Recorded::of(&[&self.salt.0, &self.iv.0])
    }
}

/// What the tokens of one kind have to do.
fn judge<C: serde::de::DeserializeOwned, O: PartialEq + std::fmt::Debug>(
    (file, positives, negatives): (&str, usize, usize),
    contents: impl Fn(&C) -> O,
    seal: impl Fn(&Token<C>, &Keyring) -> String,
    open: impl Fn(&SecretText, &Keyring) -> Result<O, NotOpened>,
) {
    let vectors = Vectors::<Token<C>, RefusedText>::read(file, positives, negatives);
    for token in &vectors.positives {
        assert_eq!(seal(token, &vectors.sealing_under(&token.kid)), token.text);
        let opened = open(&SecretText::new(&token.text), &vectors.keyring());
        assert_eq!(opened, Ok(contents(&token.contents)));
    }
    for RefusedText { name, text } in &vectors.negatives {
        assert_eq!(open(&SecretText::new(text), &vectors.keyring()), Err(NotOpened), "{name}");
    }
}

/// What tokens say, as their file has it. Each kind has some of it.
#[derive(Deserialize)]
struct Said {
    tenant: Option<Bytes>,
    share: Option<Bytes>,
    session: Option<Bytes>,
    request: Option<Bytes>,
    issued_at_ms: Option<u64>,
    expires_at_ms: u64,
    permission: Option<String>,
    claim_hash: Option<Bytes>,
    grant_hash: Option<Bytes>,
}

fn some<const N: usize>(bytes: Option<&Bytes>) -> [u8; N] {
    bytes.unwrap().array()
}

impl Said {
    fn tenant(&self) -> TenantId {
        TenantId::from_bytes(some(self.tenant.as_ref()))
    }

    fn share(&self) -> ShareId {
        ShareId::from_bytes(some(self.share.as_ref()))
    }

    fn issued_at(&self) -> Instant {
        Instant::from_unix_millis(self.issued_at_ms.unwrap())
    }

    fn expires_at(&self) -> Instant {
        Instant::from_unix_millis(self.expires_at_ms)
    }

    fn claim(&self) -> ClaimHash {
        ClaimHash(some(self.claim_hash.as_ref()))
    }

    fn grant_hash(&self) -> [u8; 32] {
        some(self.grant_hash.as_ref())
    }

    fn share_token(&self) -> ShareTokenContents {
        ShareTokenContents {
            tenant: self.tenant(),
            share: self.share(),
            issued_at: self.issued_at(),
            expires_at: self.expires_at(),
            permission: match self.permission.as_deref() {
                Some("read") => SharePermission::Read,
                Some("write") => SharePermission::Write,
                other => panic!("{other:?}"),
            },
            grant_hash: self.grant_hash(),
        }
    }

    fn session_token(&self) -> SessionTokenContents {
        SessionTokenContents {
            tenant: self.tenant(),
            share: self.share(),
            session: SessionId::from_bytes(some(self.session.as_ref())),
            issued_at: self.issued_at(),
            expires_at: self.expires_at(),
            claim: self.claim(),
            grant_hash: self.grant_hash(),
        }
    }

    fn move_token(&self) -> MoveTokenContents {
        MoveTokenContents {
            tenant: self.tenant(),
            share: self.share(),
            issued_at: self.issued_at(),
            expires_at: self.expires_at(),
            claim: self.claim(),
            grant_hash: self.grant_hash(),
        }
    }

    fn submission_token(&self) -> SubmissionTokenContents {
        SubmissionTokenContents {
            request: FileRequestId::from_bytes(some(self.request.as_ref())),
            expires_at: self.expires_at(),
            claim: self.claim(),
        }
    }
}

#[test]
fn share_tokens() {
    judge(
        (text_of!("share-token"), 4, 59),
        Said::share_token,
        |token, ring| {
            ShareToken::seal(&token.contents.share_token(), ring, &token.drawn()).unwrap().expose().to_owned()
        },
        ShareToken::open,
    );
}

#[test]
fn session_tokens() {
    judge(
        (text_of!("session-token"), 2, 56),
        Said::session_token,
        |token, ring| {
            SessionToken::seal(&token.contents.session_token(), ring, &token.drawn()).unwrap().expose().to_owned()
        },
        SessionToken::open,
    );
}

#[test]
fn move_tokens() {
    judge(
        (text_of!("move-token"), 2, 55),
        Said::move_token,
        |token, ring| MoveToken::seal(&token.contents.move_token(), ring, &token.drawn()).unwrap().expose().to_owned(),
        MoveToken::open,
    );
}

#[test]
fn submission_tokens() {
    judge(
        (text_of!("submission-token"), 2, 56),
        Said::submission_token,
        |token, ring| {
            let contents = token.contents.submission_token();
            SubmissionToken::seal(&contents, ring, &token.drawn()).unwrap().expose().to_owned()
        },
        SubmissionToken::open,
    );
}

#[derive(Deserialize)]
struct Attempt {
    state: Bytes,
    nonce: Bytes,
    verifier: Bytes,
    expires_at_ms: u64,
    provider: String,
}

impl Attempt {
    fn begun(&self) -> SigningIn {
        let drawn = Recorded::of(&[&self.state.0, &self.nonce.0, &self.verifier.0]);
        SigningIn::begin(&self.provider, Instant::from_unix_millis(self.expires_at_ms), &drawn)
    }
}

#[test]
fn signing_in() {
    judge(
        (text_of!("signing-in"), 2, 50),
        |attempt: &Attempt| said(&attempt.begun()),
        |token, ring| token.contents.begun().seal(ring, &token.drawn()).unwrap().expose().to_owned(),
        |text, ring| SigningIn::open(text, ring).map(|attempt| said(&attempt)),
    );
}

/// All that an attempt tells, since it does not print what it has.
fn said(attempt: &SigningIn) -> (String, String, String, String, u64) {
    let verifier = attempt.verifier().expose().to_owned();
    let expires_at = attempt.expires_at().as_unix_millis();
    (attempt.state(), attempt.nonce(), verifier, attempt.provider().to_owned(), expires_at)
}

#[derive(Deserialize)]
struct Wrapped {
    tenant: Bytes,
    key_id: Bytes,
    wrapped: Bytes,
}

#[test]
fn data_keys() {
    let vectors = Vectors::<Token<Wrapped>, RefusedText>::read(text_of!("data-key"), 1, 54);
    let (ring, token) = (vectors.keyring(), &vectors.positives[0]);
    let tenant = TenantId::from_bytes(token.contents.tenant.array());
    let drawn = Recorded::of(&[&token.contents.key_id.0, &token.contents.wrapped.0]);
    let key = ring.new_data_key(tenant, &drawn);
    assert_eq!(ring.wrap(&key, &token.drawn()).unwrap(), token.text);
    let unwrapped = ring.unwrap_data_key(tenant, &token.text).unwrap();
    assert_eq!(unwrapped.secret().as_slice(), token.contents.wrapped.0);
    assert_eq!(unwrapped.id.as_slice(), token.contents.key_id.0);
    for RefusedText { name, text } in &vectors.negatives {
        assert_eq!(ring.unwrap_data_key(tenant, text).unwrap_err(), NotOpened, "{name}");
    }
}

#[test]
fn encrypted_data_keys() {
    let vectors = Vectors::<Token<Wrapped>, RefusedText>::read(text_of!("encrypted-data-key"), 1, 52);
    let (ring, token) = (vectors.keyring(), &vectors.positives[0]);
    let tenant = TenantId::from_bytes(token.contents.tenant.array());
    let key = ring.new_data_key(tenant, &Recorded::of(&[&token.contents.key_id.0, &[7; 32]]));
    let encrypted = EncryptedDataKey::of(&key, token.contents.wrapped.0.clone());
    assert_eq!(ring.wrap_encrypted(&encrypted, &token.drawn()).unwrap(), token.text);
    assert_eq!(ring.unwrap_encrypted(tenant, &token.text).unwrap().ciphertext, token.contents.wrapped.0);
    for RefusedText { name, text } in &vectors.negatives {
        assert_eq!(ring.unwrap_encrypted(tenant, text).unwrap_err(), NotOpened, "{name}");
    }
}
