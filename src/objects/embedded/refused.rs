//! Why the embedded storage turned a signed request down.

use std::io::{self, ErrorKind};

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
    /// The upload in parts is completed or aborted.
    #[error("this upload has ended")]
    Ended,
    /// Somebody else sends the same part at this moment, too many others do, or somebody tries to end the upload.
    #[error("this part or too many others are being sent, or their upload ended, at this moment: try again")]
    Busy,
    /// The disk is full, or what may be used of it.
    #[error("the storage is full")]
    Full,
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

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full,
            _ => Self::Unavailable(Unavailable(format!("embedded object storage: {error}"))),
        }
    }
}

/// Runs what takes bytes from a client where it may block.
pub(super) async fn receiving<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let lost = |_| Unavailable("embedded object storage: a task was lost".into());
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        for (number, is_full) in [(28, true), (122, true), (27, true), (5, false), (30, false)] {
            let refused = Refused::from(io::Error::from_raw_os_error(number));
            assert_eq!(matches!(refused, Refused::Full), is_full, "{refused}");
        }
    }
}
