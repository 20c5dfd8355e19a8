//! Uploads over HTTP.

use actix_web::{HttpResponse, web};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        lifetime,
        path::VaultPath,
        tenant::Mode,
        upload::{Method, Progress},
    },
    objects::ContentType,
    service::{
        Broker,
        uploads::{DeclareUpload, DeclaredUpload, Upload},
    },
};

use super::{
    extract::{Authenticated, WithKey},
    problem::{Problem, ProblemDocument},
    render::{self, Listing, PageQuery, Pairs},
};

/// What an upload is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareBody {
    /// Where the file goes in your vault.
    #[schema(value_type = String, example = "docs/a.pdf")]
    pub path: VaultPath,
    /// Exactly how many bytes.
    pub size: u64,
    /// Exactly which media type.
    #[schema(value_type = String, example = "application/pdf")]
    pub content_type: ContentType,
    /// SHA-256 of the bytes, as 64 hexadecimal digits or in base64.
    pub sha256: Option<String>,
    /// `put` or `post`.
    #[serde(default = "put")]
    #[schema(value_type = String, example = "put")]
    pub method: Method,
    /// Within how many seconds sending must begin: 1 to 600, by default 600.
    pub expires_in: Option<u64>,
    /// Whether a file that is there may be replaced.
    #[serde(default)]
    pub overwrite: bool,
}

fn put() -> Method {
    Method::Put
}

impl DeclareBody {
    pub(super) fn parse(self) -> Result<DeclareUpload, Problem> {
        let expires_in = lifetime::UPLOAD.seconds(self.expires_in);
        Ok(DeclareUpload {
            path: self.path,
            overwrite: self.overwrite,
            size: self.size,
            content_type: self.content_type,
            sha256: self.sha256.as_deref().map(digest).transpose()?,
            method: self.method,
            expires_in: expires_in.map_err(|fault| Problem::invalid("/expires_in", fault.to_string()))?,
        })
    }
}

fn digest(text: &str) -> Result<[u8; 32], Problem> {
    let bytes = match text.len() {
        64 => base16ct::mixed::decode_vec(text).ok(),
        _ => STANDARD.decode(text).ok(),
    };
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Problem::invalid("/sha256", "is 64 hexadecimal digits, or 32 bytes in base64"))
}

/// An upload and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadView {
    /// Its id.
    pub id: String,
    /// `pending`, `completed`, `rejected` or `cancelled`.
    pub status: &'static str,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Whether it is real, or made with a test key.
    pub livemode: bool,
    /// Where the file goes.
    pub path: String,
    /// How many bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: String,
    /// SHA-256 in hexadecimal, as declared or, once completed, as found.
    pub sha256: Option<String>,
    /// When it was declared (RFC 3339).
    pub created_at: String,
    /// Until when sending may begin (RFC 3339).
    pub expires_at: String,
    /// When it was completed (RFC 3339).
    pub completed_at: Option<String>,
}

impl From<Upload> for UploadView {
    fn from(upload: Upload) -> Self {
        let declaration = upload.declaration;
        let mut sha256 = declaration.sha256;
        let mut completed = None;
        let (status, reason) = match upload.progress {
            Progress::Pending => ("pending", None),
            Progress::Completed { sha256: found, completed_at, .. } => {
                sha256 = Some(found);
                completed = Some(completed_at.to_string());
                ("completed", None)
            }
            Progress::Rejected { reason, .. } => ("rejected", Some(reason.as_str())),
            Progress::Cancelled { .. } => ("cancelled", None),
        };
        Self {
            id: declaration.id.to_string(),
            status,
            reason,
            livemode: declaration.made.namespace.mode == Mode::Live,
            path: declaration.path.into(),
            size: declaration.size,
            content_type: declaration.content_type,
            sha256,
            created_at: declaration.created_at.to_string(),
            expires_at: declaration.expires_at.to_string(),
            completed_at: completed,
        }
    }
}

/// An upload just declared, and how to send its bytes.
#[derive(Serialize, ToSchema)]
pub struct DeclaredView {
    /// The upload.
    #[serde(flatten)]
    pub upload: UploadView,
    /// `put` or `post`.
    #[schema(value_type = String)]
    pub method: Method,
    /// The HTTP method of the request: `PUT` or `POST`.
    pub http_method: &'static str,
    /// Where the bytes go. Whoever has the URL can use it until it expires.
    pub url: String,
    /// For `put`: headers to send exactly so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Pairs>,
    /// For `post`: form fields to send exactly so, before the field `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Pairs>,
}

impl From<DeclaredUpload> for DeclaredView {
    fn from(declared: DeclaredUpload) -> Self {
        let method = declared.upload.declaration.method;
        let request = declared.request;
        let (headers, fields) = match method {
            Method::Put => (Some(request.headers), None),
            Method::Post => (None, Some(request.fields)),
        };
        Self { upload: declared.upload.into(), method, http_method: request.method, url: request.url, headers, fields }
    }
}

/// Declare an upload.
#[utoipa::path(
    post, path = "/v1/uploads", tag = "uploads", request_body = DeclareBody, security(("api_key" = [])),
    responses(
        (status = 201, description = "Send the bytes, then complete", body = DeclaredView),
        (status = "4XX", description = "Nothing was declared", body = ProblemDocument),
    )
)]
pub async fn declare(
    WithKey(caller, body): WithKey<DeclareBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let declared = broker.declare_upload(&caller, body.parse()?).await?;
    Ok(HttpResponse::Created().json(DeclaredView::from(declared)))
}

/// List uploads, newest first.
#[utoipa::path(
    get, path = "/v1/uploads", tag = "uploads", params(PageQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<UploadView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn list(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.list_uploads(&caller, &query.into_inner().into()).await?;
    let items: Vec<UploadView> = page.items.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(Listing { items, next_cursor: page.next_cursor }))
}

/// Inspect an upload.
#[utoipa::path(
    get, path = "/v1/uploads/{id}", tag = "uploads", security(("api_key" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 200, body = UploadView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let upload = broker.inspect_upload(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::Ok().json(UploadView::from(upload)))
}

/// Verify what arrived and move it into the vault. Completing again gives the same answer.
#[utoipa::path(
    post, path = "/v1/uploads/{id}/complete", tag = "uploads", security(("api_key" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 200, body = UploadView), (status = "4XX", body = ProblemDocument))
)]
pub async fn complete(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let upload = broker.complete_upload(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::Ok().json(UploadView::from(upload)))
}

/// Call off an upload.
#[utoipa::path(
    delete, path = "/v1/uploads/{id}", tag = "uploads", security(("api_key" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 204, description = "Called off"), (status = "4XX", body = ProblemDocument))
)]
pub async fn cancel(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    broker.cancel_upload(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
