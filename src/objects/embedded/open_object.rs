//! Objects on their way out.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::objects::{ByteRange, ByteStream, ObjectFacts, Unavailable};

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
