//! Conditional and partial requests (RFC 9110 sections 13 and 14), for whatever serves bytes.

use actix_web::{
    HttpRequest,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

use crate::objects::WantedRange;

/// The value of a header that must come once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether the client says that it has these bytes already.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = |value: &HeaderValue| {
        let tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
        tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == etag || tag == "*")
    };
    headers.get_all(header::IF_NONE_MATCH).any(known)
}

/// Which part the client wants; all, when it wants a part of other bytes, or
/// does not GET them.
pub(super) fn wanted_range(request: &HttpRequest, etag: &str, size: u64) -> WantedRange {
    let headers = request.headers();
    if request.method() != Method::GET {
        return WantedRange::Whole;
    }
    let still_the_same = headers.get(header::IF_RANGE).is_none_or(|condition| condition.as_bytes() == etag.as_bytes());
    match only(headers, &header::RANGE) {
        Some(range) if still_the_same => WantedRange::parse(range, size),
        _ => WantedRange::Whole,
    }
}
