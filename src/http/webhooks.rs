//! Webhooks over HTTP: set up, changed, removed. What became of their deliveries is in [`super::webhook_deliveries`].

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use crate::{
    domain::{instant::Instant, lifetime},
    service::{
        Broker,
        history::Recorded,
        webhooks::{NewSecret, SeenWebhook, WebhookChange},
    },
};

use super::{
    extract::{Authenticated, With},
    histories::EventView,
    idempotency::{Creating, IdempotencyHeader, created},
    problem::{Problem, ProblemDocument},
    render::{self, Listing},
};

/// An event as receivers are told of it: as the audit trail lists it.
///
/// # Errors
/// Never for what is recorded; the serializer's own are passed on.
pub fn telling(recorded: Recorded) -> serde_json::Result<Box<RawValue>> {
    to_raw_value(&EventView::from(recorded))
}

/// Where which events are to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookBody {
    /// To where: https, on port 443 or one of 1024 and above, on the public internet.
    #[schema(example = "https://hooks.example/cloakroom", max_length = 2000)]
    pub url: String,
    /// Which: types such as `share.claimed`, or all of a kind, such as `share.*`; all events where it is left out.
    #[schema(min_items = 1, max_items = 50)]
    pub types: Option<Vec<String>>,
    /// What you say about it.
    #[schema(max_length = 200)]
    pub description: Option<String>,
}

/// What is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeWebhookBody {
    /// To where from now on.
    #[schema(max_length = 2000)]
    pub url: Option<String>,
    /// Which events from now on; null for all.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 50)]
    pub types: Option<Option<Vec<String>>>,
    /// What you say about it; null for nothing.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub description: Option<Option<String>>,
    /// `true` to send nothing for now; `false` to go on from where it was.
    pub paused: Option<bool>,
}

/// That a webhook sends nothing.
#[derive(Serialize, ToSchema)]
pub struct PausedView {
    /// Since when (RFC 3339).
    pub at: String,
    /// `asked` (you), `gone` (the receiver answered 410), or `failing` (it has taken nothing for five days).
    pub reason: &'static str,
}

/// A webhook. Never its secret.
#[derive(Serialize, ToSchema)]
pub struct WebhookView {
    /// Its id.
    #[schema(example = "whk_0199b1c2d3e4f5061728394a5b6c7d8e")]
    pub id: String,
    /// To where it sends.
    pub url: String,
    /// Which events; null for all.
    pub types: Option<Vec<String>>,
    /// What you say about it.
    pub description: Option<String>,
    /// When it was set up (RFC 3339).
    pub created_at: String,
    /// `active` or `paused`.
    pub status: &'static str,
    /// Why it is paused, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<PausedView>,
    /// Until when the secret before signs along, where there is one (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_signs_until: Option<String>,
    /// The number of the record of the audit trail up to which it has come. What does not arrive at once waits beside that.
    pub seq: u64,
    /// How many deliveries wait to be tried again.
    pub waiting: u64,
    /// How many were left after their last try, in all.
    pub dead_letters: u64,
    /// When something arrived last (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<String>,
    /// Since when nothing arrives, where that is so (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// Until when the receiver is left alone after failures in a row, where that is so (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<String>,
}

impl WebhookView {
    pub(super) fn new(seen: &SeenWebhook, now: Instant) -> Self {
        let SeenWebhook { webhook, progress } = seen;
        let target = webhook.target.as_ref();
        let previous = target.and_then(|target| target.previous.as_ref()).map(|previous| previous.until);
        let paused = webhook.paused.map(|paused| PausedView { at: paused.at.to_string(), reason: paused.why.as_str() });
        Self {
            id: webhook.id.to_string(),
            url: target.map(|target| target.url.as_str().to_owned()).unwrap_or_default(),
            types: webhook.types.as_ref().map(|types| types.iter().cloned().map(String::from).collect()),
            description: webhook.description.clone(),
            created_at: webhook.created_at.to_string(),
            status: if paused.is_some() { "paused" } else { "active" },
            paused,
            previous_signs_until: previous.filter(|until| now < *until).map(|until| until.to_string()),
            seq: progress.seq,
            waiting: progress.waiting,
            dead_letters: progress.dead,
            delivered_at: progress.delivered_at.map(|at| at.to_string()),
            failing_since: progress.failing_since.map(|at| at.to_string()),
            rests_until: progress.rests(now).map(|until| until.to_string()),
        }
    }
}

