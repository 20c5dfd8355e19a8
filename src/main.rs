//! The program: everything is in the library.

use std::process::ExitCode;

/// A request allocates some hundred times, most of it small and short-lived: with the system's allocator, a quarter of what a request
/// costs here (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cloakroom::cli::run()
}
