//! The promises of the broker, held against the whole of it over real sockets.
//!
//! A file is named after the promise it holds. Cases that must hold wherever
//! state and bytes are kept run against each backend, by the table below; cases
//! about time and faults run on a broker whose clock and store obey the test.

pub mod harness;
pub mod laboratory;

/// Every case against every backend, each as a test of its own.
macro_rules! on_every_backend {
    ($($file:ident: $($case:ident),+ $(,)?;)+) => {
        on_every_backend!(@ embedded Embedded, $($file: $($case),+;)+);
        on_every_backend!(@ aws Aws, $($file: $($case),+;)+);
    };
    (@ $name:ident $backend:ident, $($file:ident: $($case:ident),+;)+) => {
        mod $name {
            $(mod $file {
                $(#[test]
                fn $case() {
                    use super::super::{$file, harness::{Api, Backend}};
                    $file::$case(&Api::start(Backend::$backend));
                })+
            })+
        }
    };
}

mod smoke;

on_every_backend! {
    smoke:
        a_share_is_minted_redeemed_and_used;
}
