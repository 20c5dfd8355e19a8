//! Who is calling: the one place where a request becomes a principal.

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{AUTHORIZATION, COOKIE, ORIGIN},
    web,
};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use crate::{
    crypto::{
        opaque::{ApiKeySecret, ConsoleSecret},
        secret::SecretText,
        submission_token::SubmissionToken,
    },
    domain::ids::{RequestId, SessionId},
    service::{Asking, Broker, Caller, Error, SessionSpender, sessions::Session, uploads::MayUpload},
};

use super::{client, cross_origin, fetched, guards, json, limits, problem::Problem};

/// Chooses among several session cookies; scripts of the session page send it.
pub const SESSION_HEADER: &str = "Cloakroom-Session";

/// Repeats the CSRF cookie; scripts of the console send it.
pub const CSRF_HEADER: &str = "Cloakroom-CSRF";

/// The id drawn for this request.
pub fn request_id(request: &HttpRequest) -> RequestId {
    request.extensions().get::<RequestId>().copied().unwrap_or(RequestId::from_bytes([0; 16]))
}

/// What is known of whoever sends this request.
pub(super) fn asking(request: &HttpRequest) -> Asking {
    Asking { request: request_id(request), from: client::address(request), agent: client::agent(request) }
}

pub(super) fn broker(request: &HttpRequest) -> Result<web::Data<Broker>, Problem> {
    let missing = || Problem::from(Error::Internal("the application has no broker".into()));
    request.app_data::<web::Data<Broker>>().cloned().ok_or_else(missing)
}

pub(super) fn bearer(request: &HttpRequest) -> Option<SecretText> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| SecretText::new(token.trim()))
}

/// A caller with a valid API key, or in a live session of the console. Where
/// both are there, the key counts.
#[derive(Debug)]
pub struct Authenticated(pub Caller);

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (broker, asking) = (broker(request), asking(request));
        let request = request.clone();
        Box::pin(async move {
            let broker = broker?;
            let caller = match bearer(&request) {
                Some(secret) => broker.authenticate(&secret, asking).await?,
                None => {
                    let secret = console_secret(&request, &broker).ok_or(Error::Unauthenticated)?;
                    let caller = broker.in_console(&secret, asking).await?;
                    if !repeats_csrf_token(&request, &secret) {
                        return Err(Problem::csrf());
                    }
                    caller
                }
            };
            cross_origin::hold_to_tenant(&request, &caller)?;
            limits::of_caller(&request, &caller).await?;
            Ok(Self(caller))
        })
    }
}

/// The secret of whoever is [`Authenticated`], which is the same in each of their requests.
pub(super) fn lasting_credential(request: &HttpRequest, broker: &Broker) -> Option<SecretText> {
    // A provider's tokens change every few minutes.
    let key = bearer(request).map(|bearer| ApiKeySecret::parse(&bearer).ok().map(|_| bearer));
    key.unwrap_or_else(|| console_secret(request, broker).map(|secret| SecretText::new(secret.expose())))
}

/// A JSON body from a principal. Who that is, is looked at when the whole body
/// is there: one that is held back must not hold on to rights that end meanwhile.
pub struct With<P, T>(pub P, pub T);

impl<P, T> FromRequest for With<P, T>
where
    P: FromRequest<Error = Problem> + 'static,
    T: DeserializeOwned + 'static,
{
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let received = json::receive(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let received = received.await?;
            let principal = P::extract(&request).await?;
            Ok(Self(principal, received.parse()?))
        })
    }
}

/// A caller with a valid API key or in a session of the console, or nobody in
/// particular. A cookie that comes along counts for nothing where it would be refused.
#[derive(Debug)]
pub struct MaybeAuthenticated(pub Option<Caller>);

impl FromRequest for MaybeAuthenticated {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if bearer(request).is_some() {
            let authenticated = Authenticated::from_request(request, payload);
            return Box::pin(async move { authenticated.await.map(|Authenticated(caller)| Self(Some(caller))) });
        }
        let (broker, asking) = (broker(request), asking(request));
        let request = request.clone();
        Box::pin(async move {
            let broker = broker?;
            let secret = console_secret(&request, &broker).filter(|secret| repeats_csrf_token(&request, secret));
            let Some(secret) = secret else { return Ok(Self(None)) };
            match broker.in_console(&secret, asking).await {
                Ok(caller) => Ok(Self(Some(caller))),
                Err(Error::Unauthenticated) => Ok(Self(None)),
                Err(fault) => Err(fault.into()),
            }
        })
    }
}

/// A JSON body that presents a credential, and who sends it, if that is known. One is looked at after the other: how much of
/// a body was read when somebody is refused must not depend on why.
#[derive(Debug)]
pub struct Looking<T>(pub T, pub Option<Caller>);

impl<T: DeserializeOwned + limits::Presents + 'static> FromRequest for Looking<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json::Json::<T>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let json::Json(body) = body.await?;
            let MaybeAuthenticated(caller) = MaybeAuthenticated::extract(&request).await?;
            Ok(Self(body, caller))
        })
    }
}

/// A claimant with a live session, by bearer token or by cookie.
#[derive(Debug)]
pub struct InSession(pub Session);

