//! Pages of other sites that use the API by script, for tenants that allow theirs (Fetch standard, CORS protocol).
//!
//! They come with a credential of their own in `Authorization` and to routes that ask for one, or not at all: no cookie
//! counts for them, and no answer ever allows credentials that a browser would add by itself. Whether their origin is one
//! of the tenant's is asked where it becomes known whose request it is.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    dev::ServiceRequest,
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
};

use crate::{
    domain::web_origin::WebOrigin,
    service::{AddressClass, Broker, Caller},
};

use super::{conditional::only, extract::bearer, fetched, limits, openapi, problem::Problem};

/// For how many seconds a browser may remember that it may ask.
const REMEMBERED: &str = "600";

/// What scripts may send besides what they always may.
const HEADERS: &str = "authorization, content-type, idempotency-key, last-event-id";

/// What scripts may read besides what they always may.
const EXPOSED: &str = "idempotency-replayed, location, ratelimit, ratelimit-policy, request-id, retry-after";

/// The origin of another site, whose page sends this request.
#[derive(Clone)]
struct Foreign(WebOrigin);

/// What the guard makes of a request, as to where it comes from.
pub(super) enum Taken {
    /// It goes on.
    On,
    /// A browser asks whether it may send one.
    MayAsk(HttpResponse),
}

/// Looks at where a request comes from, before anything is done about it.
///
/// # Errors
/// When it is refused for that; when the store does not answer, or too much was asked from there.
pub(super) async fn take(request: &ServiceRequest, broker: &Broker) -> Result<Taken, Problem> {
    let own = &broker.settings.public_url;
    let is_foreign = fetched::is_foreign(request.head(), own);
    let asks_first = asked_for(request);
    if asks_first.is_some() {
        limits::of_address(request.request(), AddressClass::Redeem)?;
    }
    let shows_itself = asks_first.is_some() || bearer(request.request()).is_some();
    let method = asks_first.as_ref().unwrap_or(request.method()).as_str();
    let is_for_them = shows_itself && openapi::takes_keys(method, &request.match_pattern().unwrap_or_default());
    let admitted = match foreign_origin(request.headers(), own) {
        Some(origin) if is_for_them && broker.is_origin_of_any_tenant(&origin).await? => origin,
        _ if is_foreign || asks_first.is_some() => return Err(fetched::refused()),
        _ => return Ok(Taken::On),
    };
    request.extensions_mut().insert(Foreign(admitted));
    Ok(match asks_first {
        Some(method) => Taken::MayAsk(
            HttpResponse::NoContent()
                .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, method.as_str()))
                .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
                .insert_header((header::ACCESS_CONTROL_MAX_AGE, REMEMBERED))
                .finish(),
        ),
        None => Taken::On,
    })
}

/// The method that a browser asks for, before it sends the request itself.
fn asked_for(request: &ServiceRequest) -> Option<Method> {
    let asks = request.method() == Method::OPTIONS && request.headers().contains_key(header::ORIGIN);
    let method = only(request.headers(), &header::ACCESS_CONTROL_REQUEST_METHOD).filter(|_| asks)?;
    method.parse().ok()
}

/// The origin of another site, where exactly one is said, and as a browser says it.
fn foreign_origin(headers: &HeaderMap, own: &str) -> Option<WebOrigin> {
    let origin = only(headers, &header::ORIGIN).filter(|origin| *origin != own)?;
    WebOrigin::parse(origin).ok()
}

/// Holds a request from another site's page to what the caller's tenant allows.
///
/// # Errors
/// When it is not from there.
pub(super) fn hold_to_tenant(request: &HttpRequest, caller: &Caller) -> Result<(), Problem> {
    match request.extensions().get::<Foreign>() {
        Some(Foreign(origin)) if !caller.tenant.allowed_origins.contains(origin) => Err(fetched::refused()),
        _ => Ok(()),
    }
}

/// Tells a browser that the page may read the answer.
pub(super) fn allow(request: &HttpRequest, headers: &mut HeaderMap) {
    let Some(Foreign(origin)) = request.extensions().get::<Foreign>().cloned() else { return };
    if let Ok(origin) = HeaderValue::from_str(origin.as_str()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
}
