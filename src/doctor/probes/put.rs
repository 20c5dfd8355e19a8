//! Signed PUTs, bent.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::objects::UploadContract;

use super::{
    super::{
        Probing,
        constraints::Put,
        diagnosis,
        request::{Sent, tampered, with_parameter},
    },
    BYTES, OTHERS, Seen, readdressed,
};

/// The agreed upload, which must succeed before a refusal means anything.
pub(in crate::doctor) async fn agreed(probing: &Probing<'_>) -> Result<(), String> {
    let contract = probing.contract(BYTES, true);
    let request = sent(probing, &contract).await?;
    let answer = probing.send(request).await?;
    if !(200..300).contains(&answer.status) {
        return Err(diagnosis::of(&answer, probing.clock.now()));
    }
    let stored = probing.storage.head(&contract.key).await.map_err(|fault| fault.to_string())?;
    match stored {
        Some(facts) if facts.size == contract.size && facts.content_type == contract.content_type => Ok(()),
        Some(_) => Err("it was answered as done, and something else is stored".into()),
        None => {
            Err("it was answered as done, and the broker does not find it: do clients and the broker see the same \
                     bucket?"
                .into())
        }
    }
}

pub(super) async fn try_out(probing: &Probing<'_>, probe: Put) -> Result<Seen, String> {
    // A checksum would betray a body of another length, too.
    let contract = probing.contract(BYTES, !matches!(probe, Put::Longer | Put::Shorter));
    let agreed = sent(probing, &contract).await?;
    let with_body = |body: &[u8]| Sent { body: body.to_vec(), ..agreed.clone() };
    let key = &contract.key;
    match probe {
        Put::Longer => probing.upload(with_body(&[BYTES, b"!"].concat()), key).await,
        Put::Shorter => probing.upload(with_body(&BYTES[1..]), key).await,
        Put::OtherType => probing.upload(agreed.header("content-type", "text/html"), key).await,
        Put::OtherBytes => probing.upload(with_body(OTHERS), key).await,
        Put::OtherChecksum => {
            let other = STANDARD.encode(Sha256::digest(OTHERS));
            probing.upload(with_body(OTHERS).header("x-amz-checksum-sha256", other), key).await
        }
        Put::Tampered => {
            let url = tampered(&agreed.url);
            probing.upload(agreed.url(url), key).await
        }
        Put::Extended => {
            let request = expired(probing, &contract).await?;
            let url = with_parameter(&request.url, "X-Amz-Expires", "604800");
            probing.upload(request.url(url), key).await
        }
        Put::Unsigned => {
            let url = probing.unsigned(&agreed.url, key);
            probing.upload(agreed.url(url), key).await
        }
        Put::Expired => probing.upload(expired(probing, &contract).await?, key).await,
        Put::OtherKey => {
            let other = probing.key();
            let url = readdressed(&agreed.url, key, &other);
            probing.upload(agreed.url(url), &other).await
        }
        Put::Overwrite => {
            probing.stored(&agreed).await?;
            probing.ask(agreed).await
        }
        Put::Header(name, value) => probing.upload(agreed.header(name, value), key).await,
        Put::CopySource => {
            let source = foreign(probing).await?;
            probing.upload(agreed.header("x-amz-copy-source", source), key).await
        }
        Put::Read => {
            probing.stored(&agreed).await?;
            probing.ask(Sent { method: "GET", ..agreed }).await
        }
        Put::Delete => {
            probing.stored(&agreed).await?;
            probing.remove(Sent { method: "DELETE", ..agreed }, key).await
        }
    }
}

/// The request of a contract for [`BYTES`].
async fn sent(probing: &Probing<'_>, contract: &UploadContract) -> Result<Sent, String> {
    let signed = probing.storage.sign_put(contract, probing.clock.now()).await;
    Ok(Sent::of(&signed.map_err(|fault| fault.to_string())?, BYTES))
}

/// A request that was right a minute ago.
async fn expired(probing: &Probing<'_>, contract: &UploadContract) -> Result<Sent, String> {
    let (begin, end) = probing.long_ago();
    let contract = UploadContract { expires_at: end, ..contract.clone() };
    let signed = probing.storage.sign_put(&contract, begin).await.map_err(|fault| fault.to_string())?;
    Ok(Sent::of(&signed, BYTES))
}

/// Stores what is somebody else's, and names it as S3 does: `/bucket/key`, the bucket from the path or from the host.
pub(super) async fn foreign(probing: &Probing<'_>) -> Result<String, String> {
    let contract = probing.contract(OTHERS, true);
    let request = Sent { body: OTHERS.to_vec(), ..sent(probing, &contract).await? };
    probing.stored(&request).await?;
    let key = contract.key.as_str();
    let address = request.url.split_once("://").map_or("", |(_, rest)| rest);
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let bucket = path.split(key).next().unwrap_or_default().trim_matches('/');
    let bucket = if bucket.is_empty() { host.split('.').next().unwrap_or_default() } else { bucket };
    Ok(format!("/{bucket}/{key}"))
}
