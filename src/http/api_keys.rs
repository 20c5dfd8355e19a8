//! API keys over HTTP.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        ids::ApiKeyId,
        instant::Instant,
        lifetime,
        metadata::Metadata,
        permission::{PathGrant, Role},
        principal::{KnownBy, Principal, PrincipalId},
        quota::Limits,
        tenant::{Generation, Mode},
    },
    service::{
        Broker, SeenPrincipal,
        api_keys::CreatedApiKey,
        principals::{Kind, NewPrincipal},
    },
};

use super::{
    administration::{LimitsView, UsageView},
    extract::{Authenticated, With},
    idempotency::{Creating, IdempotencyHeader, created},
    principals::{ChangeBody, GrantView, PrincipalView, RevokeQuery, ends_at, grants},
    problem::{Problem, ProblemDocument},
    render::{self, Listing, PageQuery},
};

/// What a key is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateApiKeyBody)]
pub struct CreateBody {
    /// Your own name for it.
    pub label: Option<String>,
    /// Words of your own that go with it: up to 20 texts of up to 500 characters, under keys of up to 40 characters
    /// (`A-Z a-z 0-9 _ . -`). Only you see them.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub metadata: Metadata,
    /// `live` or `test`; that of your own key where it is left out.
    #[schema(value_type = Option<String>)]
    pub mode: Option<Mode>,
    /// `viewer`, `member` or `admin`; where it is left out, `admin` with the grant `admin` on `/`, or else `member`.
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// What it may do: `read`, `write` or `admin` on a path each. `/` is the whole vault.
    #[schema(value_type = Vec<GrantView>)]
    pub grants: Vec<PathGrant>,
    /// The largest upload it may declare, in bytes.
    pub largest_upload: Option<u64>,
    /// How much may be kept of what comes by it.
    #[serde(default)]
    #[schema(value_type = Option<LimitsView>)]
    pub quota: Limits,
    /// For how many seconds it lives; without it or `expires_at`, until revoked.
    pub expires_in: Option<u64>,
    /// Instead of `expires_in`: until when (RFC 3339).
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Instant>,
}

impl CreateBody {
    fn parse(self, default: Mode, now: Instant) -> Result<NewPrincipal, Problem> {
        Ok(NewPrincipal {
            label: render::label(self.label)?,
            metadata: self.metadata,
            mode: self.mode.unwrap_or(default),
            role: self.role,
            grants: grants(self.grants)?,
            largest_upload: self.largest_upload,
            quota: self.quota,
            expires_at: ends_at(self.expires_in, self.expires_at, now)?,
        })
    }
}

/// An API key. Never its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyView {
    /// What every principal has.
    #[serde(flatten)]
    pub principal: PrincipalView,
    /// How its newest secret begins.
    #[schema(example = "crk_live_AbCd…")]
    pub preview: String,
    /// Until when the secret before is accepted, too (RFC 3339), where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_accepted_until: Option<String>,
    /// Which operator acts for you by it, if that is what it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonation_by: Option<String>,
}

impl ApiKeyView {
    pub(super) fn new(key: Principal, usage: Option<UsageView>, tenant: Generation, now: Instant) -> Self {
        let preview = key.preview();
        let (until, impersonation_by) = match &key.known_by {
            KnownBy::ApiKey { secrets } => (secrets.iter().find_map(|secret| secret.until), None),
            KnownBy::Impersonation { operator, .. } => (None, Some(operator.to_string())),
            KnownBy::User { .. } | KnownBy::Erased { .. } => (None, None),
        };
        let previous_accepted_until = until.filter(|until| now < *until).map(|until| until.to_string());
        Self {
            principal: PrincipalView::new(key, usage, tenant, now),
            preview,
            previous_accepted_until,
            impersonation_by,
        }
    }

    pub(super) fn seen(seen: SeenPrincipal, usage: Option<UsageView>, tenant: Generation, now: Instant) -> Self {
        let view = Self::new(seen.principal, usage, tenant, now);
        Self { principal: view.principal.last_used(seen.last_used_at), ..view }
    }
}

/// A key just created, or given a new secret.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiKeyView)]
pub struct CreatedView {
    /// The key.
    #[serde(flatten)]
    pub key: ApiKeyView,
    /// The secret, shown this once.
    #[schema(example = "crk_live_…")]
    pub secret: String,
}

impl CreatedView {
    pub(super) fn new(created: &CreatedApiKey, now: Instant) -> Self {
        let secret = created.secret.expose().to_owned();
        let key = created.key.clone();
        let tenant = key.tenant_generation;
        Self { key: ApiKeyView::new(key, None, tenant, now), secret }
    }
}

