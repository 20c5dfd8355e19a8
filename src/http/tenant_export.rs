//! The export of a tenant: every kind of thing it has, as the lists show it, a page at a time as lines of JSON. Files are
//! listed, and downloaded as usual.

use actix_web::{HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{audit_filter::AuditFilter, filter::Filter},
    service::{
        Broker, Caller,
        listing::{Page, PageRequest},
        principals::Kind,
    },
};

use super::{
    api_keys::ApiKeyView,
    artifacts::ArtifactView,
    data_subjects::ErasureView,
    extract::Authenticated,
    file_requests::FileRequestView,
    histories::EventView,
    links::LinkView,
    problem::{Problem, ProblemDocument},
    render::{ObjectView, PageQuery},
    shares::ShareView,
    tenants::TenantView,
    upload_views::UploadView,
    users::UserView,
    webhooks::WebhookView,
};

/// One line: what kind of thing, and the thing as its list shows it. The last line is of the kind `next`.
#[derive(Serialize, ToSchema)]
pub struct ExportLine<T> {
    /// `tenant`, `api_key`, `user`, `share`, `link`, `artifact`, `file_request`, `upload`, `object`, `webhook`, `erasure` or
    /// `record`; and `next`.
    kind: &'static str,
    /// The thing.
    value: T,
}

/// Where to go on.
#[derive(Serialize, ToSchema)]
pub struct ExportNext {
    /// The cursor of the next page; null when this was the last.
    cursor: Option<String>,
}

/// What is told, one kind after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Tenant,
    ApiKeys,
    Users,
    Shares,
    Links,
    Artifacts,
    FileRequests,
    Uploads,
    Objects,
    Webhooks,
    Erasures,
    Records,
}

const SECTIONS: [Section; 12] = [
    Section::Tenant,
    Section::ApiKeys,
    Section::Users,
    Section::Shares,
    Section::Links,
    Section::Artifacts,
    Section::FileRequests,
    Section::Uploads,
    Section::Objects,
    Section::Webhooks,
    Section::Erasures,
    Section::Records,
];

impl Section {
    const fn kind(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::ApiKeys => "api_key",
            Self::Users => "user",
            Self::Shares => "share",
            Self::Links => "link",
            Self::Artifacts => "artifact",
            Self::FileRequests => "file_request",
            Self::Uploads => "upload",
            Self::Objects => "object",
            Self::Webhooks => "webhook",
            Self::Erasures => "erasure",
            Self::Records => "record",
        }
    }
}

/// Lines that were written so far.
struct Lines {
    text: Vec<u8>,
    count: usize,
}

impl Lines {
    fn line(&mut self, kind: &'static str, value: impl Serialize) -> Result<(), Problem> {
        let line = serde_json::to_vec(&ExportLine { kind, value });
        let line = line.map_err(|fault| crate::service::Error::Internal(fault.to_string()))?;
        self.text.extend_from_slice(&line);
        self.text.push(b'\n');
        self.count += 1;
        Ok(())
    }

    /// Writes a page, and tells where its list goes on.
    fn page<S, T: Serialize>(
        &mut self,
        kind: &'static str,
        page: Page<S>,
        view: impl Fn(S) -> T,
    ) -> Result<Option<String>, Problem> {
        for item in page.items {
            self.line(kind, view(item))?;
        }
        Ok(page.next_cursor)
    }
}

/// Export all that you have, a page with each call: lines of JSON, the last of which says where to go on. Of your own
/// namespace; no secret is in it. Files are listed, and downloaded by `POST /v1/objects/downloads`. For administrators; nobody
/// who acts for you.
#[utoipa::path(
    get, path = "/v1/export", tag = "administration", params(PageQuery), security(("api_key" = [])),
    responses(
        (status = 200, description = "Lines of JSON", body = String, content_type = "application/x-ndjson"),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn export(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let PageQuery { limit, cursor } = query.into_inner();
    let limit = PageRequest { limit, cursor: None }.limit()?;
    let (mut step, mut inner) = match &cursor {
        Some(cursor) => reached(cursor)
            .ok_or_else(|| Problem::invalid("cursor", "is not a cursor of an export; begin again without it"))?,
        None => (0, None),
    };
    broker.begin_tenant_export(&caller, cursor.is_none()).await?;
    let mut lines = Lines { text: Vec::new(), count: 0 };
    while let Some(section) = SECTIONS.get(step).filter(|_| lines.count < limit) {
        let request = PageRequest { limit: Some(limit - lines.count), cursor: inner.take() };
        inner = told(&broker, &caller, *section, &request, &mut lines).await?;
        if inner.is_none() {
            step += 1;
        }
    }
    let cursor = (step < SECTIONS.len()).then(|| format!("{step}.{}", inner.unwrap_or_default()));
    lines.line("next", ExportNext { cursor })?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/x-ndjson")).body(lines.text))
}

/// How many kinds are done, and where in the list of the next to go on. The list's own cursor is sealed.
fn reached(cursor: &str) -> Option<(usize, Option<String>)> {
    let (step, inner) = cursor.split_once('.')?;
    let step = step.parse().ok().filter(|step| *step < SECTIONS.len())?;
    Some((step, Some(inner.to_owned()).filter(|inner| !inner.is_empty())))
}

async fn told(
    broker: &web::Data<Broker>,
    caller: &Caller,
    section: Section,
    request: &PageRequest,
    lines: &mut Lines,
) -> Result<Option<String>, Problem> {
    let (kind, now, generation) = (section.kind(), broker.now(), caller.tenant.generation);
    let all = Filter::default();
    match section {
        Section::Tenant => {
            lines.line(kind, TenantView::from(caller.tenant.clone()))?;
            Ok(None)
        }
        Section::ApiKeys => {
            let page = broker.list_principals(caller, Kind::ApiKeys, request).await?;
            lines.page(kind, page, |seen| ApiKeyView::seen(seen, None, generation, now))
        }
        Section::Users => {
            let page = broker.list_principals(caller, Kind::Users, request).await?;
            lines.page(kind, page, |seen| UserView::seen(seen, None, generation, now))
        }
        Section::Shares => lines.page(kind, broker.list_shares(caller, &all, request).await?, ShareView::from),
        Section::Links => lines.page(kind, broker.list_links(caller, &all, request).await?, LinkView::from),
        Section::Artifacts => {
            let page = broker.list_artifacts(caller, request).await?;
            lines.page(kind, page, |artifact| ArtifactView::new(artifact, broker))
        }
        Section::FileRequests => {
            lines.page(kind, broker.list_file_requests(caller, &all, request).await?, FileRequestView::from)
        }
        Section::Uploads => {
            let page = broker.list_uploads(caller, request).await?;
            lines.page(kind, page, |upload| UploadView::new(upload, caller, broker))
        }
        Section::Objects => lines.page(kind, broker.list_objects(caller, "", request).await?, ObjectView::from),
        Section::Webhooks => {
            // There are 20 at most.
            for seen in &broker.list_webhooks(caller).await? {
                lines.line(kind, WebhookView::new(seen, now))?;
            }
            Ok(None)
        }
        Section::Erasures => lines.page(kind, broker.list_erasures(caller, request).await?, ErasureView::from),
        Section::Records => {
            lines.page(kind, broker.audit(caller, &AuditFilter::default(), request).await?, EventView::from)
        }
    }
}
