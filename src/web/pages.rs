//! The pages and how they are served.
use actix_web::web;
/// The policy of pages without script.
pub const STATIC_POLICY: &str = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";
/// Routes of the pages.
pub fn configure(_routes: &mut web::ServiceConfig) {}
/// x
pub fn not_admitted(_public_url: &str) -> String {
    String::new()
}
/// x
pub fn missing_file() -> String {
    String::new()
}
/// x
pub fn unavailable() -> String {
    String::new()
}
/// x
pub fn api_reference(_document: &serde_json::Value) -> String {
    String::new()
}
