//! A fence before an emulator, which lets nothing pass that carries no
//! signature: with it LocalStack is as strict as S3, but for its forms.

use crate::relaying::relay;

/// What passes of one kind of requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// All of them, whatever is in them.
    All,
    /// Those that carry a signature in their head. Forms carry it in their body.
    Signed,
    /// None.
    Nothing,
}

/// What passes; of everything else what is signed.
#[derive(Clone, Copy)]
pub struct Fence {
    pub forms: Pass,
    /// Uploads in parts: beginning them, their parts, and what becomes of them.
    pub parts: Pass,
}

impl Fence {
    /// The address of this fence before this endpoint. It stands until the tests end.
    pub fn before(self, endpoint: &str) -> String {
        let behind = endpoint.strip_prefix("http://").unwrap().to_owned();
        relay(move |arriving| {
            if self.lets_pass(&arriving.line, &arriving.headers) {
                arriving.pass(&behind, |_| ())
            } else {
                arriving.refuse()
            }
        })
    }

    fn lets_pass(self, line: &str, headers: &str) -> bool {
        let is_signed = line.contains("X-Amz-Signature=") || headers.to_lowercase().contains("authorization: aws4-");
        let wanted = if line.contains("uploadId=") || line.contains("?uploads") {
            self.parts
        } else if line.starts_with("POST ") && !is_signed {
            self.forms
        } else {
            Pass::Signed
        };
        wanted == Pass::All || wanted == Pass::Signed && is_signed
    }
}
