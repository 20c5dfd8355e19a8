//! The embedded object storage on the content listener: `/o/{token}`.
//!
//! What a request may do is in its token; these handlers hold the request to
//! it and stream. Nothing here knows a session, a cookie or whose it is, and user
//! content is never answered from an origin that has a page of ours.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix_multipart::{Field, Multipart};
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, SizedStream},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::{Next, from_fn},
    web,
};
use futures_util::{Stream, StreamExt};
use serde_json::json;

use super::conditional::{is_known, only, wanted_range};
use crate::domain::{lifetime::transfer, web_origin::WebOrigin};
use crate::objects::{
    ContentType, ETag, ObjectFacts, PartContract, WantedRange,
    embedded::{EmbeddedStorage, Incoming, Refused},
};
use crate::service::Broker;

/// A sender that pauses for longer has lost its upload.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a form may add to its file: fields, part headers, boundaries.
const LARGEST_FORM: u64 = 64 * 1024;

/// No field that we ask for is longer.
const LONGEST_FIELD: usize = 2 * 1024;

/// The page shows pictures and media from itself, and runs nothing.
const SANDBOX: &str = "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; sandbox";

/// Origins of pages that may use this listener by script, spelled exactly as browsers do.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Arc<[String]>);

impl AllowedOrigins {
    /// These origins, such as `http://127.0.0.1:8080`, and no others.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self(origins.into_iter().collect())
    }

    /// Who may frame what is stored (Content Security Policy, level 3): pages that save it, in frames that nobody sees.
    fn framing(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("frame-ancestors {}", self.0.join(" "))).ok()
    }

    fn has(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    }
}

/// The origin of a page that may use this listener by script: one of ours, or one that a tenant names. What may be done,
/// the URL says; so it is not asked whose tenant it is.
#[derive(Clone)]
struct Admitted(HeaderValue);

async fn admitted(request: &ServiceRequest) -> Option<Admitted> {
    let origin = only(request.headers(), &header::ORIGIN)?;
    let value = HeaderValue::from_str(origin).ok()?;
    if request.app_data::<web::Data<AllowedOrigins>>().is_some_and(|ours| ours.has(&value)) {
        return Some(Admitted(value));
    }
    let (broker, origin) = (request.app_data::<web::Data<Broker>>()?.clone(), WebOrigin::parse(origin).ok()?);
    // Without an answer of the store, none.
    broker.is_origin_of_any_tenant(&origin).await.is_ok_and(|is_one| is_one).then_some(Admitted(value))
}

/// Adds the routes of the embedded storage.
pub fn configure(config: &mut web::ServiceConfig, storage: Arc<EmbeddedStorage>, origins: AllowedOrigins) {
    config.service(
        web::resource("/o/{token}")
            .app_data(web::Data::from(storage))
            .app_data(web::Data::new(origins))
            .wrap(from_fn(across_origins))
            .route(web::put().to(put))
            .route(web::post().to(post))
            .route(web::get().to(get))
            .route(web::head().to(get))
            .route(web::method(Method::OPTIONS).to(preflight)),
    );
}

async fn put(
    request: HttpRequest,
    token: web::Path<String>,
    payload: web::Payload,
    storage: web::Data<EmbeddedStorage>,
) -> HttpResponse {
    // One address for both, as on S3. Which of them it is, its seal decides:
    // a token of one purpose is known to be none of the other before it is opened.
    let stored = match storage.opened_part(&token) {
        Ok(contract) => in_total(&request, put_part(&request, contract, payload, &storage)).await,
        Err(_) => in_total(&request, put_object(&request, &token, payload, &storage)).await,
    };
    answered(stored, StatusCode::OK)
}

async fn put_part(
    request: &HttpRequest,
    contract: PartContract,
    mut payload: web::Payload,
    storage: &EmbeddedStorage,
) -> Result<ETag, Refused> {
    if declared_length(request.headers())? != contract.size {
        return Err(Refused::Size);
    }
    hold_to_headers(request.headers(), &EmbeddedStorage::part_headers(&contract))?;
    let mut incoming = storage.receive_part(contract).await?;
    while let Some(chunk) = in_time(payload.next()).await? {
        incoming.write(&chunk.map_err(|_| Refused::Broken)?).await?;
    }
    incoming.finish().await
}

async fn put_object(
    request: &HttpRequest,
    token: &str,
    mut payload: web::Payload,
    storage: &EmbeddedStorage,
) -> Result<ETag, Refused> {
    let contract = storage.opened_put(token)?;
    if declared_length(request.headers())? != contract.size {
        return Err(Refused::Size);
    }
    hold_to_headers(request.headers(), &EmbeddedStorage::put_headers(&contract))?;
    let mut incoming = storage.receive(contract).await?;
    while let Some(chunk) = in_time(payload.next()).await? {
        incoming.write(&chunk.map_err(|_| Refused::Broken)?).await?;
    }
    Ok(incoming.finish().await?.etag)
}

