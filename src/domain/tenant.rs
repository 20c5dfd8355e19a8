//! Tenants, and the namespaces that keep them and their test data apart.

use serde::{Deserialize, Serialize};

use super::{ids::TenantId, instant::Instant, quota::Limits, removal::Deletion, web_origin::WebOrigin};

/// Whether something is real or made for trying things out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Real.
    Live,
    /// For trying things out; never sees anything live.
    Test,
}

impl Mode {
    /// `live` or `test`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// The walls around everything a caller can reach: one tenant, one mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Namespace {
    /// Whose.
    pub tenant: TenantId,
    /// Real or for trying out.
    pub mode: Mode,
}

/// A random value, compared for equality alone. Drawing another one revokes
/// everything that was made under the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Generation(pub u64);

/// A customer organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// What recipients are told.
    pub name: String,
    /// What everything of this tenant was made under.
    pub generation: Generation,
    /// Nothing of a suspended tenant works.
    pub suspended: bool,
    /// How much each of its namespaces may keep.
    #[serde(default)]
    pub quota: Limits,
    /// From which other sites' pages it may be used by script.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_origins: Vec<WebOrigin>,
    /// That it is to be removed, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// When it was created.
    pub created_at: Instant,
}
