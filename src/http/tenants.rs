//! Tenants over HTTP, for operators.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        event::Actor,
        lifetime,
        permission::Role,
        quota::Limits,
        removal::{LAST_LOOK, LedgerEnd, Tombstone},
        tenant::{Mode, Tenant},
        text,
        web_origin::WebOrigin,
    },
    service::{
        Broker,
        api_keys::CreatedApiKey,
        impersonation::Impersonate,
        tenant_deletion::{Grace, SeenTenant},
        tenants::CreatedTenant,
    },
};

use super::{
    administration::LimitsView,
    api_keys::CreatedView as CreatedKeyView,
    extract::{Authenticated, With},
    idempotency::{Creating, IdempotencyHeader, created},
    problem::{Problem, ProblemDocument},
    render::{self, Listing, PageQuery},
};

/// What a tenant is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateTenantBody)]
pub struct CreateBody {
    /// Its name, as recipients of its links read it.
    pub name: String,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantView {
    /// Its id.
    pub id: String,
    /// `active`, `suspended` or `deleting`.
    pub status: &'static str,
    /// Its name.
    pub name: String,
    /// How much each of its namespaces may keep.
    #[schema(value_type = LimitsView)]
    pub quota: Limits,
    /// From which other sites' pages it may be used by script.
    #[schema(value_type = Vec<String>, example = json!(["https://app.example"]))]
    pub allowed_origins: Vec<WebOrigin>,
    /// When it was created (RFC 3339).
    pub created_at: String,
    /// When it is removed, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion: Option<DeletionView>,
}

/// That a tenant is to be removed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TenantDeletionView)]
pub struct DeletionView {
    /// When it was asked for (RFC 3339).
    pub asked_at: String,
    /// When it begins (RFC 3339). Until then it can be called off.
    pub due_at: String,
    /// Who asked for it.
    #[schema(value_type = Object)]
    pub by: Actor,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self {
            id: tenant.id.to_string(),
            status: match (&tenant.deletion, tenant.suspended) {
                (Some(_), _) => "deleting",
                (None, true) => "suspended",
                (None, false) => "active",
            },
            name: tenant.name,
            quota: tenant.quota,
            allowed_origins: tenant.allowed_origins,
            created_at: tenant.created_at.to_string(),
            deletion: tenant.deletion.map(|deletion| DeletionView {
                asked_at: deletion.asked_at.to_string(),
                due_at: deletion.due_at.to_string(),
                by: deletion.by,
            }),
        }
    }
}

/// What remains of a tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RemovedTenantView)]
pub struct RemovedView {
    /// Its id, which no tenant has again.
    pub id: String,
    /// `removing`, and `deleted` once nothing is left.
    pub status: &'static str,
    /// Who asked for it to be removed.
    #[schema(value_type = Object)]
    pub by: Actor,
    /// When they did (RFC 3339).
    pub asked_at: String,
    /// When it began (RFC 3339).
    pub begun_at: String,
    /// Since when nothing is left (RFC 3339).
    pub deleted_at: Option<String>,
    /// When it was, or is, looked once more for what was written meanwhile (RFC 3339).
    pub last_look_at: Option<String>,
    /// Rows that were removed.
    pub rows: u64,
    /// Objects that were removed, each version by itself.
    pub objects: u64,
    /// How its ledgers ended.
    #[schema(value_type = Vec<LedgerEndView>)]
    pub ledgers: Vec<LedgerEnd>,
}

/// How a ledger ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct LedgerEndView {
    /// `live` or `test`.
    pub mode: String,
    /// How many records it had.
    pub size: u64,
    /// The hash of the last of them.
    pub hash: String,
    /// Whether all of it was as it was written.
    pub intact: bool,
    /// The last checkpoint: a signed note.
    pub checkpoint: Option<String>,
    /// What it is verified with.
    pub verifier_key: Option<String>,
}

