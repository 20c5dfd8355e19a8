//! The HTTP surface: the only place, with [`crate::web`], that knows actix.
//!
//! A handler parses, calls one use case and renders what it answered. The
//! route table is [`routes`]; who is calling is found out in [`extract`];
//! what goes wrong is worded in [`problem`].

pub mod administration;
pub mod api_keys;
pub mod archives;
pub mod artifacts;
pub mod changes;
mod client;
mod conditional;
pub mod console;
pub mod content;
mod cross_origin;
pub mod edge;
pub mod event_sockets;
pub mod events;
pub mod explanations;
pub mod extract;
mod fetched;
pub mod file_requests;
pub mod filters;
pub mod guards;
mod hang_up;
mod headers;
pub mod histories;
mod hosts;
pub mod idempotency;
pub mod json;
pub mod ledger;
pub mod ledger_exports;
mod limits;
pub mod links;
mod metrics;
pub mod objects;
pub mod openapi;
pub mod ops;
pub mod principals;
pub mod problem;
mod qr;
pub mod receipt_views;
pub mod render;
mod restrictions;
pub mod routes;
mod security_txt;
pub mod server;
pub mod session_uploads;
pub mod sessions;
pub mod shares;
pub mod single_sign_on;
pub mod tenants;
mod upload_actions;
pub mod upload_views;
pub mod uploads;
pub mod users;
pub mod webhook_deliveries;
pub mod webhooks;
