//! A fence before an emulator, which lets nothing pass that carries no
//! signature: with it LocalStack is as strict as S3, but for its forms.

use crate::relaying::relay;

/// What becomes of forms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Forms {
    /// They pass, whatever is in them.
    Pass,
    /// There are none.
    Refused,
}

/// The address of a fence before this endpoint. It stands until the tests end.
pub fn before(endpoint: &str, forms: Forms) -> String {
    let behind = endpoint.strip_prefix("http://").unwrap().to_owned();
    relay(move |arriving| {
        let is_form = arriving.line.starts_with("POST ");
        let headers = arriving.headers.to_lowercase();
        let is_signed = arriving.line.contains("X-Amz-Signature=") || headers.contains("authorization: aws4-");
        if is_form && forms == Forms::Refused || !is_form && !is_signed {
            return arriving.refuse();
        }
        arriving.pass(&behind, |_| ())
    })
}
