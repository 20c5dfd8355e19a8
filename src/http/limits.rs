//! Rate limits over HTTP: asked where somebody is found out, told in headers, and what was refused to
//! strangers reported.
//!
//! Every route asks by its extractor: one that takes a credential in its body by [`super::json::Json`],
//! every other by those of [`super::extract`]; signing in by a provider asks in its handlers. So none can be reached by another spelling of its path.

use std::fmt::Write;

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{AUTHORIZATION, HeaderName, HeaderValue},
    web,
};

use crate::{
    crypto::secret::SecretText,
    service::{AddressClass, Broker, Caller, Error, Refused, RouteTaken, SessionSpender, Spent, TokenMark},
};

use super::{
    client,
    extract::request_id,
    problem::{Problem, seconds_up},
};

/// A body with a credential in it, from somebody of whom nothing else is known.
pub trait Presents {
    /// By which limit of an address.
    const CLASS: AddressClass;

    /// The credential.
    fn credential(&self) -> &SecretText;
}

/// What somebody asks of whom nothing else is known, and by what: for telling what was refused.
#[derive(Clone, Copy)]
struct Presented {
    class: AddressClass,
    mark: Option<TokenMark>,
}

/// What limits said about a request, for the headers of its answer.
#[derive(Default)]
struct Told(Vec<Spent>);

fn broker(request: &HttpRequest) -> Result<&web::Data<Broker>, Problem> {
    let missing = || Problem::from(Error::Internal("the application has no broker".into()));
    request.app_data::<web::Data<Broker>>().ok_or_else(missing)
}

/// Asks the limits of an address. To be called before anything that costs.
///
/// # Errors
/// When there were too many requests from there.
pub(super) fn of_address(request: &HttpRequest, class: AddressClass) -> Result<(), Problem> {
    let broker = broker(request)?;
    request.extensions_mut().insert(Presented { class, mark: None });
    let client = client::address(request);
    let route = pattern(request, broker);
    let asked = broker.limits.of_address(class, client, route_taken(request, route.as_deref()), broker.now());
    if asked.is_err() {
        broker.security.refused(Refused::Rate, client, None, request_id(request), broker.now());
    }
    note(request, asked)
}

/// Asks the limits of a caller with a key, or in the console.
///
/// # Errors
/// When there were too many requests, or the store does not answer.
pub(super) async fn of_caller(request: &HttpRequest, caller: &Caller) -> Result<(), Problem> {
    let broker = broker(request)?;
    let route = pattern(request, broker);
    let asked = broker.limit_caller(caller, route_taken(request, route.as_deref())).await;
    note(request, asked)
}

/// Asks the limits of a session.
///
/// # Errors
/// When there were too many requests in it.
pub(super) fn of_session(request: &HttpRequest, session: SessionSpender) -> Result<(), Problem> {
    let broker = broker(request)?;
    let route = pattern(request, broker);
    note(request, broker.limits.of_session(session, route_taken(request, route.as_deref()), broker.now()))
}

/// The pattern of the route; put together only where it matters.
fn pattern(request: &HttpRequest, broker: &Broker) -> Option<String> {
    if broker.limits.has_routes() { request.match_pattern() } else { None }
}

fn route_taken<'a>(request: &'a HttpRequest, pattern: Option<&'a str>) -> RouteTaken<'a> {
    RouteTaken { method: request.method().as_str(), pattern: pattern.unwrap_or_default() }
}

fn note(request: &HttpRequest, asked: Result<Vec<Spent>, Error>) -> Result<(), Problem> {
    let (spent, answer) = match asked {
        Ok(spent) => (spent, Ok(())),
        Err(Error::RateLimited { limit, rate, retry_after }) => {
            broker(request)?.limits.count_met(&limit);
            let spent = Spent { limit: limit.clone(), rate, remaining: 0, reset: retry_after };
            (vec![spent], Err(Error::RateLimited { limit, rate, retry_after }.into()))
        }
        Err(fault) => (Vec::new(), Err(fault.into())),
    };
    if !spent.is_empty() {
        let mut extensions = request.extensions_mut();
        match extensions.get_mut::<Told>() {
            Some(Told(told)) => told.extend(spent),
            None => drop(extensions.insert(Told(spent))),
        }
    }
    answer
}

/// The headers about limits that an answer has to carry: `RateLimit-Policy` and `RateLimit`
/// (draft-ietf-httpapi-ratelimit-headers-10).
pub(super) fn headers(request: &HttpRequest) -> Option<[(HeaderName, HeaderValue); 2]> {
    let extensions = request.extensions();
    let Told(told) = extensions.get::<Told>()?;
    let (mut policies, mut states) = (String::with_capacity(96), String::with_capacity(96));
    for Spent { limit, rate, remaining, reset } in told {
        let comma = if policies.is_empty() { "" } else { ", " };
        // Names of ours need no escapes; writing to a string does not fail.
        let _written = write!(policies, "{comma}\"{limit}\";q={};w={}", rate.requests(), rate.seconds());
        let _written = write!(states, "{comma}\"{limit}\";r={remaining};t={}", seconds_up(*reset));
    }
    Some([
        (HeaderName::from_static("ratelimit-policy"), HeaderValue::try_from(policies).ok()?),
        (HeaderName::from_static("ratelimit"), HeaderValue::try_from(states).ok()?),
    ])
}

/// Remembers what a body presents.
pub(super) fn presents(request: &HttpRequest, body: &impl Presents) {
    fn class_of<B: Presents>(_: &B) -> AddressClass {
        B::CLASS
    }
    if let Ok(broker) = broker(request) {
        let mark = Some(broker.security.mark(body.credential()));
        request.extensions_mut().insert(Presented { class: class_of(body), mark });
    }
}

/// Reports what was refused to a stranger, if this problem says that something was.
pub(super) fn report(request: &HttpRequest, problem: &Problem) {
    let Ok(broker) = broker(request) else { return };
    let presented = request.extensions().get::<Presented>().copied();
    let signing_in = presented.is_some_and(|presented| presented.class == AddressClass::SignIn);
    let what = match problem.code() {
        "unauthenticated" if signing_in => Refused::SignIn,
        "dead_token" | "unauthenticated" | "no_session" => Refused::Token,
        "password_wrong" | "recipient_wrong" | "too_many_tries" => Refused::Password,
        _ => return,
    };
    let bearer = || {
        let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        Some(broker.security.mark(&SecretText::new(value)))
    };
    // Who presents nothing is refused nothing. A cookie that has run out is no attack.
    let mark = presented.and_then(|presented| presented.mark).or_else(bearer);
    if mark.is_some() || signing_in {
        broker.security.refused(what, client::address(request), mark, request_id(request), broker.now());
    }
}

/// Reports a handoff code that opens nothing, on an artifact's host.
pub(super) fn report_dead_code(request: &HttpRequest, broker: &Broker, id: crate::domain::ids::RequestId) {
    broker.security.refused(Refused::Token, client::address(request), None, id, broker.now());
}
