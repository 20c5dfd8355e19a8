//! Tests against real parts: sockets, files, and emulators of the services.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(unreachable_pub, reason = "modules of one binary share by plain pub")]

mod objects;
mod store;
