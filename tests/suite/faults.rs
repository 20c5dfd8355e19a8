//! Amazon's services as they are on a bad day: a relay before each emulator fails, call by call, as a test has planned.
//!
//! Every call that the source makes is known here by its name (`inventory`), and meets every fault at the ports
//! (`every_call`). What comes of that for those who ask the broker is in `requests`; what comes of
//! clocks that differ, in `clocks`, and of credentials that end, in `credentials`.

mod clocks;
mod credentials;
mod every_call;
mod inventory;
mod key_calls;
mod object_calls;
mod operation;
mod requests;
mod store_calls;
pub mod unreliable;
