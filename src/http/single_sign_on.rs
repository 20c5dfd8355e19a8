//! Signing in to the console at an identity provider: there, and back.
//!
//! Both are navigations of a browser. What it carries meanwhile is in a cookie of
//! its own: `SameSite=Lax`, since one that is `Strict` does not come back with the provider's redirect.
//! Wherever somebody came from, they end up at `/console`: no address to go to is taken from a request.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time},
    http::header::LOCATION,
    web,
};
use serde::Deserialize;

use crate::{
    crypto::secret::SecretText,
    domain::lifetime,
    service::{AddressClass, Broker, Error, single_sign_on::Answer},
};

use super::{
    console,
    extract::{asking, cookie_name, cookies, is_secure},
    limits,
    problem::Problem,
};

/// Carries the sealed attempt.
const SIGNING_IN_COOKIE: &str = "signing-in";

/// What a provider answers by way of the browser. No `Debug`: a code is a credential.
#[derive(Deserialize)]
pub struct AnswerQuery {
    state: Option<String>,
    code: Option<SecretText>,
    iss: Option<String>,
    error: Option<String>,
}

impl AnswerQuery {
    fn parted(self) -> (String, Answer) {
        let code = match (self.code, self.error) {
            (Some(code), None) => Ok(code),
            (_, fault) => Err(fault.unwrap_or_default()),
        };
        (self.state.unwrap_or_default(), Answer { code, issuer: self.iss })
    }
}

/// The cookie of an attempt; without one, the cookie that removes it.
fn cookie(broker: &Broker, attempt: Option<&SecretText>) -> Cookie<'static> {
    let secure = is_secure(broker);
    let seconds = if attempt.is_some() { lifetime::SIGNING_IN.as_secs() } else { 0 };
    let value = attempt.map_or("", SecretText::expose).to_owned();
    Cookie::build(cookie_name(SIGNING_IN_COOKIE, secure), value)
        .path("/")
        .http_only(true)
        .secure(secure)
        .same_site(SameSite::Lax)
        .max_age(time::Duration::seconds(i64::try_from(seconds).unwrap_or(0)))
        .finish()
}

/// The sealed attempt of this browser. Two of that name were not both set by us.
fn attempt(request: &HttpRequest, broker: &Broker) -> Option<SecretText> {
    let wanted = cookie_name(SIGNING_IN_COOKIE, is_secure(broker));
    let mut named = cookies(request).filter(|(name, _)| *name == wanted);
    let (_, only) = named.next()?;
    named.next().is_none().then(|| SecretText::new(only))
}

/// To the provider.
pub async fn depart(
    request: HttpRequest,
    broker: web::Data<Broker>,
    provider: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    limits::of_address(&request, AddressClass::SignIn)?;
    let departure = broker.depart(&provider).await?;
    let cookie = cookie(&broker, Some(&departure.cookie));
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, departure.url)).cookie(cookie).finish())
}

/// And back.
pub async fn arrive(
    request: HttpRequest,
    broker: web::Data<Broker>,
    provider: web::Path<String>,
    query: Result<web::Query<AnswerQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    limits::of_address(&request, AddressClass::SignIn)?;
    let web::Query(query) = query.map_err(|_| Error::Unauthenticated)?;
    let (state, answer) = query.parted();
    let arrival = broker.arrive(&provider, attempt(&request, &broker).as_ref(), &state, answer).await?;
    let signed_in = broker.sign_in_by_provider(&arrival, asking(&request)).await?;
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, "/console")).cookie(cookie(&broker, None));
    for cookie in console::cookies_of(&broker, &signed_in) {
        response.cookie(cookie);
    }
    Ok(response.finish())
}
