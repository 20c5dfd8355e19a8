//! Authenticated rows: somebody who can write the database cannot make or
//! widen a key, a link or a grant.
//!
//! `kid(4) | HMAC-SHA256(32) | body`, the HMAC (RFC 2104) over the framed
//! deployment id, row key and body: a row moved to another key fails as well.
//! It does not show a row that was put back to an older state of its own.
//!
//! Of a body whose first line binds the rest, as that of a segment of a ledger does by a hash, the line alone is vouched for: the
//! HMAC is over the framed deployment id, row key, `first line` and that line with its line feed. Whoever reads such a row looks
//! at what binds the rest.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{
    digest::framed,
    keyring::{Keyring, Kid, RootKey},
    primitives::hmac,
};

const KID: usize = 4;
const MAC: usize = 32;

/// The row was not written by this deployment in this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored row is not authentic")]
pub struct NotAuthentic;

/// How much of a body is vouched for.
#[derive(Clone, Copy)]
enum Covered {
    All,
    FirstLine,
}

fn mac(keyring: &Keyring, root: &RootKey, row: (&str, &str), body: &[u8], covered: Covered) -> Hmac<Sha256> {
    let mut mac = hmac(root.row_mac_key.as_ref());
    mac.update(&framed(&[&keyring.deployment().0, row.0.as_bytes(), row.1.as_bytes()]));
    let covered = match covered {
        Covered::All => body,
        Covered::FirstLine => {
            mac.update(&framed(&[b"first line"]));
            body.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default()
        }
    };
    // The frame of the body, which may be large, without a copy of it.
    mac.update(&(covered.len() as u32).to_be_bytes());
    mac.update(covered);
    mac
}

impl Keyring {
    /// The body with its kid and MAC before it.
    pub fn authenticate(&self, partition: &str, sort: &str, body: &[u8]) -> Vec<u8> {
        self.vouch(partition, sort, body, Covered::All)
    }

    /// As [`Keyring::authenticate`], for the first line of a body, which binds the rest.
    pub fn authenticate_first_line(&self, partition: &str, sort: &str, body: &[u8]) -> Vec<u8> {
        self.vouch(partition, sort, body, Covered::FirstLine)
    }

    fn vouch(&self, partition: &str, sort: &str, body: &[u8], covered: Covered) -> Vec<u8> {
        let root = self.sealing_key();
        let tag = mac(self, &root, (partition, sort), body, covered).finalize().into_bytes();
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
        self.vouched(partition, sort, row, Covered::All)
    }

    /// The body, if this deployment wrote its first line under this key. What that line binds is the rest, if it does: that is
    /// still to be looked at.
    ///
    /// # Errors
    /// As [`Keyring::authentic`].
    pub fn authentic_by_first_line<'row>(
        &self,
        partition: &str,
        sort: &str,
        row: &'row [u8],
    ) -> Result<&'row [u8], NotAuthentic> {
        self.vouched(partition, sort, row, Covered::FirstLine)
    }

    fn vouched<'row>(
        &self,
        partition: &str,
        sort: &str,
        row: &'row [u8],
        covered: Covered,
    ) -> Result<&'row [u8], NotAuthentic> {
        let (kid, rest) = row.split_first_chunk::<KID>().ok_or(NotAuthentic)?;
        let (tag, body) = rest.split_first_chunk::<MAC>().ok_or(NotAuthentic)?;
        let root = self.opening_key(Kid(*kid)).ok_or(NotAuthentic)?;
        mac(self, &root, (partition, sort), body, covered).verify_slice(tag).map_err(|_| NotAuthentic)?;
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
    fn of_a_first_line_each_byte_counts_and_of_the_rest_none() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let row = ring.authenticate_first_line("ledger#1", "1", b"line\nrest\n");
        assert_eq!(ring.authentic_by_first_line("ledger#1", "1", &row), Ok(b"line\nrest\n".as_slice()));
        assert!(ring.authentic_by_first_line("ledger#2", "1", &row).is_err());
        for bit in 0..(36 + b"line\n".len()) * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(ring.authentic_by_first_line("ledger#1", "1", &flipped).is_err(), "bit {bit}");
        }
        let other = [&row[..41], b"other"].concat();
        assert_eq!(ring.authentic_by_first_line("ledger#1", "1", &other), Ok(b"line\nother".as_slice()));
        // Neither passes for the other, even where nothing but the line is there.
        let (line, all) = (ring.authenticate_first_line("p", "s", b"line\n"), ring.authenticate("p", "s", b"line\n"));
        assert!(ring.authentic("p", "s", &line).is_err());
        assert!(ring.authentic_by_first_line("p", "s", &all).is_err());
    }

    #[test]
    fn a_retired_key_vouches_for_nothing() {
        let row = keyring(vec![key(1, KeyState::Primary)]).authenticate("p", "s", b"body");
        let later = keyring(vec![key(1, KeyState::Retired), key(2, KeyState::Primary)]);
        assert!(later.authentic("p", "s", &row).is_err());
    }

    #[test]
    fn a_row_is_judged_only_where_its_key_is_known() {
        let row = keyring(vec![key(1, KeyState::Primary)]).authenticate("p", "s", b"body");
        for (keys, known) in [
            (vec![key(1, KeyState::Primary)], true),
            (vec![key(1, KeyState::AcceptOnly), key(2, KeyState::Primary)], true),
            (vec![key(1, KeyState::Retired), key(2, KeyState::Primary)], false),
            (vec![key(2, KeyState::Primary)], false),
        ] {
            assert_eq!(keyring(keys).has_key_of_row(&row), known);
        }
        // What is too short to name a key is nobody's: that can be said anywhere.
        assert!(keyring(vec![key(1, KeyState::Primary)]).has_key_of_row(&row[..3]));
    }
}
