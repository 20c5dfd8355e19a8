//! Guards around every route: host names, origins, request ids, headers.

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};

use crate::{domain::ids::RequestId, service::Broker, web::pages};

use super::{
    cross_origin::{self, Taken},
    fetched, headers, hosts, limits, openapi,
    problem::Problem,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Around the API and its pages.
///
/// Draws the request id; refuses host names other than the public one (DNS
/// rebinding) and state-changing requests from pages that are not ours; sees to it that
/// no answer is stored, framed, sniffed or given away in a `Referer`.
///
/// # Errors
/// Never itself: what goes wrong inside becomes a problem document.
pub async fn api(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(broker) = request.app_data::<web::Data<Broker>>().cloned() else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let id = RequestId::new(broker.now(), broker.entropy.bytes());
    request.extensions_mut().insert(id);

    let answer = match wrong_host(&request, &broker, id) {
        Some(refusal) => Some(refusal),
        None => match cross_origin::take(&request, &broker).await {
            Ok(Taken::On) => None,
            Ok(Taken::MayAsk(answer)) => Some(answer),
            Err(refusal) => Some(refusal.response(Some(id.to_string()))),
        },
    };
    let mut response = match answer {
        Some(answer) => request.into_response(answer).map_into_boxed_body(),
        None => match next.call(request).await {
            Ok(response) => response.map_into_boxed_body(),
            Err(fault) => return Err(fault),
        },
    };
    let fault = response.response().error().map(|fault| match fault.as_error::<Problem>() {
        Some(problem) => problem.clone(),
        None => of_actix(fault.as_response_error().status_code()),
    });
    // A route without this method is answered by actix, with an empty body.
    let method = response.status() == StatusCode::METHOD_NOT_ALLOWED;
    if let Some(problem) = fault.or_else(|| method.then(|| of_actix(StatusCode::METHOD_NOT_ALLOWED))) {
        limits::report(response.request(), &problem);
        let mut answer = match for_a_reader(response.request()) {
            true => page(response.request(), &problem),
            false => problem.response(Some(id.to_string())),
        };
        if method {
            let pattern = response.request().match_pattern().unwrap_or_default();
            let methods = openapi::methods_of(&pattern, response.request().path());
            if let Ok(methods) = HeaderValue::try_from(methods) {
                answer.headers_mut().insert(header::ALLOW, methods);
            }
        }
        let (inner, _) = response.into_parts();
        response = ServiceResponse::new(inner, answer);
    }
    let of_limits = limits::headers(response.request());
    let request = response.request().clone();
    let headers = response.headers_mut();
    cross_origin::allow(&request, headers);
    for (name, value) in of_limits.into_iter().flatten() {
        headers.insert(name, value);
    }
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    headers::complete(headers, is_encrypted(&broker.settings.public_url));
    Ok(response)
}

/// Around user content. Whose host it is, the routes decide.
///
/// # Errors
/// What goes wrong inside.
pub async fn content(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let broker = request.app_data::<web::Data<Broker>>().cloned();
    let mut response = next.call(request).await?.map_into_boxed_body();
    headers::complete(response.headers_mut(), broker.is_some_and(|broker| broker.settings.content.scheme == "https"));
    Ok(response)
}

/// Around the operator's listener: refuses host names that somebody else could own.
///
/// # Errors
/// What goes wrong inside.
pub async fn operator(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let names = request.app_data::<web::Data<Broker>>().map(|broker| broker.settings.now().ops_hosts.clone());
    let mut response = match hosts::is_operators(request.head(), &names.unwrap_or_default()) {
        true => next.call(request).await?.map_into_boxed_body(),
        false => request.into_response(hosts::misdirected().response(None)),
    };
    headers::complete(response.headers_mut(), false);
    Ok(response)
}

/// Whether somebody looks at the answer: a browser that opens what is no route of the API.
fn for_a_reader(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    fetched::is_safe(request.method())
        && !request.path().starts_with("/v1/")
        && accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// The refusal in words.
fn page(request: &HttpRequest, problem: &Problem) -> HttpResponse {
    let plain = problem.response(None);
    let mut page = HttpResponse::build(plain.status())
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, pages::STATIC_POLICY))
        .insert_header((header::VARY, "accept, accept-language"))
        .body(pages::refused(request.headers(), plain.status()));
    if let Some(wait) = plain.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    page
}

/// What actix itself refused, before a handler was reached.
fn of_actix(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(status, "method_not_allowed", "This route has no such method"),
        status if status.is_client_error() => Problem::malformed("a part of the URL or its query cannot be read"),
        _ => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something is broken on our side"),
    }
}

fn wrong_host(request: &ServiceRequest, broker: &Broker, id: RequestId) -> Option<HttpResponse> {
    if hosts::is_for(request.head(), authority(&broker.settings.public_url)) {
        return None;
    }
    let path = request.path();
    let is_page = matches!(request.method().as_str(), "GET" | "HEAD") && !path.starts_with("/v1/");
    if is_page && path.starts_with('/') && !path.starts_with("//") {
        // A person who typed another name of this machine: browsers take the fragment along.
        let target = format!("{}{}", broker.settings.public_url, request.path());
        return Some(HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, target)).finish());
    }
    let problem = hosts::misdirected().detail(format!("use {}", broker.settings.public_url));
    Some(problem.response(Some(id.to_string())))
}

/// Whether people reach an origin by https.
pub(super) fn is_encrypted(origin: &str) -> bool {
    origin.starts_with("https:")
}

/// What follows the scheme of an origin.
pub fn authority(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, authority)| authority)
}
