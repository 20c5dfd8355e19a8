//! Cloakroom's own edge: serves artifacts, each on its own host, to browsers
//! that carry its signed cookies.
//!
//! On this host runs the artifact's own script. Nothing here reads a cookie
//! or credential of the API, and nothing here is on the API's host.

use std::io;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder,
    body::SizedStream,
    cookie::{Cookie, SameSite, time},
    guard::{Guard, GuardContext},
    http::{Method, StatusCode, header},
    web,
};
use futures_util::{StreamExt, stream};
use serde::Deserialize;

use crate::{
    crypto::edge_cookie::{EdgeCookies, NAMES},
    domain::ids::RequestId,
    objects::{ArtifactLabel, WantedRange},
    service::{AddressClass, Asking, Broker, Error, edge::EdgeFile, link_redemption::ENTER_PATH},
    web::pages,
};

use super::{
    client,
    conditional::{is_known, wanted_range},
    fetched, hosts, limits,
    problem::Problem,
};

/// The routes of every artifact's host.
pub fn configure(routes: &mut web::ServiceConfig, content_authority: String) {
    routes.service(
        web::scope("")
            .guard(ArtifactHost { content_authority })
            .app_data(web::FormConfig::default().limit(LARGEST_FORM).error_handler(|_, request| {
                let page = match request.app_data::<web::Data<Broker>>() {
                    Some(broker) => not_admitted(request, broker),
                    None => missing(request),
                };
                actix_web::error::InternalError::from_response("not a handoff form", page).into()
            }))
            .service(
                web::resource(ENTER_PATH)
                    .route(web::post().to(enter))
                    .default_service(web::to(|| async { wrong_method("POST") })),
            )
            .default_service(web::to(serve)),
    );
}

/// A code has some 600 characters.
const LARGEST_FORM: usize = 16 * 1024;

/// Host names of the form `<label>.<content authority>`.
struct ArtifactHost {
    content_authority: String,
}

impl Guard for ArtifactHost {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        let asked = hosts::asked(context.head()).map(str::to_ascii_lowercase);
        let label = asked.and_then(|host| label_of(&host, &self.content_authority));
        if let Some(label) = &label {
            context.req_data_mut().insert(label.clone());
        }
        label.is_some()
    }
}

fn label_of(host: &str, content_authority: &str) -> Option<ArtifactLabel> {
    let label = host.strip_suffix(content_authority)?.strip_suffix('.')?;
    ArtifactLabel::parse(label)
}

fn label(request: &HttpRequest) -> Result<ArtifactLabel, Problem> {
    request.extensions().get::<ArtifactLabel>().cloned().ok_or_else(Problem::not_found)
}

/// The form of a handoff.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnterForm {
    code: String,
}

async fn enter(request: HttpRequest, broker: web::Data<Broker>, form: web::Form<EnterForm>) -> HttpResponse {
    if limits::of_address(&request, AddressClass::Redeem).is_err() {
        return slow_down(&request);
    }
    let id = RequestId::new(broker.now(), broker.entropy.bytes());
    let asking = Asking { request: id, from: client::address(&request), agent: client::agent(&request) };
    let entered = match label(&request) {
        Ok(label) if comes_from_us(&request, &broker) => broker.enter(&label, &form.code, asking).await,
        _ => Err(Error::DeadToken),
    };
    match entered {
        Ok((cookies, until)) => {
            let seconds = until.since(broker.now()).as_secs();
            let mut response = HttpResponse::SeeOther();
            response.insert_header((header::LOCATION, "/"));
            for (name, value) in NAMES.into_iter().zip(cookies.values) {
                let cookie = Cookie::build(name, value)
                    .path("/")
                    .http_only(true)
                    .secure(broker.settings.content.scheme == "https")
                    .same_site(SameSite::Lax)
                    .max_age(time::Duration::seconds(i64::try_from(seconds).unwrap_or(0)));
                response.cookie(cookie.finish());
            }
            closed(&mut response).finish()
        }
        Err(Error::DeadToken | Error::NotFound) => {
            limits::report_dead_code(&request, &broker, id);
            not_admitted(&request, &broker)
        }
        Err(fault) => unavailable(&request, fault),
    }
}

/// Another site must not make a browser enter with a code of its own.
fn comes_from_us(request: &HttpRequest, broker: &Broker) -> bool {
    fetched::is_handed_off(request.headers(), &broker.settings.public_url)
}

async fn serve(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return wrong_method("GET, HEAD");
    }
    let cookies = edge_cookies(&request);
    let admitted = match (label(&request), cookies) {
        (Ok(label), Some(cookies)) => broker.admitted(&label, &cookies).await,
        _ => Err(Error::DeadToken),
    };
    let artifact = match admitted {
        Ok(artifact) => artifact,
        Err(Error::DeadToken) => return not_admitted(&request, &broker),
        Err(fault) => return unavailable(&request, fault),
    };
    let Some(path) = decoded(request.path()) else { return missing(&request) };
    match broker.edge_file(&artifact, &path).await {
        Ok(file) => send(&request, &broker, &file).await,
        Err(Error::NotFound) => missing(&request),
        Err(fault) => unavailable(&request, fault),
    }
}