async fn post(
    request: HttpRequest,
    token: web::Path<String>,
    payload: web::Payload,
    storage: web::Data<EmbeddedStorage>,
) -> HttpResponse {
    answered(in_total(&request, post_object(&request, &token, payload, &storage)).await, StatusCode::NO_CONTENT)
}

async fn post_object(
    request: &HttpRequest,
    token: &str,
    payload: web::Payload,
    storage: &EmbeddedStorage,
) -> Result<ETag, Refused> {
    let contract = storage.opened_post(token)?;
    let length = declared_length(request.headers())?;
    if length < contract.size || length - contract.size > LARGEST_FORM {
        return Err(Refused::Size);
    }
    let mut missing = EmbeddedStorage::post_fields(&contract);
    let mut form = Multipart::new(request.headers(), payload);
    let incoming = loop {
        let mut part = next_part(&mut form).await?.ok_or(Refused::Differs("the form field file"))?;
        if part.name() == Some("file") {
            if !missing.is_empty() {
                return Err(Refused::Differs("a form field before the file"));
            }
            break receive_part(storage.receive(contract).await?, &mut part).await?;
        }
        hold_to_field(&mut missing, &mut part).await?;
    };
    // The file is not stored before the whole form has come.
    match next_part(&mut form).await? {
        Some(_) => Err(Refused::Differs("a form field after the file")),
        None => Ok(incoming.finish().await?.etag),
    }
}

async fn next_part(form: &mut Multipart) -> Result<Option<Field>, Refused> {
    in_time(form.next()).await?.transpose().map_err(|_| Refused::Broken)
}

async fn receive_part(mut incoming: Incoming, part: &mut Field) -> Result<Incoming, Refused> {
    while let Some(chunk) = in_time(part.next()).await? {
        incoming.write(&chunk.map_err(|_| Refused::Broken)?).await?;
    }
    Ok(incoming)
}

/// Crosses off a field that was agreed, once.
async fn hold_to_field(missing: &mut BTreeMap<String, String>, part: &mut Field) -> Result<(), Refused> {
    const FAULT: Refused = Refused::Differs("a form field");
    let agreed = part.name().and_then(|name| missing.remove(name)).ok_or(FAULT)?;
    let mut value = Vec::new();
    while let Some(chunk) = in_time(part.next()).await? {
        value.extend_from_slice(&chunk.map_err(|_| Refused::Broken)?);
        if value.len() > LONGEST_FIELD {
            return Err(FAULT);
        }
    }
    if value == agreed.as_bytes() { Ok(()) } else { Err(FAULT) }
}

/// The length, which a request must state exactly, once, and not in chunks.
fn declared_length(headers: &HeaderMap) -> Result<u64, Refused> {
    let text = only(headers, &header::CONTENT_LENGTH).ok_or(Refused::NoLength)?;
    if headers.contains_key(header::TRANSFER_ENCODING) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refused::NoLength);
    }
    text.parse().map_err(|_| Refused::NoLength)
}

/// Exactly the agreed headers; of those that S3 would give a meaning to, no others.
fn hold_to_headers(headers: &HeaderMap, agreed: &BTreeMap<String, String>) -> Result<(), Refused> {
    for (name, value) in agreed {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| Refused::Differs("a header"))?;
        if only(headers, &name) != Some(value) {
            return Err(Refused::Differs("a header"));
        }
    }
    let foreign = |name: &HeaderName| {
        let name = name.as_str();
        (name.starts_with("x-amz-") || name == "content-encoding") && !agreed.contains_key(name)
    };
    if headers.keys().any(foreign) { Err(Refused::Differs("a header that was not agreed")) } else { Ok(()) }
}

/// A whole upload takes a minute, and as long as a slow line needs for it.
async fn in_total<T>(request: &HttpRequest, upload: impl Future<Output = Result<T, Refused>>) -> Result<T, Refused> {
    let length = declared_length(request.headers()).unwrap_or_default();
    let patience = transfer(length);
    tokio::time::timeout(patience, upload).await.unwrap_or(Err(Refused::TooSlow))
}

