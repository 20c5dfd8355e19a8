//! Usage, quotas, sweeping and reconciling over HTTP.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{quota::Limits, tenant::Mode, upload::Leftover},
    service::{
        Broker,
        reconcile::Difference,
        sweep::{Sweeping, Swept},
        usage::Usage,
    },
};

use super::{
    extract::{Authenticated, With},
    problem::{Problem, ProblemDocument},
    render,
    tenants::TenantView,
};

/// How much may be kept; what is left out, or null, is not limited.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsView {
    /// At most so many bytes.
    #[schema(format = "uint64")]
    pub bytes: Option<u64>,
    /// At most so many files.
    #[schema(format = "uint64")]
    pub objects: Option<u64>,
}

/// How much of something is used.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// Bytes that are kept, or may still arrive.
    pub bytes: u64,
    /// Files that are kept, or may still arrive.
    pub objects: u64,
    /// The limits.
    #[schema(value_type = LimitsView)]
    pub limits: Limits,
}

impl From<Usage> for UsageView {
    fn from(usage: Usage) -> Self {
        Self { bytes: usage.used.bytes, objects: usage.used.objects, limits: usage.limits }
    }
}

/// How much the caller uses.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageReportView {
    /// Whether it is of the real namespace, or of the one for trying out.
    pub livemode: bool,
    /// All of the namespace.
    pub tenant: UsageView,
    /// What came by this API key, where it has a quota.
    pub key: Option<UsageView>,
}

/// How much is used, and how much may be.
#[utoipa::path(
    get, path = "/v1/usage", tag = "administration", security(("api_key" = [])),
    responses((status = 200, body = UsageReportView), (status = "4XX", body = ProblemDocument))
)]
pub async fn usage(Authenticated(caller): Authenticated, broker: web::Data<Broker>) -> Result<HttpResponse, Problem> {
    let report = broker.usage(&caller).await?;
    Ok(HttpResponse::Ok().json(UsageReportView {
        livemode: caller.namespace().mode == Mode::Live,
        tenant: report.tenant.into(),
        key: report.key.map(Into::into),
    }))
}

/// Limit what each namespace of a tenant may keep. For operators.
#[utoipa::path(
    put, path = "/v1/tenants/{id}/quota", tag = "administration", request_body = LimitsView,
    security(("api_key" = [])), params(("id" = String, Path, description = "The tenant's id")),
    responses((status = 200, body = TenantView), (status = "4XX", body = ProblemDocument))
)]
pub async fn set_quota(
    With(Authenticated(caller), limits): With<Authenticated, Limits>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let tenant = broker.set_quota(&caller, render::id(&id)?, limits).await?;
    Ok(HttpResponse::Ok().json(TenantView::from(tenant)))
}

/// What a sweep is to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepBody {
    /// Only say what there would be to do.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was done, or would be, about one upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct SweptView {
    /// Which upload.
    pub upload: String,
    /// Whose.
    pub tenant: String,
    /// Whether it is of the real namespace, or of the one for trying out.
    pub livemode: bool,
    /// `expire`: it was never completed, and ends. `release`: it was called off or rejected, and its room is given
    /// back. `remove_late`: what arrived after it was completed is removed.
    pub action: &'static str,
    /// How many bytes it was declared with.
    pub bytes: u64,
}

impl From<Swept> for SweptView {
    fn from(swept: Swept) -> Self {
        Self {
            upload: swept.upload.to_string(),
            tenant: swept.namespace.tenant.to_string(),
            livemode: swept.namespace.mode == Mode::Live,
            action: match swept.leftover {
                Leftover::Expire => "expire",
                Leftover::Release => "release",
                Leftover::Late => "remove_late",
            },
            bytes: swept.bytes,
        }
    }
}

/// How a sweep went.
#[derive(Debug, Serialize, ToSchema)]
pub struct SweepView {
    /// Whether it only looked.
    pub dry_run: bool,
    /// What was done, or would be.
    pub items: Vec<SweptView>,
    /// How many uploads could not be dealt with now; the next sweep tries again.
    pub failed: usize,
}

/// Deal with abandoned uploads now, which every replica does by itself each minute. For operators.
#[utoipa::path(
    post, path = "/v1/uploads/sweep", tag = "administration", request_body = SweepBody, security(("api_key" = [])),
    responses((status = 200, body = SweepView), (status = "4XX", body = ProblemDocument))
)]
pub async fn sweep(
    With(Authenticated(caller), SweepBody { dry_run }): With<Authenticated, SweepBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let sweeping = if dry_run { Sweeping::DryRun } else { Sweeping::Really };
    let sweep = broker.sweep_uploads(&caller, sweeping).await?;
    let items = sweep.swept.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(SweepView { dry_run, items, failed: sweep.failed.len() }))
}

/// What to do about what differs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReconcileBody {
    /// Only say what differs.
    #[serde(default)]
    pub dry_run: bool,
}

/// What differs between the index of the vault and what is kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DifferenceView {
    /// Stored bytes that no path leads to; they are removed.
    Orphan {
        /// Which.
        object: String,
        /// How many bytes.
        bytes: u64,
    },
    /// A path whose bytes are gone; nothing here can bring them back.
    Missing {
        /// Which path.
        path: String,
        /// Which bytes it leads to.
        object: String,
    },
    /// A count of what is used that was wrong; it is set right.
    Miscounted {
        /// Whose count: `tenant`, or the id of a key or file request.
        scope: String,
        /// Bytes it said.
        counted_bytes: u64,
        /// Bytes there are.
        bytes: u64,
        /// Files it said.
        counted_objects: u64,
        /// Files there are.
        objects: u64,
    },
}

impl From<Difference> for DifferenceView {
    fn from(difference: Difference) -> Self {
        match difference {
            Difference::Orphan { object, bytes } => Self::Orphan { object: object.to_string(), bytes },
            Difference::Missing { path, object } => Self::Missing { path: path.into(), object: object.to_string() },
            Difference::Miscounted { charge, counted, kept } => Self::Miscounted {
                scope: charge.scope.name(),
                counted_bytes: counted.bytes,
                bytes: kept.bytes,
                counted_objects: counted.objects,
                objects: kept.objects,
            },
        }
    }
}

/// How a vault was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReconciliationView {
    /// Whether it only looked.
    pub dry_run: bool,
    /// How many files there are.
    pub files: usize,
    /// What differs, or did.
    pub items: Vec<DifferenceView>,
}

/// Hold your vault's index against what is stored, and its usage against what is kept. For administrators.
#[utoipa::path(
    post, path = "/v1/objects/reconcile", tag = "administration", request_body = ReconcileBody,
    security(("api_key" = [])),
    responses((status = 200, body = ReconciliationView), (status = "4XX", body = ProblemDocument))
)]
pub async fn reconcile(
    With(Authenticated(caller), ReconcileBody { dry_run }): With<Authenticated, ReconcileBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let found = broker.reconcile(&caller, dry_run).await?;
    let items = found.differences.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(ReconciliationView { dry_run, files: found.files, items }))
}
