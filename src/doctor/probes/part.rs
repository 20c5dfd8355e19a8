//! Signed PUTs of parts, bent, and completions that name other parts. What came of
//! them is asked through the port, as completion asks.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::objects::{CompleteError, PartContract, SMALLEST_PART, StoredPart};

use super::{
    super::{
        LIFE, Probing, caught,
        constraints::Part,
        diagnosis,
        request::{Sent, parameter, tampered, with_parameter},
    },
    BYTES, OTHERS, Seen,
    put::foreign,
};

/// What says in a query which part it is, and of which upload.
const NUMBER: &str = "partNumber";
const UPLOAD: &str = "uploadId";

/// The agreed part, with and without a checksum of its own, and its completion, which
/// must succeed before a refusal means anything.
pub(in crate::doctor) async fn agreed(probing: &Probing<'_>) -> Result<(), String> {
    // Each to its end, as all that is under way together.
    let (plain, declared) = tokio::join!(caught(agreed_part(probing, false)), caught(agreed_part(probing, true)));
    plain.and(declared)
}

async fn agreed_part(probing: &Probing<'_>, declared: bool) -> Result<(), String> {
    let contract = begun(probing, declared).await?;
    let answer = probing.send(sent(probing, &contract).await?).await?;
    if !(200..300).contains(&answer.status) {
        return Err(diagnosis::of(&answer, probing.clock.now()));
    }
    let arrived = arrived(probing, &contract).await?;
    if !matches!(&arrived[..], [part] if part.number == contract.number && part.size == contract.size) {
        return Err("a part was answered as done, and the broker does not find it".into());
    }
    complete(probing, &contract, &arrived).await.map_err(|fault| format!("completing it fails: {fault}"))?;
    let stored = probing.storage.head(&contract.key).await.map_err(|fault| fault.to_string())?;
    match stored {
        Some(facts) if facts.size == contract.size => Ok(()),
        _ => Err("it was answered as completed, and something else is stored".into()),
    }
}

pub(super) async fn try_out(probing: &Probing<'_>, probe: Part) -> Result<Seen, String> {
    // A checksum would betray a body of another length, too.
    let contract = begun(probing, matches!(probe, Part::OtherBytes | Part::OtherChecksum)).await?;
    let agreed = sent(probing, &contract).await?;
    let with_body = |body: &[u8]| Sent { body: body.to_vec(), ..agreed.clone() };
    match probe {
        Part::Longer => send(probing, with_body(&[BYTES, b"!"].concat()), &contract).await,
        Part::Shorter => send(probing, with_body(&BYTES[1..]), &contract).await,
        Part::OtherBytes => send(probing, with_body(OTHERS), &contract).await,
        Part::OtherChecksum => {
            let other = STANDARD.encode(Sha256::digest(OTHERS));
            send(probing, with_body(OTHERS).header("x-amz-checksum-sha256", other), &contract).await
        }
        Part::Tampered => {
            let url = tampered(&agreed.url);
            send(probing, agreed.url(url), &contract).await
        }
        Part::Extended => {
            let request = expired(probing, &contract).await?;
            let url = with_parameter(&request.url, "X-Amz-Expires", "604800");
            send(probing, request.url(url), &contract).await
        }
        Part::Unsigned => {
            let url = unsigned(probing, &agreed.url, &contract);
            send(probing, agreed.url(url), &contract).await
        }
        Part::Expired => send(probing, expired(probing, &contract).await?, &contract).await,
        Part::OtherNumber => {
            let url = placed(&agreed.url, NUMBER, "2");
            send(probing, agreed.url(url), &contract).await
        }
        Part::OtherUpload => {
            // Of the same key, so that nothing else is wrong.
            let other = PartContract { upload: probing.begin(&contract.key, false).await?, ..contract };
            let theirs = sent(probing, &other).await?.url;
            let id = parameter(&theirs, UPLOAD).unwrap_or(&other.upload.0);
            let url = placed(&agreed.url, UPLOAD, id);
            send(probing, agreed.url(url), &other).await
        }
        Part::CopySource => {
            let source = foreign(probing).await?;
            send(probing, agreed.header("x-amz-copy-source", source), &contract).await
        }
        Part::Header => send(probing, agreed.header("x-amz-meta-extra", "1"), &contract).await,
        Part::Delete => {
            probing.stored(&agreed).await?;
            let answer = probing.send(Sent { method: "DELETE", ..agreed }).await?;
            Ok(Seen { status: Some(answer.status), done: arrived(probing, &contract).await?.is_empty() })
        }
        Part::Aborted => {
            let aborted = probing.storage.abort_multipart(&contract.key, &contract.upload).await;
            aborted.map_err(|fault| fault.to_string())?;
            send(probing, agreed, &contract).await
        }
        Part::Stale => {
            probing.stored(&agreed).await?;
            let looked_at = arrived(probing, &contract).await?;
            probing.stored(&with_body(OTHERS)).await?;
            completed(probing, &contract, &looked_at, |_| true).await
        }
        Part::Unnamed => {
            probing.stored(&agreed).await?;
            let named = arrived(probing, &contract).await?;
            let another = PartContract { number: 2, ..contract.clone() };
            probing.stored(&sent(probing, &another).await?).await?;
            // S3 makes an object of those that were named; refusing is as good.
            completed(probing, &contract, &named, |size| size != contract.size).await
        }
    }
}

