//! Signed GETs, bent.

use crate::objects::{ContentType, Disposition, DownloadContract, ObjectKey, SignedRequest};

use super::{
    super::{
        LIFE, Probing,
        constraints::Get,
        diagnosis,
        request::{Sent, tampered, with_parameter},
    },
    BYTES, Seen, readdressed,
};

/// The agreed download, which must succeed before a refusal means anything.
pub(in crate::doctor) async fn agreed(probing: &Probing<'_>) -> Result<(), String> {
    let key = stored(probing).await?;
    let answer = probing.send(Sent::of(&signed(probing, &key).await?, b"")).await?;
    if answer.status != 200 {
        return Err(diagnosis::of(&answer, probing.clock.now()));
    }
    if answer.body == BYTES { Ok(()) } else { Err("it was answered with other bytes than were stored".into()) }
}

pub(super) async fn try_out(probing: &Probing<'_>, probe: Get) -> Result<Seen, String> {
    let key = stored(probing).await?;
    let agreed = Sent::of(&signed(probing, &key).await?, b"");
    match probe {
        Get::Tampered => {
            let url = tampered(&agreed.url);
            probing.ask(agreed.url(url)).await
        }
        Get::OtherAnswer => {
            // Where the answer is sealed inside, the token is what can be altered.
            let url = match agreed.url.contains('?') {
                true => with_parameter(&agreed.url, "response-content-type", "text%2Fhtml"),
                false => agreed.url.replacen("/o/", "/o/A", 1),
            };
            probing.ask(agreed.url(url)).await
        }
        Get::Extended => {
            let request = expired(probing, &key).await?;
            let url = with_parameter(&request.url, "X-Amz-Expires", "604800");
            probing.ask(request.url(url)).await
        }
        Get::Unsigned => {
            let url = probing.unsigned(&agreed.url, &key);
            probing.ask(agreed.url(url)).await
        }
        Get::Expired => {
            let request = expired(probing, &key).await?;
            probing.ask(request).await
        }
        Get::OtherKey => {
            let other = stored(probing).await?;
            let url = readdressed(&agreed.url, &key, &other);
            probing.ask(agreed.url(url)).await
        }
        Get::Delete => probing.remove(Sent { method: "DELETE", ..agreed }, &key).await,
    }
}

fn contract(probing: &Probing<'_>, key: &ObjectKey) -> DownloadContract {
    DownloadContract {
        key: key.clone(),
        content_type: ContentType::unknown(),
        disposition: Disposition::Attachment { file_name: "probe".into() },
        sha256: None,
        expires_at: probing.clock.now().plus(LIFE),
    }
}

async fn signed(probing: &Probing<'_>, key: &ObjectKey) -> Result<SignedRequest, String> {
    let signed = probing.storage.sign_get(&contract(probing, key), probing.clock.now()).await;
    signed.map_err(|fault| fault.to_string())
}

/// A request that was right a minute ago.
async fn expired(probing: &Probing<'_>, key: &ObjectKey) -> Result<Sent, String> {
    let (begin, end) = probing.long_ago();
    let contract = DownloadContract { expires_at: end, ..contract(probing, key) };
    let signed = probing.storage.sign_get(&contract, begin).await.map_err(|fault| fault.to_string())?;
    Ok(Sent::of(&signed, b""))
}

/// Stores an object as the broker itself does.
async fn stored(probing: &Probing<'_>) -> Result<ObjectKey, String> {
    let key = probing.key();
    let stored = probing.storage.put(&key, &ContentType::unknown(), BYTES.into()).await;
    stored.map_err(|fault| fault.to_string())?;
    Ok(key)
}
