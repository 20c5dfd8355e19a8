//! Copies of stored objects.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
};

use crate::{
    crypto::data_key::DataKey,
    entropy::Entropy,
    objects::{ContentType, ETag, ObjectFacts, ObjectKey},
};

use super::{PIECE, files::Files, receive::Writing};

/// Copies by a second name for the same file, which costs nothing; where that
/// cannot be, or under another type, by its bytes. Both are of one owner. Nothing when the
/// source is not what was pinned.
pub(super) fn copy(
    files: &Files,
    owner: Option<&DataKey>,
    entropy: Arc<dyn Entropy>,
    from: &ObjectKey,
    pinned: &ETag,
    to: &ObjectKey,
    content_type: &ContentType,
) -> io::Result<Option<ObjectFacts>> {
    let Some((source, link)) = files.find_linked(from, owner, entropy.as_ref())? else {
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
    let mut writing = Writing::begin(files, owner, entropy)?;
    let mut at = 0;
    while at < source.facts.size {
        let piece = source.at_rest.read(&source.file, at..source.facts.size, source.facts.size, PIECE)?;
        writing.append(&piece)?;
        at += piece.len() as u64;
    }
    let written = writing.finish(content_type)?;
    if written.facts.etag != *pinned {
        return Err(io::Error::new(ErrorKind::InvalidData, "the bytes of an object are damaged"));
    }
    files.publish(written.temporary, to)?;
    Ok(Some(written.facts))
}
