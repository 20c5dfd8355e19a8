//! Why a token is not believed.

use std::fmt;

/// What a token is for. None is accepted as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Opens an API to its bearer: `typ` is `at+jwt` (RFC 9068).
    Access,
    /// Tells a client who has signed in (OpenID Connect Core).
    Id,
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access => "access token",
            Self::Id => "ID token",
        })
    }
}

/// Why a token is not believed: for logs and security events, never for its
/// bearer. Nothing in it was written by the bearer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Longer than any token of a sane provider.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts in base64url without padding, in its one spelling.
    #[error("the token is no signed JWT in compact form")]
    NotCompact,
    /// The header or the claims are no JSON object, name something twice, or have it in another type.
    #[error("the {0} of the token is not right")]
    Malformed(&'static str),
    /// Something in it must be understood, and is not.
    #[error("the token has a critical extension, and none is known here")]
    CriticalExtension,
    /// Not RS256, PS256, ES256 or EdDSA: `none` and HMAC among others.
    #[error("the token names an algorithm that is never accepted")]
    Algorithm,
    /// Another kind of token.
    #[error("the token is no {0}, going by its type and its claims")]
    WrongKind(TokenKind),
    /// Nobody of that name was configured.
    #[error("no provider of the configuration issued the token")]
    UnknownIssuer,
    /// Meant for somebody else.
    #[error("the token is not for us, going by its audience")]
    WrongAudience,
    /// Issued to another client of ours or of somebody else.
    #[error("the token was issued to another client")]
    WrongClient,
    /// The issuer publishes no such key.
    #[error("the issuer has no key of the name that the token gives")]
    UnknownKey,
    /// The token names none, or one of a name that several have.
    #[error("it is not clear by which key of the issuer the token is signed")]
    AmbiguousKey,
    /// The key is of another type, or for another algorithm.
    #[error("the issuer's key is not for the algorithm that the token names")]
    KeyMismatch,
    /// The key must not be relied upon.
    #[error("the issuer's key cannot be used: {0}")]
    UnusableKey(&'static str),
    /// Forged, changed, or signed by somebody else.
    #[error("the signature is wrong")]
    Signature,
    /// `exp`.
    #[error("the token has expired")]
    Expired,
    /// `nbf`.
    #[error("the token is not yet valid")]
    NotYetValid,
    /// `iat`.
    #[error("the token was issued in the future")]
    FromTheFuture,
    /// Not of this attempt to sign in.
    #[error("the nonce of the token is not the one of this attempt")]
    Nonce,
    /// The access token that came along is another.
    #[error("the token does not belong to the access token that came along")]
    AccessTokenHash,
    /// No keys that are fresh enough, and the issuer does not give any.
    #[error("the issuer's keys cannot be had: {0}")]
    Unavailable(String),
}
