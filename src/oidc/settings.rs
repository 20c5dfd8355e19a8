//! What operators say about a provider.

use std::time::Duration;

use crate::{
    crypto::secret::SecretText,
    domain::{identity::Issuer, ids::TenantId},
    outward::Destination,
};

/// How long a provider may take to answer one request, where nothing else is set.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A provider, and what it is trusted with.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// What the operator calls it: part of URLs and logs.
    pub name: String,
    /// What it calls itself.
    pub issuer: Issuer,
    /// Where it is: the same text.
    pub location: Destination,
    /// What it calls our API in access tokens. Without it, it issues no bearer tokens for us.
    pub audience: Option<String>,
    /// As which client we send people there. Without it, nobody signs in there.
    pub client: Option<Client>,
    /// Whose people it vouches for.
    pub tenant: TenantId,
    /// Which authentication context classes (`acr`) count as a second factor.
    pub accepted_acr: Vec<String>,
    /// How long it may take to answer one request.
    pub patience: Duration,
}

/// What we are to a provider.
#[derive(Clone, Debug)]
pub struct Client {
    /// Our name there.
    pub id: String,
    /// Our secret there; a public client has none.
    pub secret: Option<SecretText>,
}
