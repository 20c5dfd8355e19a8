//! Problem documents (RFC 9457): every error answer of the API.
//!
//! Never in one: why a token was refused, what another tenant has, what a
//! backend said.

use std::time::Duration;

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{StatusCode, header},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{domain::instant::Instant, service};

/// The body of every error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDocument {
    /// A stable name of this kind of problem, as a URN.
    #[serde(rename = "type")]
    #[schema(example = "urn:cloakroom:problem:invalid")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The last part of `type`, for switching on.
    #[schema(example = "invalid")]
    pub code: String,
    /// What is wrong in this case, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The field concerned, as a JSON pointer or the name of a parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// For `too_large`: the most it may be, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// For `not_yet`: from when on it may be redeemed (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<String>,
    /// Finds the request in the operator's logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A problem on its way out. Guards add the request id.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Option<String>,
    pointer: Option<String>,
    particular: Option<Particular>,
    retry_after: Option<u32>,
}

/// What one kind of problem tells beside its words.
#[derive(Clone, Copy, Debug)]
enum Particular {
    Limit(u64),
    OpensAt(Instant),
}

impl Problem {
    /// A problem of this kind.
    pub fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self { status, code, title, detail: None, pointer: None, particular: None, retry_after: None }
    }

    /// Says what is wrong in this case.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says which field is concerned.
    #[must_use]
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// The request is not what this route takes.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read").detail(detail)
    }

    /// A field is not as it must be.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "A field cannot be accepted")
            .pointer(pointer)
            .detail(detail)
    }

    /// A cookie alone does not show that our own page asks.
    pub fn csrf() -> Self {
        Self::new(StatusCode::FORBIDDEN, "csrf", "This does not come from a page of ours")
            .detail("in a session of the console, send the value of the csrf cookie as the header Cloakroom-CSRF")
    }

    /// There is nothing here.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here that you can see")
    }

    /// Whether it names this field.
    pub(super) fn is_about(&self, pointer: &str) -> bool {
        self.pointer.as_deref() == Some(pointer)
    }

    /// What it is, for switching on.
    pub(super) const fn code(&self) -> &'static str {
        self.code
    }

    /// The document, with the request id if there is one yet.
    pub fn document(&self, request_id: Option<String>) -> ProblemDocument {
        let (limit, opens_at) = match self.particular {
            Some(Particular::Limit(limit)) => (Some(limit), None),
            Some(Particular::OpensAt(at)) => (None, Some(at.to_string())),
            None => (None, None),
        };
        ProblemDocument {
            kind: format!("urn:cloakroom:problem:{}", self.code),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail.clone(),
            pointer: self.pointer.clone(),
            limit,
            opens_at,
            request_id,
        }
    }

    /// The answer.
    pub fn response(&self, request_id: Option<String>) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status);
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        response.body(serde_json::to_vec(&self.document(request_id)).unwrap_or_default())
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.code)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// Without a request id: the guard that drew one replaces this answer.
    fn error_response(&self) -> HttpResponse {
        self.response(None)
    }
}

