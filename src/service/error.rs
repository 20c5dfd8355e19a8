//! What a use case answers when it does not do what was asked.

use crate::{
    crypto::row_mac::NotAuthentic,
    domain::{instant::Instant, path::NotAPath},
    kms::KmsFault,
    objects, store,
};

/// A field that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Where, as a JSON pointer (RFC 6901) into the request body.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Why a use case did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Something in the request cannot be accepted.
    #[error("{}: {}", .0.pointer, .0.message)]
    Invalid(Invalid),
    /// No key, or one that is not or no longer accepted: never which.
    #[error("no valid API key")]
    Unauthenticated,
    /// The session is over, or its token is not one.
    #[error("no live session")]
    NoSession,
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// Nothing there that the caller could see.
    #[error("not found")]
    NotFound,
    /// It contradicts how things are.
    #[error("{message}")]
    Conflict {
        /// A stable name of the contradiction.
        code: &'static str,
        /// What contradicts, and what to do.
        message: String,
        /// Which field of the request, as a JSON pointer, where it is one.
        pointer: Option<String>,
    },
    /// The idempotency key stood for another request.
    #[error("this idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// A path that the deployment protects.
    #[error("{path} is {reason}")]
    PathProtected {
        /// Which path.
        path: String,
        /// What it is, in words.
        reason: &'static str,
    },
    /// A method of upload that the storage here cannot be trusted with.
    #[error("this method of upload is not offered")]
    MethodNotOffered {
        /// How large a file the caller may send by PUT, which is offered always.
        put_cap: u64,
    },
    /// A declared size over the cap.
    #[error("larger than the {cap} bytes allowed")]
    TooLarge {
        /// The cap that applies to the caller.
        cap: u64,
    },
    /// A quota has no room for it.
    #[error("{detail}")]
    QuotaExceeded {
        /// Whose quota it is, and how much of it is used.
        detail: String,
    },
    /// The one answer to every token that opens nothing.
    #[error("this link cannot be opened")]
    DeadToken,
    /// It lives, and may be claimed later.
    #[error("not before {opens_at}")]
    NotYet {
        /// From when on.
        opens_at: Instant,
    },
    /// The link lives, and wants a password.
    #[error("a password is needed")]
    PasswordRequired,
    /// The link lives, and this is not its password.
    #[error("not the password")]
    PasswordWrong,
    /// It lives, and goes to recipients alone: one of them, and a code, is wanted.
    #[error("a recipient is needed")]
    RecipientRequired,
    /// It lives, and this is not a recipient with their code.
    #[error("not a recipient's code")]
    RecipientWrong,
    /// It lives, and its password or a code was tried, or a code asked for, too often.
    #[error("too many tries")]
    TooManyTries {
        /// How long to wait.
        retry_after: std::time::Duration,
    },
    /// There were too many requests, of whomever the limit counts.
    #[error("beyond the limit {limit} of {rate}")]
    RateLimited {
        /// The name of the limit.
        limit: std::sync::Arc<str>,
        /// What it is.
        rate: crate::domain::rate::Rate,
        /// How long to wait.
        retry_after: std::time::Duration,
    },
    /// The caller has as much going on already as one may; when some of it has ended it may work.
    #[error("too much of one caller at once")]
    TooManyAtOnce {
        /// What, in words.
        what: &'static str,
    },
    /// Too much at once; later it may work.
    #[error("busy")]
    Busy,
    /// A backend did not answer. Nothing was granted.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Stored data is not as this deployment wrote it, or something is broken.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// A fault in one field of the request.
    pub fn invalid(pointer: impl Into<String>, message: impl ToString) -> Self {
        Self::Invalid(Invalid { pointer: pointer.into(), message: message.to_string() })
    }

    pub(super) fn path(pointer: impl Into<String>) -> impl FnOnce(NotAPath) -> Self {
        move |fault| Self::invalid(pointer, fault)
    }

    pub(super) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into(), pointer: None }
    }

    pub(super) fn conflict_of(pointer: String, code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into(), pointer: Some(pointer) }
    }
}

impl From<store::Unavailable> for Error {
    fn from(fault: store::Unavailable) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

impl From<objects::Unavailable> for Error {
    fn from(fault: objects::Unavailable) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

impl From<KmsFault> for Error {
    fn from(fault: KmsFault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

impl From<NotAuthentic> for Error {
    fn from(fault: NotAuthentic) -> Self {
        Self::Internal(fault.to_string())
    }
}

impl From<crate::crypto::sealed::SealError> for Error {
    fn from(fault: crate::crypto::sealed::SealError) -> Self {
        Self::Internal(fault.to_string())
    }
}
