//! What every answer of every listener tells a browser: to keep nothing, to guess nothing, to frame nothing, and to
//! come back over TLS.
//!
//! An answer that needs another value sets it by itself and says why; here is what holds for all others, those that
//! actix makes included.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What an answer carries that does not say otherwise.
const ALWAYS: [(HeaderName, HeaderValue); 8] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    // What no page of ours uses, and no artifact gets in our name. Of all that there is, what a person would be asked
    // for: it goes with every script of every page.
    (
        header::PERMISSIONS_POLICY,
        HeaderValue::from_static(
            "camera=(), display-capture=(), geolocation=(), hid=(), microphone=(), payment=(), serial=(), usb=()",
        ),
    ),
];

/// RFC 6797: two years, with all hosts below, as lists that browsers come with ask for.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains; preload");

/// Adds what an answer does not say by itself. `over_tls`: whether people reach this listener by https.
pub(super) fn complete(headers: &mut HeaderMap, over_tls: bool) {
    for (name, value) in ALWAYS {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if over_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_to_come_back_over_tls_only_where_there_is_some() {
        for over_tls in [false, true] {
            let mut headers = HeaderMap::new();
            complete(&mut headers, over_tls);
            let strict = headers.get(header::STRICT_TRANSPORT_SECURITY).map(|value| value.to_str().unwrap());
            assert_eq!(strict, over_tls.then_some("max-age=63072000; includeSubDomains; preload"));
        }
    }

    #[test]
    fn what_an_answer_says_by_itself_stands() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        complete(&mut headers, false);
        assert_eq!(headers.get_all(header::CACHE_CONTROL).collect::<Vec<_>>(), ["max-age=60"]);
        assert_eq!(headers.len(), ALWAYS.len());
    }
}
