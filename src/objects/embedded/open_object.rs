//! Objects on their way out.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::objects::{ByteRange, ByteStream, Checksum, ObjectFacts, Unavailable};

use super::{PIECE, blocking, files::Opened};

/// An object that is open: its facts and its bytes belong together.
pub struct OpenObject {
    pub(super) opened: Opened,
    /// Where it lies, for the operator who has to mend it.
    pub(super) place: String,
}

impl OpenObject {
    /// What it is.
    pub fn facts(&self) -> &ObjectFacts {
        &self.opened.facts
    }

    /// That these are the bytes that are to lie there, and not another object's, which a disk or somebody has put in their place.
    ///
    /// # Errors
    /// When they are others.
    pub fn hold_to(&self, sha256: Option<[u8; 32]>) -> Result<(), Unavailable> {
        match sha256 {
            Some(sha256) if self.facts().checksum != Some(Checksum::Full(sha256)) => {
                Err(Unavailable("embedded object storage: another object lies in its place".into())
                    .of_file(&self.place))
            }
            _ => Ok(()),
        }
    }

    /// Its bytes, or a part of them that lies within its size.
    pub fn stream(self, range: Option<ByteRange>) -> ByteStream {
        let (from, length) = range.map_or((0, self.opened.facts.size), |range| (range.first, range.length()));
        let place = self.place;
        let pieces = stream::try_unfold((self.opened, from..from + length), |(opened, left)| async move {
            if left.is_empty() {
                return Ok(None);
            }
            let wanted = left.clone();
            let read = move || Ok((opened.at_rest.read(&opened.file, wanted, opened.facts.size, PIECE)?, opened));
            let (piece, opened) = blocking(read).await?;
            let left = left.start + piece.len() as u64..left.end;
            Ok(Some((Bytes::from(piece), (opened, left))))
        });
        pieces.map_err(move |fault: Unavailable| fault.of_file(&place)).boxed()
    }
}
