//! Signed forms, bent.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::objects::{SignedRequest, UploadContract};

use super::{
    super::{
        Probing,
        constraints::Form,
        diagnosis,
        request::{Sent, tampered},
    },
    BYTES, OTHERS, Seen,
};

/// The fields that vouch for a form.
const VOUCHERS: [&str; 6] =
    ["policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature"];

/// The agreed form, which must succeed before a refusal means anything.
pub(in crate::doctor) async fn agreed(probing: &Probing<'_>) -> Result<(), String> {
    let contract = probing.contract(BYTES, true);
    let signed = signed(probing, &contract).await?;
    let answer = probing.send(Sent::form(&signed, BYTES)).await?;
    match answer.status {
        200..300 if probing.is_stored(&contract.key).await? => Ok(()),
        200..300 => Err("it was answered as done, and nothing is stored".into()),
        _ => Err(diagnosis::of(&answer, probing.clock.now())),
    }
}

pub(super) async fn try_out(probing: &Probing<'_>, probe: Form) -> Result<Seen, String> {
    let declared = !matches!(probe, Form::Longer | Form::Shorter | Form::AlteredPolicy);
    let contract = probing.contract(BYTES, declared);
    let key = &contract.key;
    let mut form = signed(probing, &contract).await?;
    match probe {
        Form::Longer => probing.upload(Sent::form(&form, &[BYTES, b"!"].concat()), key).await,
        Form::Shorter => probing.upload(Sent::form(&form, &BYTES[1..]), key).await,
        Form::OtherBytes => probing.upload(Sent::form(&form, OTHERS), key).await,
        Form::OtherType => {
            set(&mut form, "Content-Type", "text/html".into());
            probing.upload(Sent::form(&form, BYTES), key).await
        }
        Form::OtherKey => {
            let other = probing.key();
            set(&mut form, "key", other.as_str().into());
            probing.upload(Sent::form(&form, BYTES), &other).await
        }
        Form::ExtraField => {
            set(&mut form, "x-amz-meta-extra", "1".into());
            probing.upload(Sent::form(&form, BYTES), key).await
        }
        Form::AlteredPolicy => {
            // It now allows what is sent: only its signature can betray it.
            match form.fields.get("policy").map(|policy| longer(policy)).transpose()? {
                Some(policy) => set(&mut form, "policy", policy),
                None => form.url = tampered(&form.url),
            }
            probing.upload(Sent::form(&form, &[BYTES, b"!"].concat()), key).await
        }
        Form::Forged => {
            if form.fields.contains_key("x-amz-signature") {
                let forged: [u8; 32] = probing.entropy.bytes();
                set(&mut form, "x-amz-signature", base16ct::lower::encode_string(&forged));
            } else {
                form.url = tampered(&form.url);
            }
            probing.upload(Sent::form(&form, BYTES), key).await
        }
        Form::Unsigned => {
            if form.fields.contains_key("policy") {
                form.fields.retain(|name, _| !VOUCHERS.contains(&name.as_str()));
            } else {
                form.url = probing.unsigned(&form.url, key);
            }
            probing.upload(Sent::form(&form, BYTES), key).await
        }
        Form::Expired => {
            let (begin, end) = probing.long_ago();
            let contract = UploadContract { expires_at: end, ..contract.clone() };
            let signed = probing.storage.sign_post(&contract, begin).await.map_err(|fault| fault.to_string())?;
            probing.upload(Sent::form(&signed, BYTES), key).await
        }
    }
}

async fn signed(probing: &Probing<'_>, contract: &UploadContract) -> Result<SignedRequest, String> {
    let signed = probing.storage.sign_post(contract, probing.clock.now()).await;
    signed.map_err(|fault| fault.to_string())
}

fn set(form: &mut SignedRequest, name: &str, value: String) {
    form.fields.insert(name.to_owned(), value);
}

/// The policy, allowing a longer file.
fn longer(policy: &str) -> Result<String, String> {
    let fault = || "the policy is not one that can be altered".to_owned();
    let document = STANDARD.decode(policy).map_err(|_| fault())?;
    let mut document: Value = serde_json::from_slice(&document).map_err(|_| fault())?;
    let conditions = document.get_mut("conditions").and_then(Value::as_array_mut).ok_or_else(fault)?;
    let is_range = |condition: &&mut Value| condition.get(0).is_some_and(|name| name == "content-length-range");
    let range = conditions.iter_mut().find(is_range).ok_or_else(fault)?;
    *range.get_mut(2).ok_or_else(fault)? = Value::from(BYTES.len() + 1);
    Ok(STANDARD.encode(document.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_policy_allows_one_byte_more_and_nothing_else() {
        let policy = r#"{"expiration": "x", "conditions": [{"key": "a"}, ["content-length-range", 16, 16]]}"#;
        let altered = STANDARD.decode(longer(&STANDARD.encode(policy)).unwrap()).unwrap();
        let altered: Value = serde_json::from_slice(&altered).unwrap();
        let mut expected: Value = serde_json::from_str(policy).unwrap();
        expected["conditions"][1][2] = 17.into();
        assert_eq!(altered, expected);
        assert!(longer("x").is_err());
    }
}