impl From<Tombstone> for RemovedView {
    fn from(tombstone: Tombstone) -> Self {
        let last_look_at = tombstone.closed_at.or(tombstone.deleted_at.map(|at| at.plus(LAST_LOOK)));
        Self {
            id: tombstone.tenant.to_string(),
            status: if tombstone.deleted_at.is_some() { "deleted" } else { "removing" },
            by: tombstone.by,
            asked_at: tombstone.asked_at.to_string(),
            begun_at: tombstone.begun_at.to_string(),
            deleted_at: tombstone.deleted_at.map(|at| at.to_string()),
            last_look_at: last_look_at.map(|at| at.to_string()),
            rows: tombstone.rows,
            objects: tombstone.objects,
            ledgers: tombstone.ledgers,
        }
    }
}

/// A tenant, or what remains of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = SeenTenantView)]
pub enum SeenView {
    /// It is there, be it for a while.
    There(TenantView),
    /// It is removed, or is being.
    Removed(RemovedView),
}

impl From<SeenTenant> for SeenView {
    fn from(seen: SeenTenant) -> Self {
        match seen {
            SeenTenant::There(tenant) => Self::There((*tenant).into()),
            SeenTenant::Removed(tombstone) => Self::Removed((*tombstone).into()),
        }
    }
}

/// A tenant just created.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedTenantView)]
pub struct CreatedView {
    /// The tenant.
    #[serde(flatten)]
    pub tenant: TenantView,
    /// The key that administers it, its secret shown this once.
    pub admin_key: CreatedKeyView,
}

/// Create a tenant and the key that administers it.
#[utoipa::path(
    post, path = "/v1/tenants", tag = "administration", request_body = CreateBody, params(IdempotencyHeader), security(("api_key" = [])),
    responses((status = 201, body = CreatedView), (status = "4XX", body = ProblemDocument))
)]
pub async fn create(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, CreateBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let view = |created: &CreatedTenant| CreatedView {
        tenant: created.tenant.clone().into(),
        admin_key: CreatedKeyView::new(&created.admin_key, broker.now()),
    };
    created(&broker, &once, view, async |reply| {
        let name = text::label(&body.name).map_err(|fault| Problem::invalid("/name", fault.to_string()))?;
        Ok(broker.create_tenant(&caller, name, reply).await?)
    })
    .await
}

/// List tenants, newest first.
#[utoipa::path(
    get, path = "/v1/tenants", tag = "administration", params(PageQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<TenantView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn list(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.list_tenants(&caller, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, TenantView::from)))
}

/// Inspect a tenant, or what remains of it.
#[utoipa::path(
    get, path = "/v1/tenants/{id}", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The tenant's id")),
    responses((status = 200, body = SeenView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(SeenView::from(broker.see_tenant(&caller, render::id(&id)?).await?)))
}

/// From where a tenant is to be used.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginsBody {
    /// Up to 20 origins as browsers spell them: `https://host` or `https://host:port`, and `http://` on loopback only.
    /// None: only from our own pages.
    #[schema(value_type = Vec<String>, example = json!(["https://app.example"]))]
    pub origins: Vec<WebOrigin>,
}

/// Say from which other sites' pages a tenant may be used by script: from these and no others. For operators, and for
/// the tenant's administrators.
#[utoipa::path(
    put, path = "/v1/tenants/{id}/allowed-origins", tag = "administration", request_body = OriginsBody,
    security(("api_key" = [])), params(("id" = String, Path, description = "The tenant's id")),
    responses((status = 200, body = TenantView), (status = "4XX", body = ProblemDocument))
)]
pub async fn allow_origins(
    With(Authenticated(caller), body): With<Authenticated, OriginsBody>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let tenant = broker.set_allowed_origins(&caller, render::id(&id)?, body.origins).await?;
    Ok(HttpResponse::Ok().json(TenantView::from(tenant)))
}

/// Suspend a tenant: nothing of it works until it is resumed, and nothing is lost.
#[utoipa::path(
    post, path = "/v1/tenants/{id}/suspend", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The tenant's id")),
    responses((status = 200, body = TenantView), (status = "4XX", body = ProblemDocument))
)]
pub async fn suspend(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(TenantView::from(broker.suspend_tenant(&caller, render::id(&id)?, true).await?)))
}

/// Let a suspended tenant work again.
#[utoipa::path(
    post, path = "/v1/tenants/{id}/resume", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The tenant's id")),
    responses((status = 200, body = TenantView), (status = "4XX", body = ProblemDocument))
)]
pub async fn resume(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(TenantView::from(broker.suspend_tenant(&caller, render::id(&id)?, false).await?)))
}

