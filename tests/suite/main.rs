//! The integration tests, in one binary: what is proven against real backends.

mod store;
