//! What keys seal, sign and vouch for: one of each kind, and whether it still opens.
//!
//! Never here: which key it should open under.

use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom::{
    crypto::{
        claim::ClaimHash,
        data_key::EncryptedDataKey,
        edge_cookie::EdgeCookies,
        keyring::{KeyKind, Keyring},
        move_token::{MoveToken, MoveTokenContents},
        sealed::Purpose,
        secret::SecretText,
        session_token::{SessionToken, SessionTokenContents},
        share_token::{ShareToken, ShareTokenContents},
    },
    domain::{
        ids::{SessionId, ShareId, TenantId},
        instant::Instant,
        permission::SharePermission,
    },
    entropy::Entropy,
    keys::Keys,
};

const TENANT: TenantId = TenantId::from_bytes([1; 16]);
const OTHER_TENANT: TenantId = TenantId::from_bytes([2; 16]);
const SHARE: ShareId = ShareId::from_bytes([3; 16]);
const ORIGIN: &str = "https://abc.content.example";
const OTHER_ORIGIN: &str = "https://abcd.content.example";
const ROW: (&str, &str) = ("share#1", "grant");
const BODY: &[u8] = b"first line\nthe rest";

/// Bytes that are the same each time a case is tried. SplitMix64, which is random enough for names and salts.
pub(super) struct Drawn(AtomicU64);

impl Drawn {
    pub(super) fn from(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for Drawn {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Kinds of what is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Share,
    Session,
    Move,
    Cursor,
    DataKey,
    EncryptedDataKey,
    Row,
    FirstLine,
    EdgeCookies,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Share,
        Self::Session,
        Self::Move,
        Self::Cursor,
        Self::DataKey,
        Self::EncryptedDataKey,
        Self::Row,
        Self::FirstLine,
        Self::EdgeCookies,
    ];

    /// By which kind of key.
    pub(super) fn key(self) -> KeyKind {
        if self == Self::EdgeCookies { KeyKind::Edge } else { KeyKind::Root }
    }

    fn purpose(self) -> Option<Purpose> {
        match self {
            Self::Share => Some(Purpose::Share),
            Self::Session => Some(Purpose::Session),
            Self::Move => Some(Purpose::Move),
            Self::Cursor => Some(Purpose::Cursor),
            Self::DataKey => Some(Purpose::DataKey),
            Self::EncryptedDataKey => Some(Purpose::EncryptedDataKey),
            Self::Row | Self::FirstLine | Self::EdgeCookies => None,
        }
    }
}

/// Something that was sealed.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) kind: Kind,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Text(String),
    Row(Vec<u8>),
    Cookies(EdgeCookies),
}

fn share_contents() -> ShareTokenContents {
    ShareTokenContents {
        tenant: TENANT,
        share: SHARE,
        issued_at: Instant::from_unix_millis(1),
        expires_at: Instant::from_unix_millis(2),
        permission: SharePermission::Write,
        grant_hash: [4; 32],
    }
}

fn session_contents() -> SessionTokenContents {
    SessionTokenContents {
        tenant: TENANT,
        share: SHARE,
        session: SessionId::from_bytes([5; 16]),
        issued_at: Instant::from_unix_millis(3),
        expires_at: Instant::from_unix_millis(4),
        claim: ClaimHash([6; 32]),
        grant_hash: [7; 32],
    }
}

fn move_contents() -> MoveTokenContents {
    MoveTokenContents {
        tenant: TENANT,
        share: SHARE,
        issued_at: Instant::from_unix_millis(5),
        expires_at: Instant::from_unix_millis(6),
        claim: ClaimHash([8; 32]),
        grant_hash: [9; 32],
    }
}

/// The cookies that are signed here last for ever: what ends with a key is looked at, not what ends with time.
const NEVER: Instant = Instant::from_unix_seconds(4_000_000_000);

