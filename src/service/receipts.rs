//! Receipts: made when an upload is completed, kept for good.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    crypto::keyring::KeyState,
    domain::{
        object::VaultFile,
        receipt::{KIND, Receipt, ReceiptText},
        upload::{Declaration, Within},
    },
};

use super::{Broker, Caller, Error};

/// A public key that receipts are verified with.
#[derive(Clone, Debug)]
pub struct PublicReceiptKey {
    /// Its name, as receipts give it.
    pub id: String,
    /// PEM of a SubjectPublicKeyInfo.
    pub public_key: String,
    /// Whether it signs now.
    pub state: KeyState,
}

impl Broker {
    /// The receipt of an upload that has become this file.
    pub(super) fn receipt(&self, declaration: &Declaration, file: &VaultFile) -> Result<Receipt, Error> {
        let namespace = declaration.made.namespace;
        let text = ReceiptText {
            checksum: (&file.checksum).into(),
            completed_at: file.created_at.to_string(),
            content_type: file.content_type.clone(),
            declared_at: declaration.created_at.to_string(),
            deployment: base16ct::lower::encode_string(&self.keyring.deployment().0),
            mode: namespace.mode,
            path: declared_path(declaration),
            size: file.size,
            tenant: namespace.tenant,
            kind: KIND,
            upload: declaration.id,
            uploader: uploader(declaration),
        };
        let payload = serde_json::to_vec(&text).map_err(|fault| Error::Internal(fault.to_string()))?;
        let key = self.keyring.receipt_key(namespace.tenant);
        Ok(Receipt {
            signature: STANDARD.encode(key.sign(&payload)),
            payload: STANDARD.encode(payload),
            key_id: key.kid.to_string(),
        })
    }

    /// The keys that the caller's tenant's receipts are verified with. Public.
    pub fn receipt_keys(&self, caller: &Caller) -> Vec<PublicReceiptKey> {
        let keys = self.keyring.receipt_keys(caller.namespace().tenant);
        let public = keys.iter().map(|key| PublicReceiptKey {
            id: key.kid.to_string(),
            public_key: key.public_key(),
            state: key.state,
        });
        public.collect()
    }
}

/// The path as whoever delivers knows it: an outsider is not told of the folders above.
fn declared_path(declaration: &Declaration) -> String {
    let path = declaration.path.as_str();
    match &declaration.within {
        Some(Within::Submission { folder, .. }) => path.strip_prefix(folder.as_str()).unwrap_or(path).to_owned(),
        _ => path.to_owned(),
    }
}

/// Whoever declared the upload, not whoever completed it.
fn uploader(declaration: &Declaration) -> String {
    match &declaration.within {
        Some(Within::Session { share, .. }) => share.to_string(),
        Some(Within::Submission { request, .. }) => request.to_string(),
        None => declaration.made.minter.to_string(),
    }
}
