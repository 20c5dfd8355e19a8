//! Uploads over HTTP, with an API key.

use actix_web::{HttpResponse, web};

use crate::service::Broker;

use super::{
    extract::{Authenticated, With},
    idempotency::{Creating, IdempotencyHeader},
    problem::{Problem, ProblemDocument},
    receipt_views::{ReceiptKeyView, ReceiptView},
    render::{Listing, PageQuery},
    upload_actions,
    upload_views::{
        ArrivedPartView, BatchView, DeclareBatchBody, DeclareBody, DeclaredItem, DeclaredView, PartsBody,
        SignedPartsView, UploadView,
    },
};

/// Declare an upload. Send the bytes, then complete it.
#[utoipa::path(
    post, path = "/v1/uploads", tag = "uploads", request_body = DeclareBody, params(IdempotencyHeader), security(("api_key" = [])),
    responses((status = 201, body = DeclaredView), (status = "4XX", body = ProblemDocument))
)]
pub async fn declare(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, DeclareBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    upload_actions::declare(&broker, &caller, body, &once).await
}

/// Declare up to 100 uploads. Each item has its own result.
#[utoipa::path(
    post, path = "/v1/uploads/batch", tag = "uploads", request_body = DeclareBatchBody, params(IdempotencyHeader), security(("api_key" = [])),
    responses((status = 200, body = BatchView<DeclaredItem>), (status = "4XX", body = ProblemDocument))
)]
pub async fn declare_batch(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, DeclareBatchBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    upload_actions::declare_batch(&broker, &caller, body, &once).await
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
    Ok(HttpResponse::Ok().json(Listing::of(page, |upload| UploadView::new(upload, &caller, &broker))))
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
    upload_actions::inspect(&broker, &caller, &id).await
}

/// Sign parts of an upload, 1 to 1,000 at a time; again where a URL has expired.
#[utoipa::path(
    post, path = "/v1/uploads/{id}/parts", tag = "uploads", request_body = PartsBody, security(("api_key" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 200, body = SignedPartsView), (status = "4XX", body = ProblemDocument))
)]
pub async fn sign_parts(
    With(Authenticated(caller), body): With<Authenticated, PartsBody>,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    upload_actions::sign_parts(&broker, &caller, &id, &body).await
}

/// List the parts that have arrived whole.
#[utoipa::path(
    get, path = "/v1/uploads/{id}/parts", tag = "uploads", security(("api_key" = [])),
    params(("id" = String, Path, description = "The upload's id"), PageQuery),
    responses((status = 200, body = Listing<ArrivedPartView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn arrived_parts(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    upload_actions::arrived_parts(&broker, &caller, &id, query.into_inner()).await
}

/// Verify what arrived and move it into the vault. Completing again gives the same answer.
#[utoipa::path(
    post, path = "/v1/uploads/{id}/complete", tag = "uploads", security(("api_key" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 200, body = UploadView), (status = 202, description = "Being verified; ask again", body = UploadView), (status = "4XX", body = ProblemDocument))
)]
pub async fn complete(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    upload_actions::complete(&broker, &caller, &id).await
}

/// Get the receipt of a completed upload.
#[utoipa::path(
    get, path = "/v1/uploads/{id}/receipt", tag = "uploads", security(("api_key" = [])),
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 200, body = ReceiptView), (status = "4XX", body = ProblemDocument))
)]
pub async fn receipt(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    upload_actions::receipt(&broker, &caller, &id).await
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
    upload_actions::cancel(&broker, &caller, &id).await
}

/// The public keys that receipts of your tenant are verified with.
#[utoipa::path(
    get, path = "/v1/receipt-keys", tag = "uploads", security(("api_key" = [])),
    responses((status = 200, body = Listing<ReceiptKeyView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn receipt_keys(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let items: Vec<ReceiptKeyView> = broker.receipt_keys(&caller).into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(Listing { items, next_cursor: None }))
}
