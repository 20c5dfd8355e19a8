//! What API keys and users have in common over HTTP.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        instant::Instant,
        lifetime,
        metadata::Metadata,
        permission::{Grants, PathGrant, Role},
        principal::{Changes, Principal, Status},
        quota::Limits,
        tenant::{Generation, Mode},
    },
    service::principals::ChangePrincipal,
};

use super::{
    administration::{LimitsView, UsageView},
    problem::Problem,
    render,
};

/// The most path grants of one principal.
const MOST_GRANTS: usize = 100;

/// A permission on a path.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantView {
    /// The path: a file, a folder ending in `/`, or `/` for everything.
    #[schema(example = "docs/")]
    pub path: String,
    /// `read`, `write` or `admin`.
    #[schema(example = "read")]
    pub permission: String,
}

/// What whoever may call may do, and how long.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrincipalView {
    /// Its id.
    pub id: String,
    /// `active`, `expired`, `revoked`, or `cut_off` with everything that the tenant had.
    pub status: &'static str,
    /// Whether it works in the real namespace, or in the one for trying out.
    pub livemode: bool,
    /// Your own name for it.
    pub label: Option<String>,
    /// Words of your own that go with it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub metadata: Metadata,
    /// `viewer` looks and downloads, `member` also makes shares, links, file requests and uploads, `admin` does
    /// everything.
    #[schema(value_type = String)]
    pub role: Role,
    /// Where it may do what.
    #[schema(value_type = Vec<GrantView>)]
    pub grants: Vec<PathGrant>,
    /// Whether it may also administer tenants.
    pub operator: bool,
    /// The largest upload it may declare, in bytes.
    pub largest_upload: Option<u64>,
    /// How much may be kept of what comes by it.
    #[schema(value_type = LimitsView)]
    pub quota: Limits,
    /// When inspected, and it has a quota: how much of it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageView>,
    /// When it was created (RFC 3339).
    pub created_at: String,
    /// When listed or inspected, and it ever called: in which hour it last did, as the beginning of that (RFC 3339). Up
    /// to ten minutes late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// When it ends (RFC 3339).
    pub expires_at: Option<String>,
    /// When it was revoked (RFC 3339).
    pub revoked_at: Option<String>,
    /// Whether what it had minted was left alive then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keeps_minted: bool,
}

impl PrincipalView {
    /// What an administrator of a tenant with this generation sees.
    pub(super) fn new(who: Principal, usage: Option<UsageView>, tenant: Generation, now: Instant) -> Self {
        let status = match who.status(tenant, now) {
            Status::Active => "active",
            Status::Expired => "expired",
            Status::Revoked => "revoked",
            Status::CutOff => "cut_off",
        };
        Self {
            id: who.id.to_string(),
            status,
            livemode: who.namespace.mode == Mode::Live,
            label: who.label,
            metadata: who.metadata,
            role: who.role,
            grants: who.grants.0,
            operator: who.operator,
            largest_upload: who.largest_upload,
            quota: who.quota,
            usage,
            created_at: who.created_at.to_string(),
            last_used_at: None,
            expires_at: who.expires_at.map(|at| at.to_string()),
            revoked_at: who.ended.map(|end| end.at.to_string()),
            keeps_minted: who.ended.is_some_and(|end| end.keeps_minted),
        }
    }
}

impl PrincipalView {
    /// The view with the hour of its last use.
    pub(super) fn last_used(self, at: Option<Instant>) -> Self {
        Self { last_used_at: at.map(|at| at.to_string()), ..self }
    }
}

/// What is to change; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// Your own name for it; null for none.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<String>)]
    pub label: Option<Option<String>>,
    /// `viewer`, `member` or `admin`.
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// Where it may do what: all of it, not only what is new.
    #[schema(value_type = Option<Vec<GrantView>>)]
    pub grants: Option<Vec<PathGrant>>,
    /// The largest upload it may declare, in bytes; null for the deployment's.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<u64>)]
    pub largest_upload: Option<Option<u64>>,
    /// For how many seconds from now it lives on.
    pub expires_in: Option<u64>,
    /// Instead of `expires_in`: until when (RFC 3339); null for until it is revoked.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Option<Instant>>,
}

impl ChangeBody {
    pub(super) fn parse(self, now: Instant) -> Result<ChangePrincipal, Problem> {
        let expires_at = match (self.expires_in, self.expires_at) {
            (None, None) => None,
            (None, Some(None)) => Some(None),
            (span, end) => Some(Some(render::ends_at(&lifetime::API_KEY, span, end.flatten(), now)?)),
        };
        let others = Changes {
            label: self.label.map(render::label).transpose()?,
            rights: None,
            expires_at,
            largest_upload: self.largest_upload,
        };
        Ok(ChangePrincipal { role: self.role, grants: self.grants.map(grants).transpose()?, others })
    }
}

/// When a new principal ends, if ever.
pub(super) fn ends_at(span: Option<u64>, end: Option<Instant>, now: Instant) -> Result<Option<Instant>, Problem> {
    match (span, end) {
        (None, None) => Ok(None),
        (span, end) => render::ends_at(&lifetime::API_KEY, span, end, now).map(Some),
    }
}

/// 1 to 100 grants.
pub(super) fn grants(grants: Vec<PathGrant>) -> Result<Grants, Problem> {
    if grants.is_empty() || grants.len() > MOST_GRANTS {
        return Err(Problem::invalid("/grants", "there must be 1 to 100 grants"));
    }
    Ok(Grants(grants))
}

/// How something is revoked.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevokeQuery {
    /// Whether what it minted lives on, for its own time. Where a secret may have leaked, it must not.
    #[serde(default)]
    pub keep_minted: bool,
}