/// Begins an upload, and agrees on its first part: [`BYTES`].
async fn begun(probing: &Probing<'_>, declared: bool) -> Result<PartContract, String> {
    let key = probing.key();
    let upload = probing.begin(&key, declared).await?;
    Ok(PartContract {
        key,
        upload,
        number: 1,
        part_size: SMALLEST_PART,
        size: BYTES.len() as u64,
        sha256: declared.then(|| Sha256::digest(BYTES).into()),
        expires_at: probing.clock.now().plus(LIFE),
    })
}

/// The request of a contract for [`BYTES`].
async fn sent(probing: &Probing<'_>, contract: &PartContract) -> Result<Sent, String> {
    let signed = probing.storage.sign_part(contract, probing.clock.now()).await;
    Ok(Sent::of(&signed.map_err(|fault| fault.to_string())?, BYTES))
}

/// A request that was right a minute ago.
async fn expired(probing: &Probing<'_>, contract: &PartContract) -> Result<Sent, String> {
    let (begin, end) = probing.long_ago();
    let contract = PartContract { expires_at: end, ..contract.clone() };
    let signed = probing.storage.sign_part(&contract, begin).await.map_err(|fault| fault.to_string())?;
    Ok(Sent::of(&signed, BYTES))
}

/// Sends what should leave the upload without a part.
async fn send(probing: &Probing<'_>, request: Sent, contract: &PartContract) -> Result<Seen, String> {
    let answer = probing.send(request).await?;
    // Where the query is not looked at, a part is an object.
    let (is_object, arrived) = tokio::join!(probing.is_stored(&contract.key), arrived(probing, contract));
    let is_object = is_object?;
    if !is_object {
        probing.forget(&contract.key);
    }
    Ok(Seen { status: Some(answer.status), done: is_object || !arrived?.is_empty() })
}

/// The parts that have arrived; none of an upload that is over.
async fn arrived(probing: &Probing<'_>, contract: &PartContract) -> Result<Vec<StoredPart>, String> {
    let parts = probing.storage.parts(&contract.key, &contract.upload).await;
    Ok(parts.map_err(|fault| fault.to_string())?.unwrap_or_default())
}

async fn complete(probing: &Probing<'_>, contract: &PartContract, named: &[StoredPart]) -> Result<(), CompleteError> {
    probing.storage.complete_multipart(&contract.key, &contract.upload, named).await
}

/// Completes it with these parts, which should make no object of a size that is wrong.
async fn completed(
    probing: &Probing<'_>,
    contract: &PartContract,
    named: &[StoredPart],
    is_wrong: impl FnOnce(u64) -> bool,
) -> Result<Seen, String> {
    let outcome = complete(probing, contract, named).await;
    let stored = probing.storage.head(&contract.key).await.map_err(|fault| fault.to_string())?;
    let done = match &stored {
        Some(facts) => is_wrong(facts.size),
        None => {
            probing.forget(&contract.key);
            false
        }
    };
    match outcome {
        Err(CompleteError::Unavailable(fault)) if !done => Err(fault.to_string()),
        Ok(()) if stored.is_none() => Err("it was answered as completed, and nothing is stored".into()),
        _ => Ok(Seen { status: None, done }),
    }
}

/// The URL for another place. Where the place is sealed inside, all that a stranger can do is to add one.
fn placed(url: &str, name: &str, value: &str) -> String {
    match parameter(url, name) {
        Some(_) => with_parameter(url, name, value),
        None => format!("{url}/{value}"),
    }
}

/// The address of the part, without anything that vouches for the request.
fn unsigned(probing: &Probing<'_>, url: &str, contract: &PartContract) -> String {
    // As the URL spells it; where it has none, it needs no spelling.
    let upload = parameter(url, UPLOAD).unwrap_or(&contract.upload.0);
    let address = probing.unsigned(url, &contract.key);
    format!("{address}?{NUMBER}={}&{UPLOAD}={upload}", contract.number)
}
