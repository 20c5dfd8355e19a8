//! What would happen if a share were opened now, over HTTP.

use std::net::IpAddr;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{network::ClientAddress, refusal::Refusal},
    service::{
        Broker,
        explanations::{Explanation, Foreseen},
    },
};

use super::{
    extract::Authenticated,
    problem::{Problem, ProblemDocument},
    render,
};

/// From where somebody would open it.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// Their address, where that matters; yours where it is left out.
    #[param(value_type = Option<String>)]
    pub from: Option<IpAddr>,
}

/// What would happen if somebody opened a share now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplanationView {
    /// `opens`, `later` or `refused`.
    pub outcome: &'static str,
    /// Why it would be refused. Whoever opens it is told none of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reason: Option<Refusal>,
    /// From when on it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<String>,
    /// Whether they would have to be one of its recipients, and to enter a code.
    pub wants_code: bool,
    /// How many may still claim it.
    pub redemptions_left: u32,
    /// Paths that it was minted for and that its minter may not give any more: nobody gets to them.
    pub withheld: Vec<String>,
}

impl From<Explanation> for ExplanationView {
    fn from(explanation: Explanation) -> Self {
        let (outcome, reason, opens_at) = match explanation.foreseen {
            Foreseen::Opens => ("opens", None, None),
            Foreseen::Later { opens_at } => ("later", None, Some(opens_at.to_string())),
            Foreseen::Refused { reason } => ("refused", Some(reason), None),
        };
        let Explanation { wants_code, redemptions_left, withheld, .. } = explanation;
        Self { outcome, reason, opens_at, wants_code, redemptions_left, withheld }
    }
}

/// Explain what would happen if somebody opened a share now, and why. It changes nothing, and is not recorded as an opening.
#[utoipa::path(
    get, path = "/v1/shares/{id}/explain", tag = "shares", security(("api_key" = [])),
    params(("id" = String, Path, description = "The share's id"), ExplainQuery),
    responses((status = 200, body = ExplanationView), (status = "4XX", body = ProblemDocument))
)]
pub async fn explain_share(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
    query: web::Query<ExplainQuery>,
) -> Result<HttpResponse, Problem> {
    let from = query.from.map(ClientAddress::new);
    let explanation = broker.explain_share(&caller, render::id(&id)?, from).await?;
    Ok(HttpResponse::Ok().json(ExplanationView::from(explanation)))
}