/// A webhook with a new secret.
#[derive(Serialize, ToSchema)]
pub struct NewSecretView {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// What the receiver verifies with, shown this once.
    #[schema(example = "whsec_…")]
    pub secret: String,
}

fn with_secret(new: &NewSecret, now: Instant) -> NewSecretView {
    NewSecretView { webhook: WebhookView::new(&new.seen, now), secret: new.secret.text().expose().to_owned() }
}

fn description(text: Option<String>) -> Result<Option<String>, Problem> {
    render::label(text).map_err(|problem| problem.pointer("/description"))
}

/// Have events sent to a URL, as the Standard Webhooks specification says: what happens from now on. For administrators.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", request_body = WebhookBody, params(IdempotencyHeader),
    security(("api_key" = [])),
    responses(
        (status = 201, description = "The secret is shown this once", body = NewSecretView),
        (status = 409, description = "There are as many as there may be (`too_many_webhooks`)", body = ProblemDocument),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn create(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, WebhookBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let view = |new: &NewSecret| with_secret(new, broker.now());
    created(&broker, &once, view, async |reply| {
        let WebhookBody { url, types, description: text } = body;
        let description = Some(description(text)?);
        let wanted = WebhookChange { url: Some(url), types: Some(types), description, paused: None };
        Ok(broker.create_webhook(&caller, wanted, reply).await?)
    })
    .await
}

/// List webhooks, newest first: 20 at most. For administrators.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", security(("api_key" = [])),
    responses((status = 200, body = Listing<WebhookView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn list(Authenticated(caller): Authenticated, broker: web::Data<Broker>) -> Result<HttpResponse, Problem> {
    let (seen, now) = (broker.list_webhooks(&caller).await?, broker.now());
    let items: Vec<_> = seen.iter().map(|seen| WebhookView::new(seen, now)).collect();
    Ok(HttpResponse::Ok().json(Listing { items, next_cursor: None }))
}

/// Inspect a webhook: how far it has come, and how its receiver is. For administrators.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}", tag = "webhooks", security(("api_key" = [])),
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, body = WebhookView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let seen = broker.inspect_webhook(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::Ok().json(WebhookView::new(&seen, broker.now())))
}

/// Change a webhook, pause it, or have it go on. For administrators.
#[utoipa::path(
    patch, path = "/v1/webhooks/{id}", tag = "webhooks", request_body = ChangeWebhookBody, security(("api_key" = [])),
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, body = WebhookView), (status = "4XX", body = ProblemDocument))
)]
pub async fn change(
    With(Authenticated(caller), body): With<Authenticated, ChangeWebhookBody>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let ChangeWebhookBody { url, types, description: text, paused } = body;
    let change = WebhookChange { url, types, description: text.map(description).transpose()?, paused };
    let seen = broker.change_webhook(&caller, render::id(&id)?, change).await?;
    Ok(HttpResponse::Ok().json(WebhookView::new(&seen, broker.now())))
}

/// For how long the secret before signs along.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateWebhookBody {
    /// For how many seconds: up to 604,800; by default 86,400. 0 where it may have leaked.
    pub overlap: Option<u64>,
}

/// Give a webhook a new secret. Messages have two signatures while the one before signs along. For administrators.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/rotate", tag = "webhooks", request_body = RotateWebhookBody,
    security(("api_key" = [])), params(("id" = String, Path, description = "The webhook's id"), IdempotencyHeader),
    responses(
        (status = 201, description = "The new secret is shown this once", body = NewSecretView),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn rotate(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, RotateWebhookBody>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let view = |new: &NewSecret| with_secret(new, broker.now());
    created(&broker, &once, view, async |reply| {
        let overlap = body.overlap.unwrap_or(lifetime::OVERLAP.default);
        if overlap > lifetime::OVERLAP.most {
            return Err(Problem::invalid("/overlap", format!("at most {} seconds", lifetime::OVERLAP.most)));
        }
        Ok(broker.rotate_webhook(&caller, render::id(&id)?, Duration::from_secs(overlap), reply).await?)
    })
    .await
}

/// Remove a webhook. For administrators.
#[utoipa::path(
    delete, path = "/v1/webhooks/{id}", tag = "webhooks", security(("api_key" = [])),
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 204, description = "Removed"), (status = "4XX", body = ProblemDocument))
)]
pub async fn remove(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    broker.remove_webhook(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