impl From<service::Error> for Problem {
    fn from(fault: service::Error) -> Self {
        use service::Error;
        match fault {
            Error::Invalid(invalid) => Self::invalid(invalid.pointer, invalid.message),
            Error::Unauthenticated => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A valid API key is needed")
                    .detail("send it as Authorization: Bearer crk_…, or sign in at /console")
            }
            Error::NoSession => Self::new(StatusCode::UNAUTHORIZED, "no_session", "A live session is needed")
                .detail("it may have ended; redeem with the same claim key to renew it"),
            Error::Forbidden(detail) => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this").detail(detail)
            }
            Error::NotFound => Self::not_found(),
            Error::Conflict { code, message, pointer } => Self {
                pointer,
                ..Self::new(StatusCode::CONFLICT, code, "This contradicts how things are").detail(message)
            },
            Error::IdempotencyKeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "This idempotency key stands for another request",
            )
            .pointer("Idempotency-Key")
            .detail("within a day a key goes with one route and one body; draw another key for another request"),
            Error::PathProtected { path, reason } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "path_protected",
                "This must not leave the machine it is on",
            )
            .pointer("/path")
            .detail(format!("{path} is {reason}, going by its name; give it another one, if it is not")),
            Error::MethodNotOffered { put_cap } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "method_not_offered",
                "This method of upload is not offered here",
            )
            .pointer("/method")
            .detail(format!(
                "the storage does not enforce what is signed for it; use the method put, for files of up to {put_cap} \
                 bytes; larger ones cannot be sent here"
            )),
            Error::TooLarge { cap } => Self {
                particular: Some(Particular::Limit(cap)),
                ..Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "This is too large")
                    .pointer("/size")
                    .detail(format!("at most {cap} bytes"))
            },
            Error::QuotaExceeded { detail } => {
                Self::new(StatusCode::CONFLICT, "quota_exceeded", "A quota has no room for this")
                    .detail(format!("{detail}; delete files, or wait until uploads that were called off have ended"))
            }
            Error::DeadToken => Self::new(StatusCode::NOT_FOUND, "dead_token", "This cannot be opened").detail(
                "It may have been opened already, have expired, been revoked, or be incomplete. Ask whoever sent it for a new one.",
            ),
            Error::NotYet { opens_at } => Self {
                particular: Some(Particular::OpensAt(opens_at)),
                ..Self::new(StatusCode::CONFLICT, "not_yet", "This cannot be opened yet")
                    .detail(format!("nothing is used up; redeem it from {opens_at} on"))
            },
            Error::PasswordRequired => {
                Self::new(StatusCode::FORBIDDEN, "password_required", "A password is needed").pointer("/password")
            }
            Error::PasswordWrong => {
                Self::new(StatusCode::FORBIDDEN, "password_wrong", "This is not the password").pointer("/password")
            }
            Error::RecipientRequired => Self::new(
                StatusCode::FORBIDDEN,
                "recipient_required",
                "This goes to its recipients alone",
            )
            .pointer("/recipient")
            .detail("ask for a code at redeem/code with your e-mail address, and redeem with both"),
            Error::RecipientWrong => {
                Self::new(StatusCode::FORBIDDEN, "recipient_wrong", "The code does not go with this address")
                    .pointer("/recipient")
                    .detail("a code works once, for ten minutes and five tries; nothing was used up: ask for another")
            }
            Error::TooManyTries { retry_after } => Self {
                retry_after: Some(seconds_up(retry_after)),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", "There were too many tries")
                    .detail("wait, or ask whoever sent the link for a new one")
            },
            Error::RateLimited { limit, rate, retry_after } => {
                let (requests, time, wait) = (rate.requests(), rate.seconds(), seconds_up(retry_after));
                Self {
                    retry_after: Some(wait),
                    ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests").detail(format!(
                        "the limit {limit} is {requests} requests in {time} seconds; nothing was done or used up: try \
                         again in {wait} seconds, and go by the header RateLimit"
                    ))
                }
            }
            Error::TooManyAtOnce { what } => Self {
                retry_after: Some(5),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_at_once", "You have too much going on at once")
                    .detail(format!("{what}; wait until one has ended"))
            },
            Error::Busy => Self {
                retry_after: Some(1),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too much at once")
                    .detail("nothing was changed; try again shortly")
            },
            Error::Unavailable(reason) => {
                tracing::error!(reason, "a backend did not answer");
                Self {
                    retry_after: Some(2),
                    ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The service cannot answer now")
                        .detail("try again; where there is a claim key, with the same one")
                }
            }
            Error::Internal(reason) => {
                tracing::error!(reason, "internal error");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something is broken on our side")
            }
        }
    }
}

/// Whole seconds after which the wait is over, one at least.
pub(super) fn seconds_up(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1_000).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_survives_its_wire_form() {
        let document = Problem::invalid("/paths/0", "no").document(Some("req_1".into()));
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<ProblemDocument>(&text).unwrap(), document);
    }

    #[test]
    fn faults_of_ours_say_nothing_about_themselves() {
        for fault in [service::Error::Unavailable("10.0.0.7".into()), service::Error::Internal("10.0.0.7".into())] {
            let document = Problem::from(fault).document(None);
            assert!(!serde_json::to_string(&document).unwrap().contains("10.0.0.7"));
        }
    }
}
