//! AWS KMS: encrypts the data keys of tenants under a key that never leaves it, each bound to its deployment and its tenant.
//!
//! The encryption context is authenticated with the ciphertext and stands in CloudTrail
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html>): what was encrypted for one tenant does not decrypt for
//! another, and a policy can say for whom a role may decrypt. Never here: what is encrypted, or for how long it is remembered.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_config::SdkConfig;
use aws_sdk_kms::{
    Client,
    config::{Builder, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
};
use zeroize::Zeroizing;

use crate::{aws, crypto::keyring::DeploymentId, domain::ids::TenantId};

/// The names of what a ciphertext is bound to; policies in `infra/` have them, too.
const DEPLOYMENT: &str = "cloakroom:deployment";
const TENANT: &str = "cloakroom:tenant";

const ATTEMPTS: u32 = 3;

/// Why KMS did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KmsFault {
    /// It said no, and will say so again: of a key that is disabled or gone, of a ciphertext that is another's or was altered.
    #[error("KMS refuses: {0}")]
    Refused(String),
    /// It does not answer, or cannot now.
    #[error("KMS is away: {0}")]
    Away(String),
}

/// One key of AWS KMS.
pub struct Kms {
    client: Client,
    key: String,
    deployment: DeploymentId,
    faults: AtomicU64,
}

impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kms({})", self.key)
    }
}

impl Kms {
    /// The key with this id, ARN or alias, for this deployment. Asks nobody yet.
    pub fn new(key: &str, deployment: DeploymentId, sdk_config: &SdkConfig) -> Self {
        let config = Builder::from(sdk_config)
            .timeout_config(aws::patience())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .build();
        Self { client: Client::from_conf(config), key: key.to_owned(), deployment, faults: AtomicU64::new(0) }
    }

    /// Which key it is, as it was set.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How often it did not do what was asked.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Whether it encrypts for us, and decrypts again what it did.
    ///
    /// # Errors
    /// When KMS refuses, or is away.
    pub async fn check(&self) -> Result<(), KmsFault> {
        let nobody = TenantId::from_bytes([0; 16]);
        let ciphertext = self.encrypt(nobody, &[0; 32]).await?;
        let plaintext = self.decrypt(nobody, &ciphertext).await?;
        if *plaintext == [0; 32] { Ok(()) } else { Err(KmsFault::Refused("it decrypts to something else".into())) }
    }

    /// Encrypts something short for a tenant.
    ///
    /// # Errors
    /// When KMS refuses, or is away.
    pub async fn encrypt(&self, tenant: TenantId, plaintext: &[u8]) -> Result<Vec<u8>, KmsFault> {
        let request = self.client.encrypt().key_id(&self.key).plaintext(Blob::new(plaintext));
        let request = request
            .encryption_context(DEPLOYMENT, self.deployment.to_string())
            .encryption_context(TENANT, tenant.to_string());
        // Boxed: it is asked for seldom, and large in whatever waits for it.
        let answer = Box::pin(request.send()).await.map_err(|fault| self.fault(&fault))?;
        answer.ciphertext_blob.map(Blob::into_inner).ok_or_else(|| KmsFault::Away("an answer without a text".into()))
    }

    /// Decrypts what was encrypted for this tenant, under whatever key of KMS this process may use.
    ///
    /// # Errors
    /// When KMS refuses, or is away.
    pub async fn decrypt(&self, tenant: TenantId, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, KmsFault> {
        let request = self.client.decrypt().ciphertext_blob(Blob::new(ciphertext));
        let request = request
            .encryption_context(DEPLOYMENT, self.deployment.to_string())
            .encryption_context(TENANT, tenant.to_string());
        let answer = Box::pin(request.send()).await.map_err(|fault| self.fault(&fault))?;
        let plaintext = answer.plaintext.map(|blob| Zeroizing::new(blob.into_inner()));
        plaintext.ok_or_else(|| KmsFault::Away("an answer without a text".into()))
    }

    fn fault<E, R>(&self, fault: &SdkError<E, R>) -> KmsFault
    where
        E: ProvideErrorMetadata,
    {
        self.faults.fetch_add(1, Ordering::Relaxed);
        let text = aws::described(fault);
        if fault.code().is_some_and(is_final) { KmsFault::Refused(text) } else { KmsFault::Away(text) }
    }
}

/// Whether asking again comes to the same, until somebody changes something
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors>).
fn is_final(code: &str) -> bool {
    matches!(
        code,
        "AccessDeniedException"
            | "DisabledException"
            | "IncorrectKeyException"
            | "InvalidCiphertextException"
            | "InvalidGrantTokenException"
            | "InvalidKeyUsageException"
            | "KMSInvalidStateException"
            | "NotFoundException"
            | "ValidationException"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_not_final() {
        let passing =
            ["ThrottlingException", "KMSInternalException", "DependencyTimeoutException", "ExpiredTokenException"];
        assert!(passing.iter().all(|code| !is_final(code)));
        assert!(is_final("DisabledException") && is_final("InvalidCiphertextException"));
    }
}