impl Sealed {
    pub(super) fn new(kind: Kind, keys: &Keys, entropy: &dyn Entropy) -> Self {
        let ring = &*keys.keyring;
        let data_key = || ring.new_data_key(TENANT, entropy);
        let form = match kind {
            Kind::Share => Form::Text(ShareToken::seal(&share_contents(), ring, entropy).unwrap().expose().into()),
            Kind::Session => {
                Form::Text(SessionToken::seal(&session_contents(), ring, entropy).unwrap().expose().into())
            }
            Kind::Move => Form::Text(MoveToken::seal(&move_contents(), ring, entropy).unwrap().expose().into()),
            Kind::Cursor => Form::Text(ring.seal(Purpose::Cursor, BODY, entropy).unwrap()),
            Kind::DataKey => Form::Text(ring.wrap(&data_key(), entropy).unwrap()),
            Kind::EncryptedDataKey => {
                Form::Text(ring.wrap_encrypted(&EncryptedDataKey::of(&data_key(), BODY.to_vec()), entropy).unwrap())
            }
            Kind::Row => Form::Row(ring.authenticate(ROW.0, ROW.1, BODY)),
            Kind::FirstLine => Form::Row(ring.authenticate_first_line(ROW.0, ROW.1, BODY)),
            Kind::EdgeCookies => Form::Cookies(keys.edge.sign(ORIGIN, NEVER).unwrap()),
        };
        Self { kind, form }
    }

    /// Whether it opens, and says what was sealed.
    pub(super) fn opens(&self, keys: &Keys) -> bool {
        let ring = &*keys.keyring;
        match &self.form {
            Form::Text(text) => self.text_opens(text, ring),
            Form::Row(row) => self.vouched(row, ring, ROW) == Some(BODY),
            Form::Cookies(cookies) => keys.edge.verify(cookies, ORIGIN, Instant::from_unix_seconds(1)) == Ok(NEVER),
        }
    }

    fn text_opens(&self, text: &str, ring: &Keyring) -> bool {
        let secret = SecretText::new(text);
        match self.kind {
            Kind::Share => ShareToken::open(&secret, ring) == Ok(share_contents()),
            Kind::Session => SessionToken::open(&secret, ring) == Ok(session_contents()),
            Kind::Move => MoveToken::open(&secret, ring) == Ok(move_contents()),
            Kind::DataKey => ring.unwrap_data_key(TENANT, text).is_ok(),
            Kind::EncryptedDataKey => ring.unwrap_encrypted(TENANT, text).is_ok_and(|key| key.ciphertext == BODY),
            _ => ring.open(Purpose::Cursor, text).is_ok_and(|opened| opened.as_slice() == BODY),
        }
    }

    fn vouched<'row>(&self, row: &'row [u8], ring: &Keyring, place: (&str, &str)) -> Option<&'row [u8]> {
        let vouched = match self.kind {
            Kind::FirstLine => ring.authentic_by_first_line(place.0, place.1, row),
            _ => ring.authentic(place.0, place.1, row),
        };
        vouched.ok()
    }

    /// Whether it opens as something else: for another purpose or tenant, in another place.
    pub(super) fn opens_elsewhere(&self, keys: &Keys) -> bool {
        let ring = &*keys.keyring;
        match &self.form {
            Form::Text(text) => {
                // Of a token without the prefix that names its kind.
                let sealed = if text.starts_with("c") {
                    text.split_once('_').map_or(&**text, |(_, sealed)| sealed)
                } else {
                    text
                };
                let others = Purpose::ALL.into_iter().filter(|purpose| Some(*purpose) != self.kind.purpose());
                others.into_iter().any(|purpose| ring.open(purpose, sealed).is_ok())
                    || ring.unwrap_data_key(OTHER_TENANT, sealed).is_ok()
                    || ring.unwrap_encrypted(OTHER_TENANT, sealed).is_ok()
            }
            Form::Row(row) => {
                let places = [("share#2", ROW.1), (ROW.0, "state"), ("share#", "1grant")];
                let covered = if self.kind == Kind::Row { Kind::FirstLine } else { Kind::Row };
                places.into_iter().any(|place| self.vouched(row, ring, place).is_some())
                    || Self { kind: covered, form: self.form.clone() }.opens(keys)
            }
            Form::Cookies(cookies) => keys.edge.verify(cookies, OTHER_ORIGIN, Instant::from_unix_seconds(1)).is_ok(),
        }
    }
}
