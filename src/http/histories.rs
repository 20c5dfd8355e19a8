//! What happened to one thing, over HTTP.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        client::Client,
        event::{Actor, EventType, Outcome},
        narrowing::Field,
        refusal::Refusal,
    },
    service::{
        Broker,
        history::{Maker, Recorded},
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

/// Who sent a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientView {
    /// From which address.
    pub address: String,
    /// What the program said of itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
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
    /// Which version the state of the resource has since, where it has one: of two events of one resource the one with the lower
    /// number was first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// In the audit trail: who sent the request, for as long as that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientView>,
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
    fn from(Recorded { id, event, by, place, client }: Recorded) -> Self {
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
            version: event.version,
            client: client.map(|Client { address, user_agent }| ClientView { address, user_agent }),
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
