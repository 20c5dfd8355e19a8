//! Cloakroom's own edge: serves artifacts, each on its own host, to browsers
//! that carry its signed cookies.
//!
//! On this host runs the artifact's own script. Nothing here reads a cookie
//! or credential of the API, and nothing here is on the API's host.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder,
    cookie::{Cookie, SameSite, time},
    guard::{Guard, GuardContext},
    http::{Method, StatusCode, header},
    web,
};
use serde::Deserialize;

use crate::{
    crypto::edge_cookie::{EdgeCookies, NAMES},
    domain::ids::RequestId,
    objects::{ArtifactLabel, ByteRange},
    service::{Broker, Error, edge::EdgeFile, link_redemption::ENTER_PATH},
    web::pages,
};

use super::problem::Problem;

/// The routes of every artifact's host.
pub fn configure(routes: &mut web::ServiceConfig, content_authority: String) {
    routes.service(
        web::scope("")
            .guard(ArtifactHost { content_authority })
            .app_data(web::FormConfig::default().limit(LARGEST_FORM).error_handler(|_, request| {
                let page = match request.app_data::<web::Data<Broker>>() {
                    Some(broker) => not_admitted(broker),
                    None => missing(),
                };
                actix_web::error::InternalError::from_response("not a handoff form", page).into()
            }))
            .service(
                web::resource(ENTER_PATH)
                    .route(web::post().to(enter))
                    .default_service(web::to(|broker: web::Data<Broker>| async move { not_admitted(&broker) })),
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
        let head = context.head();
        let host = head.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| head.uri.authority().map(|authority| authority.as_str()));
        let label = host.and_then(|host| label_of(host, &self.content_authority));
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
    let id = RequestId::new(broker.now(), broker.entropy.bytes());
    let entered = match label(&request) {
        Ok(label) if comes_from_us(&request, &broker) => broker.enter(&label, &form.code, id).await,
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
        Err(Error::DeadToken | Error::NotFound) => not_admitted(&broker),
        Err(fault) => unavailable(fault),
    }
}

/// Another site must not make a browser enter with a code of its own. Our page
/// sends no referrer, so that browsers say `null` for it.
fn comes_from_us(request: &HttpRequest, broker: &Broker) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.as_bytes().to_vec());
    let origin = header("origin");
    let from_us = origin.is_none_or(|origin| origin == b"null" || origin == broker.settings.public_url.as_bytes());
    let navigates = header("sec-fetch-mode").is_none_or(|mode| mode == b"navigate");
    from_us && navigates
}

async fn serve(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "GET, HEAD")).finish();
    }
    let cookies = edge_cookies(&request);
    let admitted = match (label(&request), cookies) {
        (Ok(label), Some(cookies)) => broker.admitted(&label, &cookies).await,
        _ => Err(Error::DeadToken),
    };
    let artifact = match admitted {
        Ok(artifact) => artifact,
        Err(Error::DeadToken) => return not_admitted(&broker),
        Err(fault) => return unavailable(fault),
    };
    let Some(path) = decoded(request.path()) else { return missing() };
    match broker.edge_file(&artifact, &path).await {
        Ok(file) => send(&request, &broker, &file).await,
        Err(Error::NotFound) => missing(),
        Err(fault) => unavailable(fault),
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
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let etag = file.etag.0.as_str();
    let matches = |list: &str| {
        list.split(',').any(|one| {
            matches!(one.trim().trim_start_matches("W/"), "*") || one.trim().trim_start_matches("W/") == etag
        })
    };
    if header(header::IF_NONE_MATCH).is_some_and(matches) {
        let mut response = HttpResponse::NotModified();
        response.insert_header((header::ETAG, etag));
        return closed(&mut response).finish();
    }
    // A range of another version than the one that is there is answered whole (RFC 9110 section 13.1.5).
    let same_version = header(header::IF_RANGE).is_none_or(|wanted| wanted == etag);
    let range =
        header(header::RANGE).filter(|_| same_version).map_or(Range::Whole, |range| parse_range(range, file.size));
    let (status, range) = match range {
        Range::Whole => (StatusCode::OK, None),
        Range::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
        Range::Unsatisfiable => {
            let mut response = HttpResponse::build(StatusCode::RANGE_NOT_SATISFIABLE);
            response.insert_header((header::CONTENT_RANGE, format!("bytes */{}", file.size)));
            return closed(&mut response).finish();
        }
    };

    let mut response = HttpResponse::build(status);
    response.insert_header((header::CONTENT_TYPE, file.content_type.as_str()));
    response.insert_header((header::ETAG, etag));
    response.insert_header((header::ACCEPT_RANGES, "bytes"));
    if let Some(part) = range {
        response.insert_header((header::CONTENT_RANGE, format!("bytes {}-{}/{}", part.first, part.last, file.size)));
    }
    let length = range.map_or(file.size, |part| part.last - part.first + 1);
    let response = closed(&mut response);
    if request.method() == Method::HEAD {
        response.no_chunking(length);
        return response.body(actix_web::body::SizedStream::new(
            length,
            futures_util::stream::empty::<Result<_, std::io::Error>>(),
        ));
    }
    match broker.edge_bytes(file, range).await {
        Ok(bytes) => {
            use futures_util::StreamExt;
            let bytes = bytes.map(|chunk| chunk.map_err(|fault| std::io::Error::other(fault.to_string())));
            response.body(actix_web::body::SizedStream::new(length, bytes))
        }
        Err(Error::NotFound) => missing(),
        Err(fault) => unavailable(fault),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part(ByteRange),
    Unsatisfiable,
}

/// One range of bytes (RFC 9110 section 14.2). Several at once, and what is
/// no range, are answered with the whole.
fn parse_range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Whole;
    };
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match (first, last) {
        ("", suffix) => match number(suffix) {
            Some(0) => Range::Unsatisfiable,
            Some(_) if size == 0 => Range::Unsatisfiable,
            Some(length) => Range::Part(ByteRange { first: size.saturating_sub(length), last: size - 1 }),
            None => Range::Whole,
        },
        (first, "") => match number(first) {
            Some(first) if first < size => Range::Part(ByteRange { first, last: size - 1 }),
            Some(_) => Range::Unsatisfiable,
            None => Range::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first > last => Range::Whole,
            (Some(first), Some(last)) if first < size => Range::Part(ByteRange { first, last: last.min(size - 1) }),
            (Some(_), Some(_)) => Range::Unsatisfiable,
            _ => Range::Whole,
        },
    }
}

/// Headers of everything on an artifact's host.
fn closed(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "frame-ancestors 'self'"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
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
fn not_admitted(broker: &Broker) -> HttpResponse {
    page(StatusCode::FORBIDDEN, pages::not_admitted(&broker.settings.public_url))
}

fn missing() -> HttpResponse {
    page(StatusCode::NOT_FOUND, pages::missing_file())
}

fn unavailable(fault: Error) -> HttpResponse {
    tracing::error!(%fault, "an artifact could not be served");
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, pages::unavailable());
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("2"));
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
    fn ranges_are_read_as_the_standard_says() {
        let part = |first, last| Range::Part(ByteRange { first, last });
        for (text, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-100", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-100", part(0, 9)),
            ("bytes=10-", Range::Unsatisfiable),
            ("bytes=10-12", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=3-2", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("bytes=-", Range::Whole),
            ("bytes=a-b", Range::Whole),
            ("bytes=+1-2", Range::Whole),
            ("lines=1-2", Range::Whole),
            ("bytes=99999999999999999999-", Range::Whole),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Range::Unsatisfiable);
        assert_eq!(parse_range("bytes=-1", 0), Range::Unsatisfiable);
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
