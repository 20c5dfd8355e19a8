//! Events over HTTP, oldest first: a page of them, or a stream of server-sent events (HTML standard, section 9.2).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName},
    web::{self, Bytes},
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::event::EventType,
    service::{
        Broker, Error,
        event_lists::WantedEvents,
        event_streams::{Ended, Follower, Reading, Tiding},
        history::Recorded,
    },
};

use super::{
    conditional::only,
    extract::Authenticated,
    hang_up,
    histories::EventView,
    problem::{Problem, ProblemDocument},
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// After how many milliseconds a browser comes back when its connection was lost.
const COME_BACK: u32 = 2_000;

/// The most types that are asked for at a time.
const MOST_TYPES: usize = 20;

/// Which events.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only events after this number (`seq`), such as `next_after` of the answer before.
    #[param(value_type = Option<u64>)]
    pub after: Option<String>,
    /// Only events of these types, with commas between: `share.claimed,share.refused`. At most 20.
    #[serde(rename = "type")]
    pub kinds: Option<String>,
    /// At most this many items, 1 to 1,000; 50 where it is left out. A stream has none.
    pub limit: Option<usize>,
}

/// Events, and where to go on.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsView {
    /// Oldest first.
    pub items: Vec<EventView>,
    /// Ask again with this as `after` to go on, at once or later.
    pub next_after: u64,
    /// Whether there is more already.
    pub more: bool,
}

/// A number of an event.
pub(super) fn number(text: &str, name: &'static str) -> Result<u64, Problem> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| Problem::invalid(name, "the number of an event (seq), or 0 for what is before the first"))
}

/// Types of events, with commas between.
pub(super) fn types(text: Option<&str>) -> Result<Vec<EventType>, Problem> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let of_name = |name: &str| serde_json::from_value(name.trim().into());
    let kinds: Result<Vec<EventType>, _> = text.split(',').take(MOST_TYPES + 1).map(of_name).collect();
    match kinds {
        Ok(kinds) if kinds.len() <= MOST_TYPES => Ok(kinds),
        Ok(_) => Err(Problem::invalid("type", "at most 20 types; without any, all are told")),
        Err(_) => {
            Err(Problem::invalid("type", "types of events with commas between, such as share.claimed,share.refused"))
        }
    }
}

/// An event as streams tell it.
pub(super) fn written(recorded: Recorded) -> String {
    serde_json::to_string(&EventView::from(recorded)).unwrap_or_default()
}

/// List what happened in your namespace after a number, oldest first; or follow what happens. For administrators.
///
/// With `Accept: text/event-stream` it does not end: each event comes within about a second as a message whose `id` is its
/// number. Without `after` it begins at the present end; with the header `Last-Event-ID`, which browsers send when they come
/// back, after that.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", security(("api_key" = [])),
    params(EventsQuery, ("Last-Event-ID" = Option<u64>, Header, description = "Where a stream goes on")),
    responses(
        (status = 200, content((EventsView = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn list(
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    broker: web::Data<Broker>,
    query: web::Query<EventsQuery>,
) -> Result<HttpResponse, Problem> {
    let EventsQuery { after, kinds, limit } = query.into_inner();
    let after = after.map(|after| number(&after, "after")).transpose()?;
    let wanted = WantedEvents { after, kinds: types(kinds.as_deref())? };
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if !accepted.is_some_and(|accepted| accepted.contains("text/event-stream")) {
        let found = broker.events_after(&caller, &wanted, limit).await?;
        let items = found.items.into_iter().map(EventView::from).collect();
        return Ok(HttpResponse::Ok().json(EventsView { items, next_after: found.next_after, more: found.more }));
    }
    if limit.is_some() {
        return Err(Problem::invalid("limit", "a stream has no limit: leave it out"));
    }
    let last = request.headers().contains_key(LAST_EVENT_ID).then(|| only(request.headers(), &LAST_EVENT_ID));
    let last = last.map(|last| number(last.unwrap_or_default(), "Last-Event-ID")).transpose()?;
    let wanted = WantedEvents { after: last.or(wanted.after), ..wanted };
    let reading = Reading { written, hang_up: hang_up::of(&request) };
    let opened = broker.follow_events(&caller, wanted, reading).await;
    let follower = opened.map_err(|fault| match fault {
        Error::Invalid(fault) if last.is_some() => Problem::invalid("Last-Event-ID", fault.message),
        fault => fault.into(),
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header(("x-accel-buffering", "no"))
        .force_close()
        .streaming(told(follower)))
}

/// What of a stream is to come.
enum Next {
    Begin(Follower),
    GoOn(Follower),
    Nothing,
}

fn told(follower: Follower) -> impl futures_util::Stream<Item = Result<Bytes, Error>> {
    stream::unfold(Next::Begin(follower), async |next| {
        let (message, next) = match next {
            Next::Begin(follower) => {
                let after = follower.position();
                (format!("retry: {COME_BACK}\n: after {after}\n\n"), Next::GoOn(follower))
            }
            Next::GoOn(mut follower) => match follower.next().await {
                Tiding::Event(told) => (format!("id: {}\ndata: {}\n\n", told.seq, told.text), Next::GoOn(follower)),
                // Without data it is no message, and yet is remembered.
                Tiding::StillHere(position) => (format!(": still here\nid: {position}\n\n"), Next::GoOn(follower)),
                Tiding::Ended(why) => (format!(": ended: {}\n\n", reason(why)), Next::Nothing),
            },
            Next::Nothing => return None,
        };
        Some((Ok(Bytes::from(message)), next))
    })
}

/// The end of a stream in words.
pub(super) const fn reason(why: Ended) -> &'static str {
    match why {
        Ended::NotAllowed => "you may follow these events no more",
        Ended::Over => "a stream lasts an hour at most; go on with another",
        Ended::NotRead => "nothing was read; go on with another",
        Ended::Closing => "the server ends; go on with another",
        Ended::Unavailable => "events cannot be read now; go on with another",
    }
}
