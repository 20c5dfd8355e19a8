//! Tenants over HTTP, for operators.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{quota::Limits, tenant::Tenant, text},
    service::{Broker, tenants::CreatedTenant},
};

use super::{
    administration::LimitsView,
    api_keys::CreatedView as CreatedKeyView,
    extract::Authenticated,
    idempotency::{Creating, IdempotencyHeader, created},
    problem::{Problem, ProblemDocument},
    render::{Listing, PageQuery},
};

/// What a tenant is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    /// Its name, as recipients of its links read it.
    pub name: String,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantView {
    /// Its id.
    pub id: String,
    /// `active` or `suspended`.
    pub status: &'static str,
    /// Its name.
    pub name: String,
    /// How much each of its namespaces may keep.
    #[schema(value_type = LimitsView)]
    pub quota: Limits,
    /// When it was created (RFC 3339).
    pub created_at: String,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self {
            id: tenant.id.to_string(),
            status: if tenant.suspended { "suspended" } else { "active" },
            name: tenant.name,
            quota: tenant.quota,
            created_at: tenant.created_at.to_string(),
        }
    }
}

/// A tenant just created.
#[derive(Serialize, ToSchema)]
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
