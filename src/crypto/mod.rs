//! Cryptography of the broker, on published primitives: what is sealed, hashed,
//! signed and compared, and under which label.
//!
//! Pure: randomness and time come in as arguments. No I/O, no rows, no HTTP.

pub mod claim;
pub mod client_commitment;
pub mod csrf;
pub mod data_key;
pub mod digest;
pub mod ed25519;
pub mod edge_cookie;
pub mod edge_keys;
pub mod field;
pub mod file_key;
pub mod grant_hash;
pub mod kept_reply;
pub mod keyring;
pub mod lookup;
pub mod move_token;
pub mod opaque;
pub mod password;
mod pem;
mod primitives;
pub mod receipt_key;
pub mod recipients;
pub mod record_hash;
pub mod row_mac;
pub mod sealed;
pub mod secret;
pub mod session_token;
pub mod share_token;
pub mod signed_note;
pub mod signing_in;
pub mod signing_key;
pub mod submission_token;
pub mod webhook_signature;

#[cfg(test)]
mod vectors;
#[cfg(test)]
mod wycheproof;
