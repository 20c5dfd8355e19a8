//! Texts that never change while the program runs, ready to be sent small.

use std::io::Write;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{self, HeaderMap},
    web::Bytes,
};
use flate2::{Compression, write::GzEncoder};

/// A text as it is, and compressed. Nothing secret: what is compressed together with
/// what a stranger chose tells of it by its length.
pub(super) struct Compressed {
    plain: Bytes,
    gzip: Option<Bytes>,
}

impl Compressed {
    pub(super) fn new(text: String) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory does not fail; if it did, the plain text serves.
        let gzip = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).ok().map(Bytes::from);
        Self { gzip: gzip.filter(|gzip| gzip.len() < text.len()), plain: Bytes::from(text) }
    }

    /// Answers with whichever the browser takes.
    pub(super) fn answer(&self, headers: &HeaderMap, response: &mut HttpResponseBuilder) -> HttpResponse {
        response.append_header((header::VARY, "accept-encoding"));
        match &self.gzip {
            Some(gzip) if takes_gzip(headers) => {
                response.insert_header((header::CONTENT_ENCODING, "gzip")).body(gzip.clone())
            }
            _ => response.body(self.plain.clone()),
        }
    }
}

/// RFC 9110, section 12.5.3; who says nothing gets the plain text.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use actix_web::{body::to_bytes, http::header::HeaderValue};

    use super::*;

    fn asking(accepted: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        headers
    }

    #[test]
    fn only_who_takes_gzip_gets_it() {
        for yes in ["gzip", "br, gzip", "GZIP;q=0.1", "deflate, gzip;q=1.0, *;q=0.5"] {
            assert!(takes_gzip(&asking(yes)), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip; q=0.0", "x-gzip"] {
            assert!(!takes_gzip(&asking(no)), "{no}");
        }
    }

    #[actix_web::test]
    async fn what_is_sent_small_is_the_same_text() {
        let text = "the same again and again, ".repeat(50);
        let compressed = Compressed::new(text.clone());
        let small = compressed.answer(&asking("gzip"), &mut HttpResponse::Ok());
        assert_eq!(small.headers().get(header::CONTENT_ENCODING).unwrap(), "gzip");
        let sent = to_bytes(small.into_body()).await.unwrap();
        assert!(sent.len() < text.len() / 4);
        let mut found = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&sent[..]), &mut found).unwrap();
        assert_eq!(found, text);
        let plain = compressed.answer(&HeaderMap::new(), &mut HttpResponse::Ok());
        assert_eq!(plain.headers().get(header::VARY).unwrap(), "accept-encoding");
        assert_eq!(to_bytes(plain.into_body()).await.unwrap(), text);
    }
}