impl FromRequest for InSession {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let broker = broker(request);
        let request = request.clone();
        Box::pin(async move {
            let broker = broker?;
            if let Some(token) = bearer(&request) {
                let session = broker.session(&token, asking(&request)).await?;
                limits::of_session(&request, SessionSpender::Session(session.id))?;
                return Ok(Self(session));
            }
            let named = request.headers().get(SESSION_HEADER).and_then(|value| value.to_str().ok());
            by_cookie(&request, &broker, named).await
        })
    }
}

impl InSession {
    /// The claimant whose page sent a form of this session: by cookie alone. Browsers say where a form comes
    /// from; one that does not say is not let in, since this content type goes out to other sites unasked.
    pub(super) async fn by_form(request: &HttpRequest, session: &str) -> Result<Self, Problem> {
        let broker = broker(request)?;
        let origin = request.headers().get(ORIGIN).map(|origin| origin.as_bytes());
        if origin != Some(broker.settings.public_url.as_bytes()) {
            return Err(fetched::refused());
        }
        by_cookie(request, &broker, Some(session)).await
    }
}

async fn by_cookie(request: &HttpRequest, broker: &Broker, named: Option<&str>) -> Result<InSession, Problem> {
    let (named, token) = session_cookie(request, is_secure(broker), named).ok_or(Error::NoSession)?;
    let session = broker.session(&token, asking(request)).await?;
    // A cookie under another session's name was put there by somebody else.
    if session.id != named {
        return Err(Error::NoSession.into());
    }
    limits::of_session(request, SessionSpender::Session(session.id))?;
    Ok(InSession(session))
}

/// Somebody who may upload without an API key: in a session that may write,
/// or delivering to a file request.
pub struct Uploading(pub Box<dyn MayUpload>);

impl FromRequest for Uploading {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let delivering = bearer(request).filter(SubmissionToken::is_one);
        let Some(token) = delivering else {
            let session = InSession::from_request(request, payload);
            return Box::pin(async move { session.await.map(|InSession(session)| Self(Box::new(session))) });
        };
        let (broker, asking) = (broker(request), asking(request));
        let request = request.clone();
        Box::pin(async move {
            let delivering = broker?.delivering(&token, asking).await?;
            limits::of_session(&request, delivering.spender())?;
            Ok(Self(Box::new(delivering)))
        })
    }
}

/// Whether cookies can be held to TLS.
pub(super) fn is_secure(broker: &Broker) -> bool {
    guards::is_encrypted(&broker.settings.public_url)
}

/// The names of the cookies of a console session: its secret, and what has to
/// be repeated in a header.
pub(super) const CONSOLE_COOKIE: &str = "console";
pub(super) const CSRF_COOKIE: &str = "csrf";

/// The cookies, each by its name as it was sent. Decoded, `__%48ost-` would read like a prefix that a browser
/// grants only to what this very host has set.
pub(super) fn cookies(request: &HttpRequest) -> impl Iterator<Item = (&str, &str)> {
    let lines = request.headers().get_all(COOKIE).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='))
}

/// The secret of a console session. Two of that name were not both set by us.
fn console_secret(request: &HttpRequest, broker: &Broker) -> Option<ConsoleSecret> {
    let wanted = cookie_name(CONSOLE_COOKIE, is_secure(broker));
    let mut named = cookies(request).filter(|(name, _)| *name == wanted);
    let (_, only) = named.next()?;
    match named.next() {
        None => ConsoleSecret::parse(&SecretText::new(only)).ok(),
        Some(_) => None,
    }
}

/// Whether a request that may change something shows that it comes from our own page.
fn repeats_csrf_token(request: &HttpRequest, secret: &ConsoleSecret) -> bool {
    if fetched::is_safe(request.method()) {
        return true;
    }
    let mut presented = request.headers().get_all(CSRF_HEADER);
    match (presented.next().and_then(|value| value.to_str().ok()), presented.next()) {
        (Some(token), None) => secret.accepts_csrf(token),
        _ => false,
    }
}

/// The name of a cookie of ours. On loopback HTTP browsers disagree about
/// `__Host-`, so it goes without there.
pub(super) fn cookie_name(of: &str, secure: bool) -> String {
    format!("{}{of}", cookie_prefix(secure))
}

/// The one prefix that is accepted: with TLS, only a cookie that this very host has set.
const fn cookie_prefix(secure: bool) -> &'static str {
    if secure { "__Host-cloakroom-" } else { "cloakroom-" }
}

/// The cookie of the named session; where none is named, the only session cookie there is.
fn session_cookie(request: &HttpRequest, secure: bool, named: Option<&str>) -> Option<(SessionId, SecretText)> {
    let mut matching = cookies(request).filter_map(|(name, value)| {
        let session = name.strip_prefix(cookie_prefix(secure))?.parse::<SessionId>().ok()?;
        let wanted = named.is_none_or(|named| session.to_string() == named);
        wanted.then(|| (session, SecretText::new(value)))
    });
    let only = matching.next()?;
    if matching.next().is_none() { Some(only) } else { None }
}
