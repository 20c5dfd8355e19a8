//! Authenticated rows: somebody who can write the database cannot make or
//! widen a key, a link or a grant.
//!
//! `kid(4) | HMAC-SHA256(32) | body`, the HMAC (RFC 2104) over the framed
//! deployment id, row key and body: a row moved to another key fails as well.
//! It does not show a row that was put back to an older state of its own.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    digest::framed,
    keyring::{Keyring, Kid, RootKey},
};

const KID: usize = 4;
const MAC: usize = 32;

/// The row was not written by this deployment in this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored row is not authentic")]
pub struct NotAuthentic;

fn mac(keyring: &Keyring, root: &RootKey, partition: &str, sort: &str, body: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(root.row_mac_key.as_ref()).expect("HMAC takes any key");
    mac.update(&framed(&[&keyring.deployment().0, partition.as_bytes(), sort.as_bytes()]));
    // The frame of the body, which may be large, without a copy of it.
    mac.update(&(body.len() as u32).to_be_bytes());
    mac.update(body);
    mac
}

impl Keyring {
    /// The body with its kid and MAC before it.
    pub fn authenticate(&self, partition: &str, sort: &str, body: &[u8]) -> Vec<u8> {
        let root = self.sealing_key();
        let tag = mac(self, &root, partition, sort, body).finalize().into_bytes();
        let mut authentic = Vec::with_capacity(KID + MAC + body.len());
        authentic.extend_from_slice(&root.kid.0);
        authentic.extend_from_slice(&tag);
        authentic.extend_from_slice(body);
        authentic
    }

    /// The body, if this deployment wrote it under this key.
    ///
    /// # Errors
    /// When it did not, or when the key it was written under is retired or gone.
    pub fn authentic<'row>(&self, partition: &str, sort: &str, row: &'row [u8]) -> Result<&'row [u8], NotAuthentic> {
        let (kid, rest) = row.split_first_chunk::<KID>().ok_or(NotAuthentic)?;
        let (tag, body) = rest.split_first_chunk::<MAC>().ok_or(NotAuthentic)?;
        let root = self.opening_key(Kid(*kid)).ok_or(NotAuthentic)?;
        mac(self, &root, partition, sort, body).verify_slice(tag).map_err(|_| NotAuthentic)?;
        Ok(body)
    }

    /// Whether it can be judged here at all who wrote a row: false where it names a root key that is not known, or
    /// retired.
    pub fn has_key_of_row(&self, row: &[u8]) -> bool {
        row.split_first_chunk::<KID>().is_none_or(|(kid, _)| self.opening_key(Kid(*kid)).is_some())
    }
}

#[cfg(test)]
mod tests {
    use crate::crypto::keyring::{
        KeyState,
        tests::{key, keyring},
    };

    #[test]
    fn a_row_is_authentic_only_where_it_was_written_and_as_it_was_written() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let row = ring.authenticate("link#1", "grant", b"body");
        assert_eq!(ring.authentic("link#1", "grant", &row), Ok(b"body".as_slice()));
        assert!(ring.authentic("link#2", "grant", &row).is_err());
        assert!(ring.authentic("link#", "1grant", &row).is_err());
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(ring.authentic("link#1", "grant", &flipped).is_err(), "bit {bit}");
        }
        assert!(ring.authentic("link#1", "grant", &[]).is_err());
        assert!(ring.authentic("link#1", "grant", &row[..35]).is_err());
    }

    #[test]
    fn a_retired_key_vouches_for_nothing() {
        let row = keyring(vec![key(1, KeyState::Primary)]).authenticate("p", "s", b"body");
        let later = keyring(vec![key(1, KeyState::Retired), key(2, KeyState::Primary)]);
        assert!(later.authentic("p", "s", &row).is_err());
    }
}
