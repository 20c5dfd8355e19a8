//! Where the embedded storage gets the keys of tenants from.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{crypto::data_key::DataKey, domain::ids::TenantId, objects::Unavailable};

/// Knows the data keys of tenants, under which their files are sealed.
#[async_trait]
pub trait DataKeySource: Send + Sync + 'static {
    /// The data key of this tenant.
    ///
    /// # Errors
    /// When there is none that opens, or that cannot be told now.
    async fn data_key(&self, tenant: TenantId) -> Result<Arc<DataKey>, Unavailable>;
}