async fn in_time<S, T>(next: futures_util::stream::Next<'_, S>) -> Result<Option<T>, Refused>
where
    S: Stream<Item = T> + Unpin,
{
    tokio::time::timeout(LONGEST_PAUSE, next).await.map_err(|_| Refused::TooSlow)
}

async fn get(request: HttpRequest, token: web::Path<String>, storage: web::Data<EmbeddedStorage>) -> HttpResponse {
    match get_object(&request, &token, &storage).await {
        Ok(response) => response,
        Err(refused) => problem(&refused),
    }
}

async fn get_object(request: &HttpRequest, token: &str, storage: &EmbeddedStorage) -> Result<HttpResponse, Refused> {
    let contract = storage.opened_get(token)?;
    let object = storage.open_for_download(&contract.key).await?.ok_or(Refused::Missing)?;
    object.hold_to(contract.sha256)?;
    let ObjectFacts { size, etag, .. } = object.facts().clone();
    let headers = request.headers();

    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::ETAG, etag.0.as_str()))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CONTENT_TYPE, contract.content_type.as_str()))
        .insert_header((header::CONTENT_DISPOSITION, contract.disposition.header_value()));
    if !is_pdf(&contract.content_type) {
        // A sandboxed PDF is shown by no browser; its own viewer is its sandbox.
        response.insert_header((header::CONTENT_SECURITY_POLICY, SANDBOX));
    }
    if is_known(headers, &etag.0) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    let range = match wanted_range(request, &etag.0, size) {
        WantedRange::Whole => None,
        WantedRange::Part(part) => {
            let extent = format!("bytes {}-{}/{size}", part.first, part.last);
            response.status(StatusCode::PARTIAL_CONTENT).insert_header((header::CONTENT_RANGE, extent));
            Some(part)
        }
        WantedRange::Beyond => {
            let mut response = problem_document(StatusCode::RANGE_NOT_SATISFIABLE, "range", "there is no such range");
            if let Ok(extent) = HeaderValue::try_from(format!("bytes */{size}")) {
                response.headers_mut().insert(header::CONTENT_RANGE, extent);
            }
            return Ok(response);
        }
    };
    let length = range.map_or(size, |part| part.length());
    // For HEAD, actix keeps the length and drops the bytes unread.
    Ok(response.body(SizedStream::new(length, object.stream(range))))
}

fn is_pdf(content_type: &ContentType) -> bool {
    let essence = content_type.as_str().split(';').next().unwrap_or_default();
    essence.trim_end().eq_ignore_ascii_case("application/pdf")
}

async fn preflight(request: HttpRequest) -> HttpResponse {
    if request.extensions().get::<Admitted>().is_none() {
        return problem_document(StatusCode::FORBIDDEN, "origin", "this origin may not use the storage");
    }
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, PUT, POST"))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "content-type, if-none-match, if-range, range, x-amz-checksum-sha256",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"))
        .finish()
}

/// What every answer carries, to whichever origin. Credentials are never
/// allowed: this listener has none.
async fn across_origins(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let framing = request.app_data::<web::Data<AllowedOrigins>>().and_then(|ours| ours.framing());
    let admitted = admitted(&request).await;
    if let Some(admitted) = &admitted {
        request.extensions_mut().insert(admitted.clone());
    }
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "private, no-store"),
        // A page of another site shows what it holds the URL of.
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::VARY, "Origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(framing) = framing {
        // Beside the policy of the answer itself; both hold.
        headers.append(header::CONTENT_SECURITY_POLICY, framing);
    }
    if let Some(Admitted(origin)) = admitted {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static("accept-ranges, content-disposition, content-range, etag");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    Ok(response)
}

fn answered(outcome: Result<ETag, Refused>, status: StatusCode) -> HttpResponse {
    match outcome {
        Ok(etag) => HttpResponse::build(status).insert_header((header::ETAG, etag.0)).finish(),
        Err(refused) => problem(&refused),
    }
}

fn problem(refused: &Refused) -> HttpResponse {
    let (status, code) = match refused {
        Refused::NotSigned => (StatusCode::FORBIDDEN, "not-signed"),
        Refused::NoLength => (StatusCode::LENGTH_REQUIRED, "length-required"),
        Refused::Size => (StatusCode::BAD_REQUEST, "size-differs"),
        Refused::Differs(_) => (StatusCode::BAD_REQUEST, "request-differs"),
        Refused::Checksum => (StatusCode::BAD_REQUEST, "checksum-differs"),
        Refused::Broken => (StatusCode::BAD_REQUEST, "malformed"),
        Refused::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow"),
        Refused::Taken => (StatusCode::PRECONDITION_FAILED, "already-uploaded"),
        Refused::Ended => (StatusCode::NOT_FOUND, "upload-ended"),
        Refused::Busy => (StatusCode::CONFLICT, "part-in-progress"),
        Refused::Full => {
            tracing::error!("the disk of the embedded storage is full");
            (StatusCode::INSUFFICIENT_STORAGE, "storage-full")
        }
        Refused::Missing => (StatusCode::NOT_FOUND, "no-such-object"),
        Refused::Unavailable(unavailable) => {
            tracing::error!(%unavailable, "the embedded storage failed");
            let title = "the storage is unavailable";
            let mut response = problem_document(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title);
            // As elsewhere: a disk, or a key of a tenant, that is away now.
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            return response;
        }
    };
    problem_document(status, code, &refused.to_string())
}

/// A problem document (RFC 9457).
fn problem_document(status: StatusCode, code: &str, title: &str) -> HttpResponse {
    let kind = format!("urn:cloakroom:problem:storage:{code}");
    HttpResponse::build(status)
        .insert_header((header::CONTENT_SECURITY_POLICY, SANDBOX))
        .content_type("application/problem+json")
        .body(json!({ "type": kind, "title": title, "status": status.as_u16() }).to_string())
}
