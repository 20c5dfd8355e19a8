//! Identifiers: 128 bits, shown as a prefix and 32 hexadecimal digits.
//!
//! Ids are names, not secrets: knowing one grants nothing. The first 48 bits
//! are the creation time in milliseconds, so that rows keyed by the text of an id list
//! in order of creation; the other 80 are random.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

use super::instant::Instant;

/// A text that is not an id of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} id")]
pub struct NotAnId {
    kind: &'static str,
}

fn compose(created: Instant, random: [u8; 10]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&created.as_unix_millis().to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    bytes
}

fn created_at(id: &[u8; 16]) -> Instant {
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&id[..6]);
    Instant::from_unix_millis(u64::from_be_bytes(millis))
}

fn parse(text: &str, prefix: &str, kind: &'static str) -> Result<[u8; 16], NotAnId> {
    let fault = NotAnId { kind };
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or(fault)?;
    let mut bytes = [0; 16];
    match base16ct::lower::decode(digits, &mut bytes) {
        Ok(decoded) if decoded.len() == 16 => Ok(bytes),
        _ => Err(fault),
    }
}

/// In one piece: ids are in every key of every row, and a digit at a time is felt there.
fn write(f: &mut fmt::Formatter<'_>, prefix: &str, id: &[u8; 16]) -> fmt::Result {
    let mut digits = [0; 32];
    f.write_str(prefix)?;
    f.write_str("_")?;
    f.write_str(base16ct::lower::encode_str(id, &mut digits).map_err(|_| fmt::Error)?)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What every id of this kind begins with, before the `_`.
            pub const PREFIX: &'static str = $prefix;

            /// A new id from the time of creation and 80 random bits.
            pub fn new(created: Instant, random: [u8; 10]) -> Self {
                Self(compose(created, random))
            }

            /// The id with exactly these 128 bits.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// When it was drawn, to the millisecond.
            pub fn created_at(&self) -> Instant {
                created_at(&self.0)
            }

            /// The 128 bits of the id.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(f, $prefix, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text, $prefix, $prefix).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

id!(/** A customer organisation. */ TenantId, "ten");
id!(/** An API key (not its secret). */ ApiKeyId, "key");
id!(/** Somebody whom a provider of identities vouches for. */ UserId, "usr");
id!(/** A share; also the `TokenId` whose single use is recorded. */ ShareId, "shr");
id!(/** An open session of a claimed share. Secret-derived: see `crypto::claim`. */ SessionId, "ses");
id!(/** A published snapshot. */ ArtifactId, "art");
id!(/** A link to an artifact. */ LinkId, "lnk");
id!(/** One declared upload. */ UploadId, "upl");
id!(/** A link that lets outsiders deliver files. */ FileRequestId, "frq");
id!(/** The stored bytes of one version of a vault file. */ ObjectId, "obj");
id!(/** A person at work in the console, from signing in to signing out. */ ConsoleSessionId, "con");
id!(/** One attempt to commit; names the outbox rows that prove it. */ AttemptId, "att");
id!(/** An export of a ledger. */ ExportId, "exp");
id!(/** Where events are sent to. */ WebhookId, "whk");
id!(/** A person of whom a tenant keeps something: a keyed hash of what they are known by, and no time. */ DataSubjectId, "dsu");
id!(/** One HTTP request, for finding it in logs. */ RequestId, "req");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id = ShareId::new(Instant::from_unix_millis(1_790_000_000_000), [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().starts_with("shr_"));
        assert_eq!(id.created_at(), Instant::from_unix_millis(1_790_000_000_000));
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let early = LinkId::new(Instant::from_unix_millis(1_000), [255; 10]);
        let late = LinkId::new(Instant::from_unix_millis(1_001), [0; 10]);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn foreign_prefixes_and_other_encodings_are_refused() {
        let id = ShareId::from_bytes([1; 16]).to_string();
        assert!(id.parse::<LinkId>().is_err());
        assert!(format!("{id}00").parse::<ShareId>().is_err());
        assert!(id.replace("shr_", "shr").parse::<ShareId>().is_err());
        assert!(id[..id.len() - 2].parse::<ShareId>().is_err());
        assert!(ShareId::from_bytes([0xab; 16]).to_string().replace('a', "A").parse::<ShareId>().is_err());
        assert!("".parse::<ShareId>().is_err());
    }
}
