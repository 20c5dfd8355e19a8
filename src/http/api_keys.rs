//! API keys over HTTP.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        api_key::ApiKey,
        instant::Instant,
        lifetime,
        metadata::Metadata,
        permission::{Grants, PathGrant},
        quota::Limits,
        tenant::Mode,
    },
    service::{
        Broker,
        api_keys::{CreateApiKey, CreatedApiKey},
    },
};

use super::{
    administration::{LimitsView, UsageView},
    extract::Authenticated,
    idempotency::{Creating, IdempotencyHeader, created},
    problem::{Problem, ProblemDocument},
    render::{self, Listing, PageQuery},
};

/// The most path grants of one key.
const MOST_GRANTS: usize = 100;

/// What a key is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
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
    fn parse(self, default: Mode, now: Instant) -> Result<CreateApiKey, Problem> {
        if self.grants.is_empty() || self.grants.len() > MOST_GRANTS {
            return Err(Problem::invalid("/grants", "a key has 1 to 100 grants"));
        }
        let expires_at = match (self.expires_in, self.expires_at) {
            (None, None) => None,
            (span, end) => Some(render::ends_at(&lifetime::API_KEY, span, end, now)?),
        };
        Ok(CreateApiKey {
            label: render::label(self.label)?,
            metadata: self.metadata,
            mode: self.mode.unwrap_or(default),
            grants: Grants(self.grants),
            largest_upload: self.largest_upload,
            quota: self.quota,
            expires_at,
        })
    }
}

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

/// An API key. Never its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyView {
    /// Its id.
    pub id: String,
    /// `active`, `expired` or `revoked`.
    pub status: &'static str,
    /// Whether it opens the real namespace, or the one for trying out.
    pub livemode: bool,
    /// Your own name for it.
    pub label: Option<String>,
    /// Words of your own that go with it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub metadata: Metadata,
    /// How its secret begins.
    #[schema(example = "crk_live_AbCd…")]
    pub preview: String,
    /// What it may do.
    #[schema(value_type = Vec<GrantView>)]
    pub grants: Vec<PathGrant>,
    /// Whether it may also create tenants.
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
    /// When it ends (RFC 3339).
    pub expires_at: Option<String>,
    /// When it was revoked (RFC 3339).
    pub revoked_at: Option<String>,
}

impl ApiKeyView {
    fn new(key: ApiKey, now: Instant) -> Self {
        let status = match (key.revoked_at, key.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if now >= end => "expired",
            (None, _) => "active",
        };
        Self {
            id: key.id.to_string(),
            status,
            livemode: key.namespace.mode == Mode::Live,
            label: key.label,
            metadata: key.metadata,
            preview: key.preview,
            grants: key.grants.0,
            operator: key.operator,
            largest_upload: key.largest_upload,
            quota: key.quota,
            usage: None,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
        }
    }
}

/// A key just created.
#[derive(Serialize, ToSchema)]
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
        Self { key: ApiKeyView::new(created.key.clone(), now), secret }
    }
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
    let page = broker.list_api_keys(&caller, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, |key| ApiKeyView::new(key, broker.now()))))
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
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let key = broker.inspect_api_key(&caller, render::id(&id)?).await?;
    let usage = broker.usage_of_key(&key).await?.map(Into::into);
    Ok(HttpResponse::Ok().json(ApiKeyView { usage, ..ApiKeyView::new(key, broker.now()) }))
}

/// Revoke an API key, and with it all that it minted.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "Revoked"), (status = "4XX", body = ProblemDocument))
)]
pub async fn revoke(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    broker.revoke_api_key(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
