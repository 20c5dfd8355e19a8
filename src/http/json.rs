//! JSON bodies: bounded, strict, and with the place of what is wrong.

use std::time::Duration;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::StatusCode, web};
use futures_util::future::LocalBoxFuture;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::{
    limits::{self, Presents},
    problem::Problem,
};

/// The largest JSON body, in bytes. A hundred of the longest paths fit twice.
pub const LARGEST_BODY: usize = 256 * 1024;

/// How long a client may take to send a body.
const PATIENCE: Duration = Duration::from_secs(10);

/// A JSON body of a known shape that presents a credential, for routes that need no principal. Whoever
/// sends it from an address with too many requests is refused before it is read.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Presents + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let admitted = limits::of_address(request, T::CLASS);
        let received = receive(request, payload);
        let request = request.clone();
        Box::pin(async move {
            admitted?;
            let body = received.await?.parse()?;
            limits::presents(&request, &body);
            Ok(Self(body))
        })
    }
}

/// A body that has arrived, and has not been looked at.
pub(super) struct Received {
    content_type: String,
    bytes: web::Bytes,
}

/// Waits for the body. Who is calling is asked only then: a body that is held
/// back must not hold on to rights that end meanwhile.
pub(super) fn receive(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Received, Problem>> + use<> {
    let content_type = request.content_type().to_owned();
    let body = web::Bytes::from_request(request, payload);
    async move {
        match tokio::time::timeout(PATIENCE, body).await {
            Ok(body) => Ok(Received { content_type, bytes: body.map_err(unreadable)? }),
            Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "The request body took too long")),
        }
    }
}

impl Received {
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        // Not only tidiness: a form post from another site cannot send this type unasked.
        if self.content_type == "application/json" {
            parse(&self.bytes)
        } else {
            Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "This route takes Content-Type: application/json",
            ))
        }
    }
}

impl Received {
    /// The body without what is of no account to JSON: white space, and the order of fields. A client that builds
    /// a request anew in order to repeat it may write them in another one.
    pub(super) fn canonical(&self) -> Vec<u8> {
        let value = serde_json::from_slice::<serde_json::Value>(&self.bytes);
        value.and_then(|value| serde_json::to_vec(&value)).unwrap_or_else(|_| self.bytes.to_vec())
    }
}

/// The fields of a form, where a route takes one: a page has to send it as a form when a browser is to save the answer.
impl Received {
    pub(super) fn is_form(&self) -> bool {
        self.content_type == "application/x-www-form-urlencoded"
    }

    pub(super) fn fields<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let unreadable = || Problem::malformed("not a form with the fields of this route");
        let text = std::str::from_utf8(&self.bytes).map_err(|_| unreadable())?;
        // Spelled as a query is.
        web::Query::from_query(text).map(web::Query::into_inner).map_err(|_| unreadable())
    }
}

/// A JSON text from a form's field.
pub(super) fn from_field<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    parse(text.as_bytes())
}

fn unreadable(fault: actix_web::Error) -> Problem {
    if fault.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The request body is too large")
            .detail(format!("at most {LARGEST_BODY} bytes"))
    } else {
        Problem::malformed("the body broke off")
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // The parser would take a list for an object, field by field.
    if body.trim_ascii_start().first() == Some(&b'[') && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return Err(Problem::invalid("", "expected an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|fault| {
        let pointer = pointer(fault.path());
        let inner = fault.into_inner();
        if inner.is_data() {
            Problem::invalid(pointer, wording(&inner))
        } else if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
            // JSON all the same, which the parser gave up on: a number that no
            // field could hold, or a list where a word was wanted.
            Problem::invalid(pointer, "another type, or a number out of range")
        } else {
            Problem::malformed(format!("not JSON: line {}, column {}", inner.line(), inner.column()))
        }
    })?;
    match deserializer.end() {
        Ok(()) => Ok(value),
        Err(_) => Err(Problem::malformed("something follows the JSON value")),
    }
}

/// As a body, for one item of a batch; pointers begin with where the item stands.
pub(super) fn from_value<T: DeserializeOwned>(item: serde_json::Value, place: &str) -> Result<T, Problem> {
    serde_path_to_error::deserialize(item).map_err(|fault: serde_path_to_error::Error<serde_json::Error>| {
        Problem::invalid(format!("{place}{}", pointer(fault.path())), wording(fault.inner()))
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => pointer.push_str(variant),
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}

/// What a parser says, less the value it met: that may be somebody's secret.
pub(super) fn wording(fault: &impl std::fmt::Display) -> String {
    let text = fault.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before);
    if text.starts_with("invalid type") || text.starts_with("invalid value") || text.starts_with("unknown variant") {
        let expected = text.rsplit_once("expected ").map_or("something else", |(_, expected)| expected);
        format!("expected {expected}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::secret::SecretText, domain::path::PathPin};

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Body {
        paths: Vec<PathPin>,
        size: u64,
        secret: Option<SecretText>,
    }

    fn fault(text: &str) -> (u16, String, String) {
        let document = parse::<Body>(text.as_bytes()).unwrap_err().document(None);
        (document.status, document.pointer.unwrap_or_default(), document.detail.unwrap_or_default())
    }

    #[test]
    fn a_fault_is_placed() {
        let (status, pointer, detail) = fault(r#"{"paths":["ok","../no"],"size":1}"#);
        assert_eq!((status, pointer.as_str()), (422, "/paths/1"));
        assert!(detail.contains(".."), "{detail}");
        assert_eq!(fault(r#"{"paths":[],"size":-1}"#).1, "/size");
        assert_eq!(fault(r#"{"paths":[],"size":"1"}"#).1, "/size");
        assert_eq!(fault(r#"{"paths":[],"size":1e3}"#).1, "/size");
        assert_eq!(
            fault(r#"{"paths":[],"size":1e999}"#),
            (422, "/size".into(), "another type, or a number out of range".into())
        );
        assert!(fault(r#"{"paths":[],"size":1,"sise":2}"#).2.contains("unknown field `sise`"));
        assert!(fault(r#"{"paths":[]}"#).2.contains("missing field `size`"));
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        assert_eq!(fault("{").0, 400);
        assert_eq!(fault("").0, 400);
        assert_eq!(fault(r#"{"paths":[],"size":1} x"#).0, 400);
        assert_eq!(fault(&"[".repeat(100_000)).0, 422);
    }

    #[test]
    fn values_are_not_repeated() {
        let (_, _, detail) = fault(r#"{"paths":"crs_secret","size":1}"#);
        assert!(!detail.contains("crs_secret"), "{detail}");
    }
}
