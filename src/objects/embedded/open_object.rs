//! Objects on their way out.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::objects::{ByteRange, ByteStream, ObjectFacts};

use super::{PIECE, blocking, files::Opened, header};

/// An object that is open: its facts and its bytes belong together.
pub struct OpenObject(pub(super) Opened);

impl OpenObject {
    /// What it is.
    pub fn facts(&self) -> &ObjectFacts {
        &self.0.facts
    }

    /// Its bytes, or a part of them that lies within its size.
    pub fn stream(self, range: Option<ByteRange>) -> ByteStream {
        let (skipped, wanted) = range.map_or((0, self.0.facts.size), |range| (range.first, range.length()));
        let begin = Some((self.0.file, Some(SeekFrom::Start(header::LENGTH as u64 + skipped)), wanted));
        let pieces = stream::try_unfold(begin, |state| async {
            let Some((file, seek, left)) = state.filter(|(_, _, left)| *left > 0) else {
                return Ok(None);
            };
            let (file, piece) = blocking(move || read_piece(file, seek, left)).await?;
            let left = left - piece.len() as u64;
            Ok(Some((piece, Some((file, None, left)))))
        });
        pieces.boxed()
    }
}

fn read_piece(mut file: File, seek: Option<SeekFrom>, left: u64) -> io::Result<(File, Bytes)> {
    if let Some(position) = seek {
        file.seek(position)?;
    }
    let mut piece = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
    file.read_exact(&mut piece)?;
    Ok((file, piece.into()))
}