fn id(text: &str) -> Result<PrincipalId, Problem> {
    render::id::<ApiKeyId>(text).map(PrincipalId::ApiKey)
}

/// Create an API key.
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "administration", request_body = CreateBody, params(IdempotencyHeader), security(("api_key" = [])),
    responses(
        (status = 201, description = "Created; the secret is shown this once", body = CreatedView),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn create(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, CreateBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let view = |key: &CreatedApiKey| CreatedView::new(key, broker.now());
    created(&broker, &once, view, async |reply| {
        let wanted = body.parse(caller.namespace().mode, broker.now())?;
        Ok(broker.create_api_key(&caller, wanted, reply).await?)
    })
    .await
}

/// List API keys, newest first.
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "administration", params(PageQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<ApiKeyView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn list(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.list_principals(&caller, Kind::ApiKeys, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok()
        .json(Listing::of(page, |seen| ApiKeyView::seen(seen, None, caller.tenant.generation, broker.now()))))
}

/// Inspect an API key, and how much of its quota is used.
#[utoipa::path(
    get, path = "/v1/api-keys/{id}", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = ApiKeyView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let seen = broker.inspect_principal(&caller, id(&path)?).await?;
    let usage = broker.usage_of_key(&seen.principal).await?.map(Into::into);
    Ok(HttpResponse::Ok().json(ApiKeyView::seen(seen, usage, caller.tenant.generation, broker.now())))
}

/// Change what an API key may do, how it is called, and when it ends. What it minted shrinks with it, at once.
#[utoipa::path(
    patch, path = "/v1/api-keys/{id}", tag = "administration", request_body = ChangeBody, security(("api_key" = [])),
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = ApiKeyView), (status = "4XX", body = ProblemDocument))
)]
pub async fn change(
    With(Authenticated(caller), body): With<Authenticated, ChangeBody>,
    broker: web::Data<Broker>,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let now = broker.now();
    let key = broker.change_principal(&caller, id(&path)?, body.parse(now)?).await?;
    Ok(HttpResponse::Ok().json(ApiKeyView::new(key, None, caller.tenant.generation, now)))
}

/// For how long the secret before is still accepted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateBody {
    /// For how many seconds: up to 604,800; by default 86,400. 0 where it may have leaked.
    pub overlap: Option<u64>,
}

/// Give an API key a new secret. What it minted stays.
#[utoipa::path(
    post, path = "/v1/api-keys/{id}/rotate", tag = "administration", request_body = RotateBody,
    security(("api_key" = [])), params(("id" = String, Path, description = "The key's id"), IdempotencyHeader),
    responses(
        (status = 201, description = "The new secret is shown this once", body = CreatedView),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn rotate(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, RotateBody>,
    broker: web::Data<Broker>,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let view = |key: &CreatedApiKey| CreatedView::new(key, broker.now());
    created(&broker, &once, view, async |reply| {
        let overlap = body.overlap.unwrap_or(lifetime::OVERLAP.default);
        if overlap > lifetime::OVERLAP.most {
            return Err(Problem::invalid("/overlap", format!("at most {} seconds", lifetime::OVERLAP.most)));
        }
        let (key, overlap) = (render::id::<ApiKeyId>(&path)?, Duration::from_secs(overlap));
        Ok(broker.rotate_api_key(&caller, key, overlap, reply).await?)
    })
    .await
}

/// End all that an API key minted, and the console sessions that it opened. The key itself goes on.
#[utoipa::path(
    post, path = "/v1/api-keys/{id}/cut-off", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "Cut off"), (status = "4XX", body = ProblemDocument))
)]
pub async fn cut_off(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    broker.cut_off_principal(&caller, id(&path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Let an API key be used again that was cut off with everything that its tenant had. What it had minted stays ended.
#[utoipa::path(
    post, path = "/v1/api-keys/{id}/reinstate", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "Reinstated"), (status = "4XX", body = ProblemDocument))
)]
pub async fn reinstate(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    broker.reinstate_principal(&caller, id(&path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Revoke an API key, and with it all that it minted, unless that is to be kept.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The key's id"), RevokeQuery),
    responses((status = 204, description = "Revoked"), (status = "4XX", body = ProblemDocument))
)]
pub async fn revoke(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    path: web::Path<String>,
    query: web::Query<RevokeQuery>,
) -> Result<HttpResponse, Problem> {
    broker.end_principal(&caller, id(&path)?, query.keep_minted).await?;
    Ok(HttpResponse::NoContent().finish())
}
