//! API keys: the principals of this release.

use serde::{Deserialize, Serialize};

use super::{
    ids::ApiKeyId,
    instant::Instant,
    metadata::Metadata,
    permission::Grants,
    quota::Limits,
    refusal::Refusal,
    tenant::{Generation, Namespace, Tenant},
};

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The walls around all it can reach.
    pub namespace: Namespace,
    /// The owner's name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// The prefix and the first characters of the secret.
    pub preview: String,
    /// What it may do.
    pub grants: Grants,
    /// Whether it may also create tenants.
    pub operator: bool,
    /// The tenant's generation when the key was created.
    pub tenant_generation: Generation,
    /// What everything minted with it was made under.
    pub generation: Generation,
    /// The largest upload it may declare, in bytes, where that is less than
    /// the deployment allows.
    pub largest_upload: Option<u64>,
    /// How much may be kept of what comes by it.
    #[serde(default)]
    pub quota: Limits,
    /// When it was created.
    pub created_at: Instant,
    /// When it ends, if ever.
    pub expires_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
}

impl ApiKey {
    /// Whether it may be used at all.
    ///
    /// # Errors
    /// The real reason why not.
    pub fn stands(&self, tenant: &Tenant, now: Instant) -> Result<(), Refusal> {
        if tenant.suspended {
            return Err(Refusal::TenantSuspended);
        }
        if tenant.id != self.namespace.tenant || tenant.generation != self.tenant_generation {
            return Err(Refusal::GenerationChanged);
        }
        let expired = self.expires_at.is_some_and(|end| now >= end);
        if expired || self.revoked_at.is_some() { Err(Refusal::MinterEnded) } else { Ok(()) }
    }

    /// The key after its revocation; none if it already is revoked.
    pub fn revoke(&self, now: Instant) -> Option<Self> {
        match self.revoked_at {
            Some(_) => None,
            None => Some(Self { revoked_at: Some(now), ..self.clone() }),
        }
    }
}
