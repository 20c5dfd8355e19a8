//! Exports of the ledger over HTTP.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        audit_filter::AuditFilter,
        event::EventType,
        instant::Instant,
        ledger::Head,
        ledger_export::{Export, ExportState},
    },
    service::Broker,
};

use super::{
    extract::Authenticated,
    idempotency::{Creating, IdempotencyHeader, created},
    ledger::BrokenView,
    problem::{Problem, ProblemDocument},
    render::{self, DownloadView, Listing, PageQuery},
};

/// Which records to export; all of them where nothing is said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportBody {
    /// Only events of this type, such as `share.claimed`.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<EventType>,
    /// Only what they did: the id of a key, a user, a share or a file request; or a kind of actor, such as `bearer`.
    pub actor: Option<String>,
    /// Only what happened after this time (RFC 3339).
    #[schema(value_type = Option<String>)]
    pub after: Option<Instant>,
    /// Only what happened before this time (RFC 3339).
    #[schema(value_type = Option<String>)]
    pub before: Option<Instant>,
}

/// An export of the audit trail.
#[derive(Serialize, ToSchema)]
pub struct ExportView {
    /// Its id.
    #[schema(example = "exp_0199b1c2d3e4f5061728394a5b6c7d8e")]
    pub id: String,
    /// `building`, `ready`, `broken` (the trail is not as it was written; see `problem`), `too_large` (40 million records or 2,000 files: select some by time) or `removed` (seven days after it was made).
    pub status: &'static str,
    /// When it was asked for.
    pub created_at: String,
    /// How many records the trail had then.
    pub ledger_records: u64,
    /// How many of these were looked at so far.
    pub looked_at: u64,
    /// How many records are in the export so far.
    pub records: u64,
    /// What is wrong with which record, where the trail is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<BrokenView>,
    /// Its files, once it is ready.
    pub files: Vec<ExportFileView>,
}

/// A file of an export.
#[derive(Serialize, ToSchema)]
pub struct ExportFileView {
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// From where to fetch it.
    pub download: DownloadView,
}

impl From<&Export> for ExportView {
    fn from(export: &Export) -> Self {
        let (status, problem) = match &export.state {
            ExportState::Building => ("building", None),
            ExportState::Ready => ("ready", None),
            ExportState::Broken { seq, problem } => {
                ("broken", Some(BrokenView { seq: *seq, problem: problem.clone() }))
            }
            ExportState::TooLarge => ("too_large", None),
            ExportState::Removed => ("removed", None),
        };
        Self {
            id: export.id.to_string(),
            status,
            created_at: export.created_at.to_string(),
            ledger_records: Head::from(export.end.clone()).size,
            looked_at: Head::from(export.read.clone()).size,
            records: export.records,
            problem,
            files: Vec::new(),
        }
    }
}

/// Export the audit trail: its records, a signed manifest, and how to verify both with `openssl`. It is made in the background. For administrators.
#[utoipa::path(
    post, path = "/v1/audit/exports", tag = "administration", request_body = ExportBody, params(IdempotencyHeader),
    security(("api_key" = [])),
    responses((status = 201, body = ExportView), (status = "4XX", body = ProblemDocument))
)]
pub async fn export(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, ExportBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    created(
        &broker,
        &once,
        |export: &Export| ExportView::from(export),
        async |reply| {
            let ExportBody { kind, actor, after, before } = body;
            let filter = AuditFilter { kind, actor, after, before, ..AuditFilter::default() };
            Ok(broker.export_ledger(&caller, filter, reply).await?)
        },
    )
    .await
}

/// List exports of the audit trail, newest first. For administrators.
#[utoipa::path(
    get, path = "/v1/audit/exports", tag = "administration", params(PageQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<ExportView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn exports(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.list_exports(&caller, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, |export: Export| ExportView::from(&export))))
}

/// See how far an export has come, and from where to fetch its files. For administrators.
#[utoipa::path(
    get, path = "/v1/audit/exports/{id}", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The export's id")),
    responses((status = 200, body = ExportView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect_export(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let (export, files) = broker.inspect_export(&caller, render::id(&id)?).await?;
    let files = files.into_iter().map(|(file, signed)| ExportFileView {
        name: file.name,
        size: file.size,
        sha256: file.sha256.into(),
        download: signed.into(),
    });
    Ok(HttpResponse::Ok().json(ExportView { files: files.collect(), ..ExportView::from(&export) }))
}
