//! Uploads over HTTP without an API key: in a session that may write, or
//! delivering to a file request.

use actix_web::{HttpResponse, web};

use crate::service::Broker;

use super::{
    extract::{Uploading, With},
    idempotency::{Creating, IdempotencyHeader},
    problem::{Problem, ProblemDocument},
    receipt_views::ReceiptView,
    render::{Listing, PageQuery},
    upload_actions,
    upload_views::{
        ArrivedPartView, BatchView, DeclareBatchBody, DeclareBody, DeclaredItem, DeclaredView, PartsBody,
        SignedPartsView, UploadView,
    },
};

/// Declare an upload. Send the bytes, then complete it.
#[utoipa::path(
    post, path = "/v1/session/uploads", tag = "session", request_body = DeclareBody, params(IdempotencyHeader), security(("session" = [])),
    responses((status = 201, body = DeclaredView), (status = "4XX", body = ProblemDocument))
)]
pub async fn declare(
    Creating { who: Uploading(who), body, once }: Creating<Uploading, DeclareBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    upload_actions::declare(&broker, &*who, body, &once).await
}

/// Declare up to 100 uploads. Each item has its own result.
#[utoipa::path(
    post, path = "/v1/session/uploads/batch", tag = "session", request_body = DeclareBatchBody, params(IdempotencyHeader), security(("session" = [])),
    responses((status = 200, body = BatchView<DeclaredItem>), (status = "4XX", body = ProblemDocument))
)]
pub async fn declare_batch(
    Creating { who: Uploading(who), body, once }: Creating<Uploading, DeclareBatchBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    upload_actions::declare_batch(&broker, &*who, body, &once).await
}

/// Inspect an upload.
#[utoipa::path(
    get, path = "/v1/session/uploads/{id}", tag = "session", security(("session" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 200, body = UploadView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Uploading(who): Uploading,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    upload_actions::inspect(&broker, &*who, &id).await
}

/// Sign parts of an upload, 1 to 1,000 at a time; again where a URL has expired.
#[utoipa::path(
    post, path = "/v1/session/uploads/{id}/parts", tag = "session", request_body = PartsBody, security(("session" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 200, body = SignedPartsView), (status = "4XX", body = ProblemDocument))
)]
pub async fn sign_parts(
    With(Uploading(who), body): With<Uploading, PartsBody>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    upload_actions::sign_parts(&broker, &*who, &id, &body).await
}

/// List the parts that have arrived whole.
#[utoipa::path(
    get, path = "/v1/session/uploads/{id}/parts", tag = "session", security(("session" = [])),
    params(("id" = String, Path, description = "The upload's id"), PageQuery),
    responses((status = 200, body = Listing<ArrivedPartView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn arrived_parts(
    Uploading(who): Uploading,
    broker: web::Data<Broker>,
    id: web::Path<String>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    upload_actions::arrived_parts(&broker, &*who, &id, query.into_inner()).await
}

/// Verify what arrived and move it into the vault. Completing again gives the same answer.
#[utoipa::path(
    post, path = "/v1/session/uploads/{id}/complete", tag = "session", security(("session" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 200, body = UploadView), (status = 202, description = "Being verified; ask again", body = UploadView), (status = "4XX", body = ProblemDocument))
)]
pub async fn complete(
    Uploading(who): Uploading,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    upload_actions::complete(&broker, &*who, &id).await
}

/// Get the receipt of a completed upload.
#[utoipa::path(
    get, path = "/v1/session/uploads/{id}/receipt", tag = "session", security(("session" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 200, body = ReceiptView), (status = "4XX", body = ProblemDocument))
)]
pub async fn receipt(
    Uploading(who): Uploading,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    upload_actions::receipt(&broker, &*who, &id).await
}

/// Call off an upload.
#[utoipa::path(
    delete, path = "/v1/session/uploads/{id}", tag = "session", security(("session" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 204, description = "Called off"), (status = "4XX", body = ProblemDocument))
)]
pub async fn cancel(
    Uploading(who): Uploading,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    upload_actions::cancel(&broker, &*who, &id).await
}
