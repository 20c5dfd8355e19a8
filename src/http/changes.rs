//! Changing shares and links over HTTP.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        instant::Instant,
        lifetime::{self, Bounds},
        metadata::Metadata,
        narrowing::Change,
        recipient::Recipients,
        restrictions::AllowedNetworks,
        text::Message,
    },
    service::{Broker, Error},
};

use super::{
    extract::{Authenticated, With},
    links::LinkView,
    problem::{Problem, ProblemDocument},
    render, restrictions,
    shares::ShareView,
};

/// What is to change; what is left out stays. `label`, `metadata` and `message` are free to change; everything else may
/// only become narrower than it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeClaimableBody)]
pub struct ChangeBody {
    /// Your own name for it; null for none.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<String>)]
    pub label: Option<Option<String>>,
    /// Words of your own that go with it: all of them, not only what is new; null for none.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub metadata: Option<Option<Metadata>>,
    /// What recipients are told from now on; null for nothing.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub message: Option<Option<Message>>,
    /// For how many seconds from now it may still be claimed: 60 at least, and no longer than now.
    pub expires_in: Option<u64>,
    /// Instead of `expires_in`: until when (RFC 3339); only earlier.
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Instant>,
    /// From when on it may be claimed (RFC 3339); only later.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<String>)]
    pub not_before: Option<Option<Instant>>,
    /// How many may claim it: only fewer, and no fewer than have. As many as have: nobody else may.
    #[schema(minimum = 1, maximum = 1000)]
    pub redemptions: Option<u32>,
    /// For how many seconds after their claim those who claim it from now on may keep coming back; only shorter.
    pub access_expires_in: Option<u64>,
    /// From which networks alone it may be used, at once and by claimants, too: each within one of those before.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_networks: Option<Option<AllowedNetworks>>,
    /// To whom alone it goes: some of those before, or some where there were none. Whoever is none any more is cut off. An
    /// address alone keeps what was noted of it.
    #[serde(default, deserialize_with = "render::present")]
    #[schema(value_type = Option<Vec<restrictions::GivenRecipient>>)]
    pub recipients: Option<Option<Recipients>>,
}

impl ChangeBody {
    fn parse(self, claiming: &Bounds, access: &Bounds, now: Instant) -> Result<Change, Problem> {
        let expires_at = match (self.expires_in, self.expires_at) {
            // Whether that is earlier than now set, is judged with the rest.
            (None, end) => end,
            (span, end) => Some(render::ends_at(claiming, span, end, now)?),
        };
        let access_seconds = |_| render::access_seconds(access, self.access_expires_in);
        Ok(Change {
            label: self.label.map(render::label).transpose()?,
            metadata: self.metadata.map(Option::unwrap_or_default),
            message: self.message,
            not_before: self.not_before,
            expires_at,
            access_seconds: self.access_expires_in.map(access_seconds).transpose()?,
            redemptions: self.redemptions.map(|count| restrictions::redemptions(Some(count), None)).transpose()?,
            networks: self.allowed_networks,
            recipients: self.recipients,
        })
    }
}

/// Names the field by which the end was given.
fn as_given(by_span: bool) -> impl Fn(Error) -> Problem {
    move |fault| {
        let problem = Problem::from(fault);
        if by_span && problem.is_about("/expires_at") { problem.pointer("/expires_in") } else { problem }
    }
}

/// Change what is said about a share, or make it narrower. Its token stays the same.
#[utoipa::path(
    patch, path = "/v1/shares/{id}", tag = "shares", request_body = ChangeBody, security(("api_key" = [])),
    params(("id" = String, Path, description = "The share's id")),
    responses(
        (status = 200, description = "As it is now", body = ShareView),
        (status = 409, description = "It has ended (`ended`), would become wider (`widening`), or has been claimed more often than that (`claimed_more_often`)", body = ProblemDocument),
        (status = "4XX", description = "Nothing was changed", body = ProblemDocument),
    )
)]
pub async fn share(
    With(Authenticated(caller), body): With<Authenticated, ChangeBody>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let by_span = body.expires_in.is_some();
    let change = body.parse(&lifetime::SHARE, &lifetime::SHARE_ACCESS, broker.now())?;
    let share = broker.change_share(&caller, render::id(&id)?, &change).await.map_err(as_given(by_span))?;
    Ok(HttpResponse::Ok().json(ShareView::from(share)))
}

/// Change what is said about a link, or make it narrower. Its token stays the same.
#[utoipa::path(
    patch, path = "/v1/links/{id}", tag = "links", request_body = ChangeBody, security(("api_key" = [])),
    params(("id" = String, Path, description = "The link's id")),
    responses(
        (status = 200, description = "As it is now", body = LinkView),
        (status = 409, description = "It has ended (`ended`), would become wider (`widening`), or has been claimed more often than that (`claimed_more_often`)", body = ProblemDocument),
        (status = "4XX", description = "Nothing was changed", body = ProblemDocument),
    )
)]
pub async fn link(
    With(Authenticated(caller), body): With<Authenticated, ChangeBody>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let by_span = body.expires_in.is_some();
    let change = body.parse(&lifetime::LINK, &lifetime::LINK_ACCESS, broker.now())?;
    let link = broker.change_link(&caller, render::id(&id)?, &change).await.map_err(as_given(by_span))?;
    Ok(HttpResponse::Ok().json(LinkView::from(link)))
}
