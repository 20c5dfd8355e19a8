//! The copy by which completion promotes an upload. It is asked for through
//! the port, as completion asks for it.

use crate::objects::{ContentType, CopyError, ETag, ObjectFacts, ObjectKey, SMALLEST_PART};

use super::{
    super::{Probing, constraints::Copied, request::Sent},
    BYTES, OTHERS, Seen,
};

pub(super) async fn try_out(probing: &Probing<'_>, probe: Copied) -> Result<Seen, String> {
    match probe {
        Copied::Stale => stale(probing).await,
        Copied::Checksum => checksum(probing).await,
    }
}

/// A copy pinned to bytes that were replaced meanwhile.
async fn stale(probing: &Probing<'_>) -> Result<Seen, String> {
    let (from, to) = (probing.key(), probing.key());
    let put = async |bytes: &'static [u8]| {
        let stored = probing.storage.put(&from, &ContentType::unknown(), bytes.into()).await;
        stored.map_err(|fault| fault.to_string())
    };
    let looked_at = put(BYTES).await?;
    put(OTHERS).await?;
    let fault = match copied(probing, &from, &looked_at.etag, &to).await {
        Err(CopyError::Changed) => None,
        Err(CopyError::Unavailable(fault)) => Some(fault.to_string()),
        Ok(_) => return Ok(Seen { status: None, done: true }),
    };
    let done = probing.is_stored(&to).await?;
    match fault {
        Some(fault) if !done => Err(fault),
        _ => Ok(Seen { status: None, done }),
    }
}

/// Whether the storage knows the SHA-256 of a copy whose source came without one.
async fn checksum(probing: &Probing<'_>) -> Result<Seen, String> {
    let source = probing.contract(BYTES, false);
    let signed = probing.storage.sign_put(&source, probing.clock.now()).await.map_err(|fault| fault.to_string())?;
    let answer = probing.send(Sent::of(&signed, BYTES)).await?;
    let arrived = probing.storage.head(&source.key).await.map_err(|fault| fault.to_string())?;
    let arrived = arrived.ok_or_else(|| format!("the agreed upload before it was answered with {}", answer.status))?;
    let to = probing.key();
    match copied(probing, &source.key, &arrived.etag, &to).await {
        Ok(facts) => Ok(Seen { status: None, done: facts.checksum.is_none() }),
        Err(_) if probing.is_stored(&to).await? => Ok(Seen { status: None, done: true }),
        Err(fault) => Err(fault.to_string()),
    }
}

async fn copied(
    probing: &Probing<'_>,
    from: &ObjectKey,
    pinned: &ETag,
    to: &ObjectKey,
) -> Result<ObjectFacts, CopyError> {
    probing.storage.copy(from, pinned, to, &ContentType::unknown(), SMALLEST_PART).await
}
