//! Why the embedded storage turned a signed request down.

use crate::objects::Unavailable;

/// Why a signed request was turned down.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// Not our URL, not for this method, or no longer. It deliberately does not say which.
    #[error("this URL is not valid, or no longer")]
    NotSigned,
    /// There is no length, so that nothing can be held to it.
    #[error("the request must state its length")]
    NoLength,
    /// More bytes than agreed, or fewer.
    #[error("the size differs from what was agreed")]
    Size,
    /// A header or form field is missing, differs from what was agreed, or was not agreed.
    #[error("{0} differs from what was agreed")]
    Differs(
        /// Which one, in words of our own.
        &'static str,
    ),
    /// Bytes with another SHA-256 than declared.
    #[error("the SHA-256 differs from what was declared")]
    Checksum,
    /// The key is taken: the URL was used before.
    #[error("this was uploaded before")]
    Taken,
    /// No well-formed form, or the connection broke off.
    #[error("the request is malformed or incomplete")]
    Broken,
    /// Nothing came for too long.
    #[error("the request took too long")]
    TooSlow,
    /// There is no such object.
    #[error("there is no such object")]
    Missing,
    /// Our own fault.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
