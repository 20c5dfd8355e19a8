//! The rules of Cloakroom, as pure values and transitions.
//!
//! Nothing here reads a clock, draws randomness or does I/O, and nothing here
//! imports another module of this crate: what a rule needs is passed in.

pub mod archive;
pub mod artifact;
pub mod audit_filter;
pub mod audit_index;
pub mod authority;
pub mod canonical;
pub mod checkpoint;
pub mod checksum;
pub mod client;
pub mod confirmation;
pub mod console;
pub mod erasure;
pub mod event;
pub mod file_request;
pub mod filter;
pub mod idempotency;
pub mod identity;
pub mod ids;
pub mod instant;
pub mod ledger;
pub mod ledger_export;
pub mod lifetime;
pub mod limits;
pub mod link;
pub mod metadata;
pub mod narrowing;
pub mod network;
pub mod object;
pub mod parts;
pub mod path;
pub mod permission;
pub mod principal;
pub mod privacy;
pub mod public_address;
pub mod quota;
pub mod rate;
pub mod receipt;
pub mod recipient;
pub mod redemption;
pub mod refusal;
pub mod removal;
pub mod restrictions;
pub mod share;
pub mod standing;
pub mod tenant;
pub mod text;
pub mod token_records;
pub mod tries;
pub mod upload;
pub mod web_origin;
pub mod webhook;
pub mod webhook_delivery;