/// When a tenant is to be removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeleteTenantBody)]
pub struct DeleteBody {
    /// `none`: at once, which nobody can call off. Left out: after seven days.
    pub grace: Option<String>,
    /// What the tenant is called: needed where there is no grace.
    pub name: Option<String>,
}

/// Remove a tenant with everything that it has, after seven days or at once. It is suspended from now on.
#[utoipa::path(
    post, path = "/v1/tenants/{id}/delete", tag = "administration", request_body = DeleteBody,
    security(("api_key" = [])), params(("id" = String, Path, description = "The tenant's id")),
    responses((status = 202, body = TenantView), (status = "4XX", body = ProblemDocument))
)]
pub async fn delete(
    With(Authenticated(caller), body): With<Authenticated, DeleteBody>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let grace = match (body.grace.as_deref(), body.name) {
        (None, None) => Grace::Usual,
        (None, Some(_)) => return Err(Problem::invalid("/name", "is said only where grace is \"none\"")),
        (Some("none"), Some(name)) => Grace::None { name },
        (Some("none"), None) => {
            return Err(Problem::invalid("/name", "repeat what the tenant is called: nothing of it can be given back"));
        }
        (Some(_), _) => return Err(Problem::invalid("/grace", "is \"none\", or left out for seven days")),
    };
    let tenant = broker.delete_tenant(&caller, render::id(&id)?, &grace).await?;
    Ok(HttpResponse::Accepted().json(TenantView::from(tenant)))
}

/// Call the removal of a tenant off, before it begins: the tenant is as it was.
#[utoipa::path(
    post, path = "/v1/tenants/{id}/restore", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The tenant's id")),
    responses((status = 200, body = TenantView), (status = "4XX", body = ProblemDocument))
)]
pub async fn restore(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(TenantView::from(broker.restore_tenant(&caller, render::id(&id)?).await?)))
}

/// End everything that was made under a tenant: its keys, its users' access, sessions, shares, links and file requests.
/// The answer has a new key to begin again with.
#[utoipa::path(
    post, path = "/v1/tenants/{id}/cut-off", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The tenant's id")),
    responses((status = 200, body = CreatedView), (status = "4XX", body = ProblemDocument))
)]
pub async fn cut_off(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let created = broker.cut_off_tenant(&caller, render::id(&id)?).await?;
    let admin_key = CreatedKeyView::new(&created.admin_key, broker.now());
    Ok(HttpResponse::Ok().json(CreatedView { tenant: created.tenant.into(), admin_key }))
}

/// As what to act for a tenant, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImpersonateBody {
    /// Why: the tenant reads it.
    pub reason: String,
    /// `viewer`, `member` or `admin`; `viewer` where it is left out.
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// `live` or `test`; `live` where it is left out.
    #[schema(value_type = Option<String>)]
    pub mode: Option<Mode>,
    /// For how many seconds: 60 to 3,600, by default 900.
    pub expires_in: Option<u64>,
}

/// Draw a key to act for a tenant, which sees that, and the reason, and everything that is done with it.
#[utoipa::path(
    post, path = "/v1/tenants/{id}/impersonations", tag = "administration", request_body = ImpersonateBody,
    security(("api_key" = [])), params(("id" = String, Path, description = "The tenant's id"), IdempotencyHeader),
    responses((status = 201, body = CreatedKeyView), (status = "4XX", body = ProblemDocument))
)]
pub async fn impersonate(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, ImpersonateBody>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let view = |key: &CreatedApiKey| CreatedKeyView::new(key, broker.now());
    created(&broker, &once, view, async |reply| {
        let wanted = Impersonate {
            tenant: render::id(&id)?,
            mode: body.mode.unwrap_or(Mode::Live),
            role: body.role.unwrap_or(Role::Viewer),
            reason: text::label(&body.reason).map_err(|fault| Problem::invalid("/reason", fault.to_string()))?,
            expires_at: render::ends_at(&lifetime::IMPERSONATION, body.expires_in, None, broker.now())?,
        };
        Ok(broker.impersonate(&caller, wanted, reply).await?)
    })
    .await
}
