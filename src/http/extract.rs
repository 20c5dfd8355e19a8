//! Who is calling: the one place where a request becomes a principal.

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header::AUTHORIZATION, web};
use futures_util::future::LocalBoxFuture;

use crate::{
    crypto::secret::SecretText,
    domain::ids::{RequestId, SessionId},
    service::{Broker, Caller, Error, sessions::Session},
};

use super::problem::Problem;

/// Chooses among several session cookies; scripts of the session page send it.
pub const SESSION_HEADER: &str = "Cloakroom-Session";

/// The id drawn for this request.
pub fn request_id(request: &HttpRequest) -> RequestId {
    request.extensions().get::<RequestId>().copied().unwrap_or(RequestId::from_bytes([0; 16]))
}

fn broker(request: &HttpRequest) -> Result<web::Data<Broker>, Problem> {
    let missing = || Problem::from(Error::Internal("the application has no broker".into()));
    request.app_data::<web::Data<Broker>>().cloned().ok_or_else(missing)
}

fn bearer(request: &HttpRequest) -> Option<SecretText> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| SecretText::new(token.trim()))
}

/// A caller with a valid API key.
#[derive(Debug)]
pub struct Authenticated(pub Caller);

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (broker, secret, id) = (broker(request), bearer(request), request_id(request));
        Box::pin(async move {
            let secret = secret.ok_or(Error::Unauthenticated)?;
            Ok(Self(broker?.authenticate(&secret, id).await?))
        })
    }
}

/// A caller with a valid API key, or nobody in particular.
#[derive(Debug)]
pub struct MaybeAuthenticated(pub Option<Caller>);

impl FromRequest for MaybeAuthenticated {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if bearer(request).is_none() {
            return Box::pin(std::future::ready(Ok(Self(None))));
        }
        let authenticated = Authenticated::from_request(request, payload);
        Box::pin(async move { authenticated.await.map(|Authenticated(caller)| Self(Some(caller))) })
    }
}

/// A claimant with a live session, by bearer token or by cookie.
#[derive(Debug)]
pub struct InSession(pub Session);

impl FromRequest for InSession {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (broker, id) = (broker(request), request_id(request));
        let token = bearer(request).or_else(|| session_cookie(request));
        Box::pin(async move {
            let token = token.ok_or(Error::NoSession)?;
            Ok(Self(broker?.session(&token, id).await?))
        })
    }
}

/// The name of a session's cookie. On loopback HTTP browsers disagree about
/// `__Host-`, so it goes without there.
pub fn session_cookie_name(session: &str, secure: bool) -> String {
    format!("{}cloakroom-{session}", if secure { "__Host-" } else { "" })
}

/// The cookie of the session that the header names; without the header, the
/// only session cookie there is.
fn session_cookie(request: &HttpRequest) -> Option<SecretText> {
    let named = request.headers().get(SESSION_HEADER).and_then(|value| value.to_str().ok());
    let cookies = request.cookies().ok()?;
    let session_of = |name: &str| {
        let name = name.strip_prefix("__Host-").unwrap_or(name);
        name.strip_prefix("cloakroom-").and_then(|id| id.parse::<SessionId>().ok())
    };
    let mut matching = cookies.iter().filter(|cookie| {
        session_of(cookie.name()).is_some_and(|session| named.is_none_or(|named| session.to_string() == named))
    });
    let cookie = matching.next()?;
    match matching.next() {
        None => Some(SecretText::new(cookie.value())),
        Some(_) => None,
    }
}
