//! Users over HTTP: whom a provider of identities vouches for.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        identity::{Issuer, NotAName, Subject},
        ids::UserId,
        instant::Instant,
        metadata::Metadata,
        permission::{PathGrant, Role},
        principal::{KnownBy, Principal, PrincipalId},
        quota::Limits,
        tenant::{Generation, Mode},
    },
    service::{
        Broker, SeenPrincipal,
        principals::{Kind, NewPrincipal},
        users::CreateUser,
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

/// Whom to let in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateUserBody)]
pub struct CreateBody {
    /// Who vouches for them: the issuer's URL, exactly as it writes it into its tokens.
    #[schema(example = "https://id.example")]
    pub issuer: String,
    /// What the issuer calls them: the claim `sub`.
    pub subject: String,
    /// Your own name for them.
    pub label: Option<String>,
    /// Words of your own that go with it: up to 20 texts of up to 500 characters, under keys of up to 40 characters
    /// (`A-Z a-z 0-9 _ . -`). Only you see them.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub metadata: Metadata,
    /// `live` or `test`; your own where it is left out.
    #[schema(value_type = Option<String>)]
    pub mode: Option<Mode>,
    /// `viewer`, `member` or `admin`; where it is left out, `admin` with the grant `admin` on `/`, or else `member`.
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// What they may do: `read`, `write` or `admin` on a path each. `/` is the whole vault.
    #[schema(value_type = Vec<GrantView>)]
    pub grants: Vec<PathGrant>,
    /// The largest upload they may declare, in bytes.
    pub largest_upload: Option<u64>,
    /// How much may be kept of what comes by them.
    #[serde(default)]
    #[schema(value_type = Option<LimitsView>)]
    pub quota: Limits,
    /// For how many seconds they have access; without it or `expires_at`, until removed.
    pub expires_in: Option<u64>,
    /// Instead of `expires_in`: until when (RFC 3339).
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Instant>,
}

impl CreateBody {
    fn parse(self, default: Mode, now: Instant) -> Result<CreateUser, Problem> {
        let wrong = |pointer: &'static str| move |fault: NotAName| Problem::invalid(pointer, fault.to_string());
        Ok(CreateUser {
            issuer: Issuer::parse(&self.issuer).map_err(wrong("/issuer"))?,
            subject: Subject::parse(&self.subject).map_err(wrong("/subject"))?,
            principal: NewPrincipal {
                label: render::label(self.label)?,
                metadata: self.metadata,
                mode: self.mode.unwrap_or(default),
                role: self.role,
                grants: grants(self.grants)?,
                largest_upload: self.largest_upload,
                quota: self.quota,
                expires_at: ends_at(self.expires_in, self.expires_at, now)?,
            },
        })
    }
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserView {
    /// What every principal has.
    #[serde(flatten)]
    pub principal: PrincipalView,
    /// Who vouches for them; empty for whoever was erased.
    pub issuer: String,
    /// What the issuer calls them; empty for whoever was erased.
    pub subject: String,
}

impl UserView {
    fn new(user: Principal, usage: Option<UsageView>, tenant: Generation, now: Instant) -> Self {
        let (issuer, subject) = match &user.known_by {
            KnownBy::User { issuer, subject } => (issuer.to_string(), subject.expose().to_owned()),
            KnownBy::ApiKey { .. } | KnownBy::Impersonation { .. } | KnownBy::Erased { .. } => Default::default(),
        };
        Self { principal: PrincipalView::new(user, usage, tenant, now), issuer, subject }
    }

    pub(super) fn seen(seen: SeenPrincipal, usage: Option<UsageView>, tenant: Generation, now: Instant) -> Self {
        let view = Self::new(seen.principal, usage, tenant, now);
        Self { principal: view.principal.last_used(seen.last_used_at), ..view }
    }
}

fn id(text: &str) -> Result<PrincipalId, Problem> {
    render::id::<UserId>(text).map(PrincipalId::User)
}

/// Let somebody in whom a provider of identities vouches for.
#[utoipa::path(
    post, path = "/v1/users", tag = "administration", request_body = CreateBody, params(IdempotencyHeader), security(("api_key" = [])),
    responses((status = 201, body = UserView), (status = "4XX", body = ProblemDocument))
)]
pub async fn create(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, CreateBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let view = |user: &Principal| UserView::new(user.clone(), None, caller.tenant.generation, broker.now());
    created(&broker, &once, view, async |reply| {
        let wanted = body.parse(caller.namespace().mode, broker.now())?;
        Ok(broker.create_user(&caller, wanted, reply).await?)
    })
    .await
}

/// List users, newest first.
#[utoipa::path(
    get, path = "/v1/users", tag = "administration", params(PageQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<UserView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn list(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.list_principals(&caller, Kind::Users, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok()
        .json(Listing::of(page, |seen| UserView::seen(seen, None, caller.tenant.generation, broker.now()))))
}

/// Inspect a user, and how much of their quota is used.
#[utoipa::path(
    get, path = "/v1/users/{id}", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The user's id")),
    responses((status = 200, body = UserView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let seen = broker.inspect_principal(&caller, id(&path)?).await?;
    let usage = broker.usage_of_key(&seen.principal).await?.map(Into::into);
    Ok(HttpResponse::Ok().json(UserView::seen(seen, usage, caller.tenant.generation, broker.now())))
}

/// Change what a user may do, how they are called, and when their access ends. What they minted shrinks with it.
#[utoipa::path(
    patch, path = "/v1/users/{id}", tag = "administration", request_body = ChangeBody, security(("api_key" = [])),
    params(("id" = String, Path, description = "The user's id")),
    responses((status = 200, body = UserView), (status = "4XX", body = ProblemDocument))
)]
pub async fn change(
    With(Authenticated(caller), body): With<Authenticated, ChangeBody>,
    broker: web::Data<Broker>,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let now = broker.now();
    let user = broker.change_principal(&caller, id(&path)?, body.parse(now)?).await?;
    Ok(HttpResponse::Ok().json(UserView::new(user, None, caller.tenant.generation, now)))
}

/// End all that a user minted, and their sessions. They may sign in again.
#[utoipa::path(
    post, path = "/v1/users/{id}/cut-off", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The user's id")),
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

/// Let a user in again who was cut off with everything that the tenant had. What they had minted stays ended.
#[utoipa::path(
    post, path = "/v1/users/{id}/reinstate", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The user's id")),
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

/// Remove a user, and with them all that they minted, unless that is to be kept.
#[utoipa::path(
    delete, path = "/v1/users/{id}", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The user's id"), RevokeQuery),
    responses((status = 204, description = "Removed"), (status = "4XX", body = ProblemDocument))
)]
pub async fn remove(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    path: web::Path<String>,
    query: web::Query<RevokeQuery>,
) -> Result<HttpResponse, Problem> {
    broker.end_principal(&caller, id(&path)?, query.keep_minted).await?;
    Ok(HttpResponse::NoContent().finish())
}
