//! The vault over HTTP.

use actix_web::{HttpResponse, web};

use crate::{
    domain::path::VaultPath,
    service::{Broker, listing::PageRequest},
};

use super::{
    extract::{Authenticated, With},
    problem::{Problem, ProblemDocument},
    render::{DownloadBody, DownloadView, Listing, ObjectView, ObjectsQuery},
};

/// List files.
#[utoipa::path(
    get, path = "/v1/objects", tag = "objects", params(ObjectsQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<ObjectView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn list(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<ObjectsQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let request = PageRequest { limit: query.limit, cursor: query.cursor };
    let page = broker.list_objects(&caller, &query.prefix, &request).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, ObjectView::from)))
}

fn path(text: &str) -> Result<VaultPath, Problem> {
    VaultPath::parse(text).map_err(|fault| Problem::invalid("path", fault.to_string()))
}

/// Inspect a file.
#[utoipa::path(
    get, path = "/v1/objects/{path}", tag = "objects", security(("api_key" = [])),
    params(("path" = String, Path, description = "The file's path; slashes need no encoding")),
    responses((status = 200, body = ObjectView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    text: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let file = broker.inspect_object(&caller, &path(&text)?).await?;
    Ok(HttpResponse::Ok().json(ObjectView::from(file)))
}

/// Get a URL to download a file.
#[utoipa::path(
    post, path = "/v1/objects/downloads", tag = "objects", request_body = DownloadBody, security(("api_key" = [])),
    responses((status = 200, body = DownloadView), (status = "4XX", body = ProblemDocument))
)]
pub async fn download(
    With(Authenticated(caller), body): With<Authenticated, DownloadBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let signed = broker.download_object(&caller, &body.path, body.disposition.into()).await?;
    Ok(HttpResponse::Ok().json(DownloadView::from(signed)))
}

/// Delete a file.
#[utoipa::path(
    delete, path = "/v1/objects/{path}", tag = "objects", security(("api_key" = [])),
    params(("path" = String, Path, description = "The file's path; slashes need no encoding")),
    responses((status = 204, description = "Deleted"), (status = "4XX", body = ProblemDocument))
)]
pub async fn delete(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    text: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    broker.delete_object(&caller, &path(&text)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