fn edge_cookies(request: &HttpRequest) -> Option<EdgeCookies> {
    let value = |name: &str| request.cookie(name).map(|cookie| cookie.value().to_owned());
    let [policy, signature, key_pair_id, hash_algorithm] = NAMES;
    let values = [value(policy)?, value(signature)?, value(key_pair_id)?, value(hash_algorithm)?];
    Some(EdgeCookies { values })
}

/// A URL path with its percent-encoding undone, once.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let (digits, after) = tail.split_first_chunk::<2>()?;
            let mut value = [0];
            base16ct::mixed::decode(digits, &mut value).ok()?;
            bytes.push(value[0]);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

async fn send(request: &HttpRequest, broker: &Broker, file: &EdgeFile) -> HttpResponse {
    let headers = request.headers();
    let etag = file.etag.0.as_str();
    if is_known(headers, etag) {
        let mut response = HttpResponse::NotModified();
        response.insert_header((header::ETAG, etag));
        return closed(&mut response).finish();
    }
    let mut response = HttpResponse::Ok();
    let range = match wanted_range(request, etag, file.size) {
        WantedRange::Whole => None,
        WantedRange::Part(part) => {
            let extent = format!("bytes {}-{}/{}", part.first, part.last, file.size);
            response.status(StatusCode::PARTIAL_CONTENT).insert_header((header::CONTENT_RANGE, extent));
            Some(part)
        }
        WantedRange::Beyond => {
            let mut response = HttpResponse::build(StatusCode::RANGE_NOT_SATISFIABLE);
            response.insert_header((header::CONTENT_RANGE, format!("bytes */{}", file.size)));
            return closed(&mut response).finish();
        }
    };
    response.insert_header((header::CONTENT_TYPE, file.content_type.as_str()));
    response.insert_header((header::ETAG, etag));
    response.insert_header((header::ACCEPT_RANGES, "bytes"));
    let length = range.map_or(file.size, |part| part.length());
    closed(&mut response);
    if request.method() == Method::HEAD {
        // actix keeps the length and drops the (absent) bytes unread.
        return response.body(SizedStream::new(length, stream::empty::<Result<_, io::Error>>()));
    }
    match broker.edge_bytes(file, range).await {
        Ok(bytes) => {
            let bytes = bytes.map(|chunk| chunk.map_err(|fault| io::Error::other(fault.to_string())));
            response.body(SizedStream::new(length, bytes))
        }
        Err(Error::NotFound) => missing(request),
        Err(fault) => unavailable(request, fault),
    }
}

/// Headers of everything on an artifact's host.
fn closed(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        // An artifact may frame pages of its own.
        .insert_header((header::X_FRAME_OPTIONS, "SAMEORIGIN"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "frame-ancestors 'self'"))
}

fn page(status: StatusCode, html: String) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    closed(&mut response)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, pages::STATIC_POLICY))
        .body(html)
}

/// Without valid cookies: one page, whatever is or is not there.
fn not_admitted(request: &HttpRequest, broker: &Broker) -> HttpResponse {
    page(StatusCode::FORBIDDEN, pages::not_admitted(request.headers(), &broker.settings.public_url))
}

fn wrong_method(allowed: &'static str) -> HttpResponse {
    let mut response = HttpResponse::MethodNotAllowed();
    closed(&mut response).insert_header((header::ALLOW, allowed)).finish()
}

fn missing(request: &HttpRequest) -> HttpResponse {
    page(StatusCode::NOT_FOUND, pages::missing_file(request.headers()))
}

fn unavailable(request: &HttpRequest, fault: Error) -> HttpResponse {
    tracing::error!(%fault, "an artifact could not be served");
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, pages::unavailable(request.headers()));
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("2"));
    response
}

/// Too many codes came from one address.
fn slow_down(request: &HttpRequest) -> HttpResponse {
    let mut response = page(StatusCode::TOO_MANY_REQUESTS, pages::unavailable(request.headers()));
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_artifacts_only_with_its_whole_label() {
        let label = "0123456789012345678901234567890123456789";
        assert!(label_of(&format!("{label}.localhost:8081"), "localhost:8081").is_some());
        for host in [
            "localhost:8081",
            ".localhost:8081",
            "x.localhost:8081",
            &format!("{label}localhost:8081"),
            &format!("{label}.localhost:8082"),
            &format!("a.{label}.localhost:8081"),
        ] {
            assert!(label_of(host, "localhost:8081").is_none(), "{host}");
        }
    }

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(decoded("/a%20b").as_deref(), Some("/a b"));
        assert_eq!(decoded("/%252e").as_deref(), Some("/%2e"));
        assert_eq!(decoded("/%ff"), None);
        assert_eq!(decoded("/%2"), None);
        assert_eq!(decoded("/%zz"), None);
    }
}
