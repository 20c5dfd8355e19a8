//! Filters of lists: in the query of a list, and in the body of a route that acts on what a filter takes.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    future::{Ready, ready},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::{
        filter::Filter,
        instant::Instant,
        metadata::{Metadata, MetadataKey, MetadataValue},
        principal::PrincipalId,
        redemption::Status,
    },
    service::{bulk_revocation::Revoked, listing::PageRequest},
};

use super::problem::Problem;

/// Which page of a list, and which things of it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; `Filtered` reads it")]
pub struct FilterQuery {
    /// At most this many items, 1 to 1,000; 50 where it is left out. A page may have fewer, or none, while
    /// `next_cursor` goes on: what the filter leaves out is looked at all the same.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Where the last page ended: its `next_cursor`. Send the same filter with it.
    cursor: Option<String>,
    /// Only those with this `status`.
    status: Option<String>,
    /// Only those made later than this (RFC 3339).
    created_after: Option<String>,
    /// Only those made earlier than this (RFC 3339).
    created_before: Option<String>,
    /// Only those made with the API key of this id.
    created_by: Option<String>,
    /// Only those whose metadata has these pairs: `metadata[key]=value`.
    #[param(style = DeepObject, explode)]
    metadata: Option<BTreeMap<String, String>>,
}

/// The states of what is listed, as the API names them.
pub trait States {
    /// Each state under its name.
    const STATES: [(&'static str, Status); 4];
}

/// Shares and links.
#[derive(Debug)]
pub struct Claimable;

impl States for Claimable {
    const STATES: [(&'static str, Status); 4] = [
        ("pending", Status::Pending),
        ("claimed", Status::Claimed),
        ("expired", Status::Expired),
        ("revoked", Status::Revoked),
    ];
}

/// File requests.
#[derive(Debug)]
pub struct Closable;

impl States for Closable {
    const STATES: [(&'static str, Status); 4] = [
        ("open", Status::Pending),
        ("full", Status::Claimed),
        ("expired", Status::Expired),
        ("closed", Status::Revoked),
    ];
}

/// A page of a list, and a filter, from the query of a request.
#[derive(Debug)]
pub struct Filtered<S> {
    /// Which page.
    pub page: PageRequest,
    /// Which things.
    pub filter: Filter,
    states: std::marker::PhantomData<S>,
}

impl<S: States> FromRequest for Filtered<S> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

impl<S: States> Filtered<S> {
    fn parse(query: &str) -> Result<Self, Problem> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query);
        let pairs = pairs.map_err(|fault| Problem::invalid("query", fault.to_string()))?.into_inner();
        let (mut page, mut filter) = (PageRequest::default(), Filter::default());
        for (index, (name, value)) in pairs.iter().enumerate() {
            let refused = |detail: String| Problem::invalid(name.as_str(), detail);
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(refused("is there twice".into()));
            }
            match name.as_str() {
                "limit" => page.limit = Some(value.parse().map_err(|_| refused("must be a number".into()))?),
                "cursor" => page.cursor = Some(value.clone()),
                "status" => {
                    let state = S::STATES.iter().find(|(name, _)| name == value);
                    let names = || S::STATES.map(|(name, _)| name).join(", ");
                    filter.status = Some(state.ok_or_else(|| refused(format!("must be one of {}", names())))?.1);
                }
                "created_after" => filter.created_after = Some(instant(value).ok_or_else(|| refused(NO_TIME.into()))?),
                "created_before" => {
                    filter.created_before = Some(instant(value).ok_or_else(|| refused(NO_TIME.into()))?)
                }
                "created_by" => {
                    let key = value.parse::<PrincipalId>();
                    filter.created_by = Some(key.map_err(|_| refused("must be the id of an API key or user".into()))?);
                }
                other => {
                    let key = other.strip_prefix("metadata[").and_then(|rest| rest.strip_suffix(']'));
                    let key = key.ok_or_else(|| refused("is no parameter of this list".into()))?;
                    let pair = MetadataKey::try_from(key.to_owned())
                        .and_then(|key| Ok((key, MetadataValue::try_from(value.clone())?)));
                    let added = pair.and_then(|(key, value)| filter.metadata.add(key, value));
                    added.map_err(|fault| refused(fault.to_string()))?;
                }
            }
        }
        Ok(Self { page, filter, states: std::marker::PhantomData })
    }
}

const NO_TIME: &str = "must be a time of RFC 3339, such as 2026-11-23T12:00:00Z";

fn instant(text: &str) -> Option<Instant> {
    serde_json::from_value(text.into()).ok()
}

/// What is to be revoked. At least one of these must be said; for everything, `created_before` the present time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeBody {
    /// Only those with this `status`: `pending` or `claimed`.
    #[schema(value_type = Option<String>)]
    pub status: Option<Status>,
    /// Only those made later than this (RFC 3339).
    #[schema(value_type = Option<String>)]
    pub created_after: Option<Instant>,
    /// Only those made earlier than this (RFC 3339).
    #[schema(value_type = Option<String>)]
    pub created_before: Option<Instant>,
    /// Only those made with the API key of this id.
    #[schema(value_type = Option<String>)]
    pub created_by: Option<PrincipalId>,
    /// Only those whose metadata has these pairs.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub metadata: Metadata,
    /// Where the last call ended: its `next_cursor`.
    pub cursor: Option<String>,
}

impl RevokeBody {
    /// Filter and cursor.
    pub(super) fn parse(self) -> Result<(Filter, Option<String>), Problem> {
        if matches!(self.status, Some(Status::Expired | Status::Revoked)) {
            return Err(Problem::invalid("/status", "must be pending or claimed; the others have ended already"));
        }
        let filter = Filter {
            status: self.status,
            created_after: self.created_after,
            created_before: self.created_before,
            created_by: self.created_by,
            metadata: self.metadata,
        };
        if filter.is_empty() {
            return Err(Problem::invalid("", "say which; for all of them, created_before the present time"));
        }
        Ok((filter, self.cursor))
    }
}

/// What came of revoking many.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevokedView {
    /// How many were revoked by this call. Those that had ended already are not counted.
    pub revoked: usize,
    /// Whether there may be more: call again with `cursor`.
    pub more: bool,
    /// Where to go on; null at the end.
    pub next_cursor: Option<String>,
}

impl From<Revoked> for RevokedView {
    fn from(Revoked { revoked, next_cursor }: Revoked) -> Self {
        Self { revoked, more: next_cursor.is_some(), next_cursor }
    }
}
