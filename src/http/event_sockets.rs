//! Events by WebSocket (RFC 6455): for browsers, which open one with a URL alone. What opens it is a ticket.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    rt, web,
};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, Session};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    crypto::secret::SecretText,
    service::{
        AddressClass, Broker, Caller,
        event_lists::WantedEvents,
        event_streams::{Ended, Follower, Reading, Tiding},
    },
};

use super::{
    events::{number, reason, types, written},
    extract::{Authenticated, asking},
    fetched, hang_up,
    limits::{self, Presents},
    problem::{Problem, ProblemDocument},
};

/// The largest message that is taken, in bytes. None is needed.
const LARGEST_MESSAGE: usize = 1_024;

/// How many pings may go without an answer.
const UNANSWERED: u32 = 2;

/// A ticket that opens a stream of events.
#[derive(Serialize, ToSchema)]
pub struct EventTicketView {
    /// The ticket, for `ticket` of `/v1/events/ws`.
    #[schema(example = "cet_…")]
    pub ticket: String,
    /// Until when it may be used, once (RFC 3339): half a minute.
    pub expires_at: String,
}

/// Draw a ticket that opens one WebSocket of your events, once and within half a minute. For administrators.
#[utoipa::path(
    post, path = "/v1/events/tickets", tag = "events", security(("api_key" = [])),
    responses((status = 200, body = EventTicketView), (status = "4XX", body = ProblemDocument))
)]
pub async fn draw(Authenticated(caller): Authenticated, broker: web::Data<Broker>) -> Result<HttpResponse, Problem> {
    let drawn = broker.draw_event_ticket(&caller)?;
    let ticket = drawn.ticket.expose().to_owned();
    Ok(HttpResponse::Ok().json(EventTicketView { ticket, expires_at: drawn.expires_at.to_string() }))
}

/// What opens a WebSocket, and from where it tells. No `Debug`: the ticket is a credential.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SocketQuery {
    /// The ticket.
    #[param(value_type = String)]
    pub ticket: SecretText,
    /// Only events after this number; those that are still to come where it is left out.
    #[param(value_type = Option<u64>)]
    pub after: Option<String>,
    /// Only events of these types, with commas between. At most 20.
    #[serde(rename = "type")]
    pub kinds: Option<String>,
}

impl Presents for SocketQuery {
    const CLASS: AddressClass = AddressClass::Redeem;

    fn credential(&self) -> &SecretText {
        &self.ticket
    }
}

/// Follow what happens by WebSocket: each event is one text message, the same JSON as in `/v1/events`.
///
/// A page of another site may open it where the tenant allows its origin. It ends with code 1008 where you may follow no
/// more, and with 1001 where you are to open another.
#[utoipa::path(
    get, path = "/v1/events/ws", tag = "events", params(SocketQuery), security(()),
    responses((status = 101, description = "The WebSocket is open"), (status = "4XX", body = ProblemDocument))
)]
pub async fn open(
    request: HttpRequest,
    broker: web::Data<Broker>,
    query: Result<web::Query<SocketQuery>, actix_web::Error>,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    limits::of_address(&request, AddressClass::Redeem)?;
    // What is wrong with a query is told without it: there may be a ticket in it.
    let unreadable = |_| Problem::invalid("query", "ticket, and perhaps after and type");
    let query = query.map_err(unreadable)?.into_inner();
    limits::presents(&request, &query);
    let after = query.after.as_deref().map(|after| number(after, "after")).transpose()?;
    let wanted = WantedEvents { after, kinds: types(query.kinds.as_deref())? };
    let not_one = |_| {
        Problem::new(StatusCode::BAD_REQUEST, "not_a_websocket", "This is opened as a WebSocket")
            .detail("nothing was used up; without WebSockets, follow /v1/events with Accept: text/event-stream")
    };
    let (response, session, messages) = actix_ws::handle(&request, body).map_err(not_one)?;
    let presented = broker.present_event_ticket(&query.ticket, asking(&request)).await?;
    if !may_open(&request, &broker, &presented.caller) {
        return Err(fetched::refused());
    }
    let reading = Reading { written, hang_up: hang_up::of(&request) };
    let follower = broker.follow_events(&presented.caller, wanted, reading).await?;
    broker.use_event_ticket(&presented).await?;
    rt::spawn(tell(follower, session, messages.max_frame_size(LARGEST_MESSAGE)));
    Ok(response)
}

/// A page of ours, one that the tenant allows, or no page at all.
fn may_open(request: &HttpRequest, broker: &Broker, caller: &Caller) -> bool {
    let mut origins = request.headers().get_all(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    origins.all(|origin| {
        let allowed = caller.tenant.allowed_origins.iter().any(|allowed| allowed.as_str() == origin);
        origin == broker.settings.public_url || allowed
    })
}

async fn tell(mut follower: Follower, mut session: Session, mut messages: MessageStream) {
    let why = told(&mut follower, &mut session, &mut messages).await;
    drop(follower);
    // Whoever is gone hears nothing.
    let _gone = session.close(why).await;
}

/// Until it ends, or the client does.
async fn told(follower: &mut Follower, session: &mut Session, messages: &mut MessageStream) -> Option<CloseReason> {
    let mut unanswered = 0;
    loop {
        let sent = tokio::select! {
            tiding = follower.next() => match tiding {
                Tiding::Event(told) => session.text(told.text.clone()).await,
                Tiding::StillHere(_) if unanswered == UNANSWERED => return None,
                Tiding::StillHere(_) => {
                    unanswered += 1;
                    session.ping(b"").await
                }
                Tiding::Ended(why) => return Some((code(why), reason(why)).into()),
            },
            message = messages.recv() => match message {
                Some(Ok(Message::Ping(bytes))) => session.pong(&bytes).await,
                Some(Ok(Message::Pong(_))) => {
                    unanswered = 0;
                    Ok(())
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => return Some((CloseCode::Unsupported, "this tells, and takes nothing").into()),
            },
        };
        if sent.is_err() {
            return None;
        }
    }
}

const fn code(why: Ended) -> CloseCode {
    match why {
        Ended::NotAllowed => CloseCode::Policy,
        Ended::Over | Ended::NotRead | Ended::Closing | Ended::Unavailable => CloseCode::Away,
    }
}
