//! Copies of stored objects.

use std::io::{self, ErrorKind, Read};

use crate::{
    entropy::Entropy,
    objects::{ContentType, ETag, ObjectFacts, ObjectKey},
};

use super::{PIECE, files::Files, receive::Writing};

/// Copies by a second name for the same file, which costs nothing; where that
/// cannot be, or under another type, by its bytes. Nothing when the source is
/// not what was pinned.
pub(super) fn copy(
    files: &Files,
    entropy: &dyn Entropy,
    from: &ObjectKey,
    pinned: &ETag,
    to: &ObjectKey,
    content_type: &ContentType,
) -> io::Result<Option<ObjectFacts>> {
    let Some((mut source, link)) = files.find_linked(from, entropy)? else {
        return Ok(None);
    };
    if source.facts.etag != *pinned {
        return Ok(None);
    }
    if let Some(link) = link
        && source.facts.content_type == *content_type
    {
        files.publish(link, to)?;
        return Ok(Some(source.facts));
    }
    let mut writing = Writing::begin(files, entropy)?;
    let mut piece = vec![0; PIECE];
    loop {
        match source.file.read(&mut piece)? {
            0 => break,
            read => writing.append(&piece[..read])?,
        }
    }
    let written = writing.finish(content_type)?;
    if written.facts.etag != *pinned {
        return Err(io::Error::new(ErrorKind::InvalidData, "the bytes of an object are damaged"));
    }
    files.publish(written.temporary, to)?;
    Ok(Some(written.facts))
}
