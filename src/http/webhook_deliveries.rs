//! What became of a webhook's deliveries, over HTTP, and what people do about it.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        event::EventType,
        webhook_delivery::{Delivery, DeliveryState, Failure, Tried},
    },
    service::{Broker, webhook_replays::Tested},
};

use super::{
    extract::{Authenticated, With},
    problem::{Problem, ProblemDocument},
    render::{self, Listing, PageQuery},
};

/// What trying out has come to.
#[derive(Serialize, ToSchema)]
pub struct TestedView {
    /// Whether the receiver took it: it answered with 2xx.
    pub delivered: bool,
    /// The status that it answered, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What went wrong, if anything did: `status`, `timeout`, `name_not_found`, `address_refused`, `unreachable`,
    /// `certificate` or `broken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<&'static str>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

fn told(tried: Tried) -> (Option<u16>, Option<&'static str>) {
    match tried {
        Ok(status) => (Some(status), None),
        Err(Failure { what, status, .. }) => (status, Some(what.as_str())),
    }
}

/// Send a message of the type `webhook.test` now, and tell what came of it, though the webhook may be paused. For administrators.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/test", tag = "webhooks", security(("api_key" = [])),
    params(("id" = String, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "It was tried; `delivered` says whether it arrived", body = TestedView),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn test(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let Tested { tried, milliseconds } = broker.test_webhook(&caller, render::id(&id)?).await?;
    let (status, problem) = told(tried);
    Ok(HttpResponse::Ok().json(TestedView { delivered: tried.is_ok(), status, problem, milliseconds }))
}

/// A delivery that failed once at least.
#[derive(Serialize, ToSchema)]
pub struct WebhookDeliveryView {
    /// The number of the record in the audit trail, by which the delivery is named.
    pub seq: u64,
    /// The `webhook-id` under which it is sent, the same each time.
    #[schema(example = "msg_0199b1c2d3e4f5061728394a5b6c7d8e")]
    pub message: String,
    /// The id of the event.
    pub event: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: EventType,
    /// `waiting`, `dead` (it was tried ten times, and left) or `delivered`.
    pub state: &'static str,
    /// How often it was tried.
    pub attempts: u32,
    /// When first (RFC 3339).
    pub first_at: String,
    /// When last (RFC 3339).
    pub last_at: String,
    /// The status of the last answer that was none of 2xx, if there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
    /// What went wrong last: `status`, `timeout`, `name_not_found`, `address_refused`, `unreachable`, `certificate` or
    /// `broken`.
    pub last_problem: &'static str,
    /// When it is tried again (RFC 3339), while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<String>,
    /// Until when it can be sent once more (RFC 3339).
    pub kept_until: String,
}

impl From<Delivery> for WebhookDeliveryView {
    fn from(delivery: Delivery) -> Self {
        let (state, next_at) = match delivery.state {
            DeliveryState::Waiting { next_at } => ("waiting", Some(next_at.to_string())),
            DeliveryState::Dead { .. } => ("dead", None),
            DeliveryState::Delivered { .. } => ("delivered", None),
        };
        Self {
            kept_until: delivery.kept_until().to_string(),
            seq: delivery.seq,
            message: delivery.message,
            event: delivery.event,
            kind: delivery.kind,
            state,
            attempts: delivery.attempts,
            first_at: delivery.first_at.to_string(),
            last_at: delivery.last_at.to_string(),
            last_status: delivery.failure.status,
            last_problem: delivery.failure.what.as_str(),
            next_at,
        }
    }
}

/// List deliveries that wait to be tried again, or were left after their last try, of what happened last first. For administrators.
///
/// A page may hold fewer than were asked for, and still be followed by another.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks", security(("api_key" = [])),
    params(("id" = String, Path, description = "The webhook's id"), PageQuery),
    responses((status = 200, body = Listing<WebhookDeliveryView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn deliveries(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.webhook_deliveries(&caller, render::id(&id)?, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, WebhookDeliveryView::from)))
}

/// Send what waits, or was left, once more, now, and tell how it stands. For administrators.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/deliveries/{seq}/replay", tag = "webhooks", security(("api_key" = [])),
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("seq" = u64, Path, description = "The number of the record"),
    ),
    responses(
        (status = 200, description = "It was tried; `state` says whether it arrived", body = WebhookDeliveryView),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn replay(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (id, seq) = path.into_inner();
    let delivery = broker.replay_delivery(&caller, render::id(&id)?, render::id(&seq)?).await?;
    Ok(HttpResponse::Ok().json(WebhookDeliveryView::from(delivery)))
}

/// From where to send again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayWebhookBody {
    /// All records of the audit trail that come after this one, by its number; 0 for all there are.
    pub after: u64,
}

/// Send again all that happened after a record of the audit trail, under the ids that it had; or pass over what happened up to
/// it, where the webhook has not come so far. For administrators.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/replay", tag = "webhooks", request_body = ReplayWebhookBody,
    security(("api_key" = [])), params(("id" = String, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "It goes on from there", body = super::webhooks::WebhookView),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn replay_after(
    With(Authenticated(caller), body): With<Authenticated, ReplayWebhookBody>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let seen = broker.replay_webhook(&caller, render::id(&id)?, body.after).await?;
    Ok(HttpResponse::Ok().json(super::webhooks::WebhookView::new(&seen, broker.now())))
}
