//! Signing in to the console at an identity provider: there, and back.
//!
//! Both are navigations of a browser. What it carries meanwhile is in a cookie of
//! its own: `SameSite=Lax`, since one that is `Strict` does not come back with the provider's redirect.
//! Wherever somebody came from, they end up at `/console`: no address to go to is taken from a request.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time},
    http::header::LOCATION,
    web::{self, get, resource},
};
use serde::Deserialize;

use crate::{
    crypto::secret::SecretText,
    domain::{ids::RequestId, lifetime},
    service::{
        Broker, Error,
        single_sign_on::{Answer, Arrival},
    },
};

use super::{
    extract::{cookie_name, is_secure, request_id},
    problem::Problem,
};

/// Carries the sealed attempt.
const SIGNING_IN_COOKIE: &str = "signing-in";

/// The seam to the sessions of the console: what becomes of somebody for whom a
/// provider has vouched.
pub trait BeginSession: 'static {
    /// Begins a session, and gives its cookies. The attempt must begin no second one: that goes into the same commit.
    ///
    /// # Errors
    /// When this identity may not sign in, or the attempt has been used.
    fn begin_session(
        broker: &Broker,
        arrival: Arrival,
        request: RequestId,
    ) -> impl Future<Output = Result<Vec<Cookie<'static>>, Problem>>;
}

/// Adds the two routes, for sessions that begin like this.
pub fn configure<S: BeginSession>(routes: &mut web::ServiceConfig) {
    routes
        .service(resource("/console/sign-in/{provider}").route(get().to(depart)))
        .service(resource("/console/sign-in/{provider}/callback").route(get().to(arrive::<S>)));
}

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
    let name = cookie_name(SIGNING_IN_COOKIE, is_secure(broker));
    let cookies = request.cookies().ok()?;
    let mut named = cookies.iter().filter(|cookie| cookie.name() == name);
    let (only, another) = (named.next()?, named.next());
    another.is_none().then(|| SecretText::new(only.value()))
}

/// To the provider.
async fn depart(broker: web::Data<Broker>, provider: web::Path<String>) -> Result<HttpResponse, Problem> {
    let departure = broker.depart(&provider).await?;
    let cookie = cookie(&broker, Some(&departure.cookie));
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, departure.url)).cookie(cookie).finish())
}

/// And back.
async fn arrive<S: BeginSession>(
    request: HttpRequest,
    broker: web::Data<Broker>,
    provider: web::Path<String>,
    query: Result<web::Query<AnswerQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let web::Query(query) = query.map_err(|_| Error::Unauthenticated)?;
    let (state, answer) = query.parted();
    let arrival = broker.arrive(&provider, attempt(&request, &broker).as_ref(), &state, answer).await?;
    let cookies = S::begin_session(&broker, arrival, request_id(&request)).await?;
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, "/console")).cookie(cookie(&broker, None));
    for cookie in cookies {
        response.cookie(cookie);
    }
    Ok(response.finish())
}
