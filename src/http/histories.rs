//! What happened, over HTTP: to one thing, and to everything.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        event::{Actor, EventType, Outcome},
        narrowing::Field,
        refusal::Refusal,
    },
    service::{
        Broker,
        history::{Maker, Recorded},
        listing::PageRequest,
    },
};

use super::{
    extract::Authenticated,
    problem::{Problem, ProblemDocument},
    render::{self, Listing, PageQuery},
};

/// An API key that made something.
#[derive(Debug, Serialize, ToSchema)]
pub struct MakerView {
    /// Its id.
    #[schema(example = "key_0199b1c2d3e4f5061728394a5b6c7d8e")]
    pub id: String,
    /// What its owner calls it, or how its secret begins.
    pub label: Option<String>,
}

impl From<Maker> for MakerView {
    fn from(maker: Maker) -> Self {
        Self { id: maker.id.to_string(), label: maker.name }
    }
}

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActorView {
    /// `api_key`, `user`, `console` (somebody who signed in there), `impersonation` (an operator who acts for you), `session` (who claimed a share), `submission` (who
    /// delivers to a file request), `bearer` (who presented a token) or `system`.
    pub kind: &'static str,
    /// The key, the share or the file request by which they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the owner of the key calls it, or how its secret begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    /// Its id, the same wherever it is listed.
    #[schema(example = "evt_0199b1c2d3e4f5061728394a5b6c7d8e00")]
    pub id: String,
    /// What happened, such as `share.claimed`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: EventType,
    /// Who did it.
    pub actor: ActorView,
    /// The id of what it was done to.
    pub resource: String,
    /// `done` or `refused`.
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reason: Option<Refusal>,
    /// How many like it this one stands for, where that is not one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Which fields were changed, where some were.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub changed: Vec<Field>,
    /// In the audit trail: its number there, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// In the audit trail: its hash, SHA-256 in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// In the audit trail: the hash of the record before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_hash: Option<String>,
    /// When (RFC 3339).
    pub at: String,
    /// In which request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

impl ActorView {
    fn new(actor: &Actor, by: Option<Maker>) -> Self {
        let (kind, id) = match actor {
            Actor::System => ("system", None),
            Actor::ApiKey { id } => ("api_key", Some(id.to_string())),
            Actor::User { id } => ("user", Some(id.to_string())),
            Actor::Impersonation { operator, .. } => ("impersonation", Some(operator.to_string())),
            Actor::Console { principal, .. } => ("console", Some(principal.to_string())),
            Actor::Session { share, .. } => ("session", Some(share.to_string())),
            Actor::Submission { request, .. } => ("submission", Some(request.to_string())),
            Actor::Bearer => ("bearer", None),
        };
        Self { kind, id, label: by.and_then(|maker| maker.name) }
    }
}

impl From<Recorded> for EventView {
    fn from(Recorded { id, event, by, place }: Recorded) -> Self {
        let place = place.map(|place| (place.seq, String::from(place.hash), String::from(place.previous)));
        let (seq, hash, prev_hash) =
            place.map_or((None, None, None), |(seq, hash, previous)| (Some(seq), Some(hash), Some(previous)));
        Self {
            seq,
            hash,
            prev_hash,
            id,
            kind: event.kind,
            actor: ActorView::new(&event.actor, by),
            resource: event.resource,
            outcome: event.outcome,
            reason: event.reason,
            count: event.count,
            changed: event.changed,
            at: event.at.to_string(),
            request: event.request.map(|request| request.to_string()),
        }
    }
}

/// List what happened to a share, newest first.
#[utoipa::path(
    get, path = "/v1/shares/{id}/events", tag = "shares", security(("api_key" = [])),
    params(("id" = String, Path, description = "The share's id"), PageQuery),
    responses((status = 200, body = Listing<EventView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn of_share(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.history_of_share(&caller, render::id(&id)?, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, EventView::from)))
}

/// List what happened to a link, newest first.
#[utoipa::path(
    get, path = "/v1/links/{id}/events", tag = "links", security(("api_key" = [])),
    params(("id" = String, Path, description = "The link's id"), PageQuery),
    responses((status = 200, body = Listing<EventView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn of_link(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.history_of_link(&caller, render::id(&id)?, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, EventView::from)))
}

/// List what happened to a file request, newest first.
#[utoipa::path(
    get, path = "/v1/file-requests/{id}/events", tag = "file requests", security(("api_key" = [])),
    params(("id" = String, Path, description = "The file request's id"), PageQuery),
    responses((status = 200, body = Listing<EventView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn of_file_request(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.history_of_file_request(&caller, render::id(&id)?, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, EventView::from)))
}

/// Which page of which events.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only events of this type, such as `share.claimed`.
    #[serde(rename = "type")]
    #[param(value_type = Option<String>)]
    pub kind: Option<EventType>,
    /// At most this many items, 1 to 1,000; 50 where it is left out. Of a rare type a page may hold fewer, and still
    /// be followed by another.
    pub limit: Option<usize>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
}

/// List everything that happened in your namespace, newest first. For administrators.
#[utoipa::path(
    get, path = "/v1/audit", tag = "administration", params(AuditQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<EventView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn audit(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<AuditQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let request = PageRequest { limit: query.limit, cursor: query.cursor };
    let page = broker.audit(&caller, query.kind, &request).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, EventView::from)))
}

/// From where to verify.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerifyQuery {
    /// Where the last answer ended: its `next_cursor`.
    pub cursor: Option<String>,
}

/// What verifying came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifiedView {
    /// Whether everything that was looked at is as it must be.
    pub intact: bool,
    /// How many records are as they must be, from the first on.
    pub records: u64,
    /// The hash of the last of them. Kept elsewhere, it shows later whether the trail was rewritten up to there.
    pub head: String,
    /// The first record that is not as it must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenView>,
    /// Ask again with this to go on: so much is not verified at once. Null where that was all.
    pub next_cursor: Option<String>,
}

/// A record that is not as it must be.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrokenView {
    /// Its number.
    pub seq: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// Verify that nothing of the audit trail was changed, removed, added or moved: up to 100,000 records at once, from the
/// first on. For administrators.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "administration", params(VerifyQuery), security(("api_key" = [])),
    responses((status = 200, body = VerifiedView), (status = "4XX", body = ProblemDocument))
)]
pub async fn verify(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<VerifyQuery>,
) -> Result<HttpResponse, Problem> {
    let verified = broker.verify_ledger(&caller, query.into_inner().cursor).await?;
    Ok(HttpResponse::Ok().json(VerifiedView {
        intact: verified.broken.is_none(),
        records: verified.head.size,
        head: verified.head.hash.into(),
        broken: verified.broken.map(|broken| BrokenView { seq: broken.seq, problem: broken.what.to_string() }),
        next_cursor: verified.next_cursor,
    }))
}
