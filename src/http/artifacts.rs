//! Artifacts over HTTP.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        artifact::{ArtifactFile, MOST_FILES, Manifest},
        metadata::Metadata,
        path::{PathPin, VaultPath},
        tenant::Mode,
    },
    objects::ArtifactLabel,
    service::{
        Broker,
        artifacts::{PublishArtifact, SeenArtifact},
    },
};

use super::{
    extract::Authenticated,
    histories::MakerView,
    idempotency::{Creating, IdempotencyHeader, created},
    problem::{Problem, ProblemDocument},
    render::{self, Listing, PageQuery},
};

/// What is to be published.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishBody {
    /// Vault paths: a file is published under its name, a folder (ending in
    /// `/`) as all the files below it.
    #[schema(value_type = Vec<String>, example = json!(["site/"]))]
    pub paths: Vec<PathPin>,
    /// The file that is shown for a folder; `index.html` where it is left out.
    pub index: Option<String>,
    /// Your own name for it.
    pub label: Option<String>,
    /// Words of your own that go with it: up to 20 texts of up to 500 characters, under keys of up to 40 characters
    /// (`A-Z a-z 0-9 _ . -`). Only you see them.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub metadata: Metadata,
}

impl PublishBody {
    fn parse(self) -> Result<PublishArtifact, Problem> {
        if self.paths.is_empty() || self.paths.len() > MOST_FILES {
            return Err(Problem::invalid("/paths", "an artifact has 1 to 1,000 paths"));
        }
        let index = self.index.unwrap_or_else(|| "index.html".into());
        VaultPath::parse(&index).map_err(|fault| Problem::invalid("/index", fault.to_string()))?;
        Ok(PublishArtifact { paths: self.paths, index, label: render::label(self.label)?, metadata: self.metadata })
    }
}

/// A file of an artifact.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactFileView {
    /// Its path on the artifact's host.
    pub path: String,
    /// How many bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: String,
    /// SHA-256 of all its bytes in hexadecimal, where that is known.
    pub sha256: Option<String>,
}

/// An artifact.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactView {
    /// Its id.
    pub id: String,
    /// `published` or `deleted`.
    pub status: &'static str,
    /// Whether it is real, or made with a test key.
    pub livemode: bool,
    /// Your own name for it.
    pub label: Option<String>,
    /// Words of your own that go with it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub metadata: Metadata,
    /// The host it is served on, to whoever redeems a link to it.
    pub origin: String,
    /// What is shown for a folder.
    pub index: String,
    /// How many files it has.
    pub file_count: usize,
    /// Their size together, in bytes.
    pub total_size: u64,
    /// When it was published (RFC 3339).
    pub created_at: String,
    /// When it was deleted (RFC 3339).
    pub deleted_at: Option<String>,
    /// Which API key published it.
    pub created_by: MakerView,
}

/// An artifact with its files.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactWithFiles {
    /// The artifact.
    #[serde(flatten)]
    pub artifact: ArtifactView,
    /// Its files, in the order of their paths.
    pub files: Vec<ArtifactFileView>,
}

impl ArtifactView {
    pub(super) fn new(SeenArtifact { artifact, maker }: SeenArtifact, broker: &Broker) -> Self {
        Self {
            id: artifact.id.to_string(),
            status: if artifact.deleted_at.is_some() { "deleted" } else { "published" },
            livemode: artifact.made.namespace.mode == Mode::Live,
            origin: broker.settings.content.of(&ArtifactLabel::of(artifact.id)),
            label: artifact.label,
            metadata: artifact.metadata,
            index: artifact.index,
            file_count: artifact.file_count,
            total_size: artifact.total_size,
            created_at: artifact.created_at.to_string(),
            deleted_at: artifact.deleted_at.map(|at| at.to_string()),
            created_by: maker.into(),
        }
    }
}

impl ArtifactWithFiles {
    fn new((artifact, manifest): (SeenArtifact, Manifest), broker: &Broker) -> Self {
        let view = |file: ArtifactFile| ArtifactFileView {
            path: file.path.into(),
            size: file.size,
            content_type: file.content_type,
            sha256: file.sha256,
        };
        Self { artifact: ArtifactView::new(artifact, broker), files: manifest.files.into_iter().map(view).collect() }
    }
}

/// Publish an immutable snapshot of vault files.
#[utoipa::path(
    post, path = "/v1/artifacts", tag = "artifacts", request_body = PublishBody, params(IdempotencyHeader), security(("api_key" = [])),
    responses((status = 201, body = ArtifactWithFiles), (status = "4XX", body = ProblemDocument))
)]
pub async fn publish(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, PublishBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let view = |published: &(SeenArtifact, Manifest)| ArtifactWithFiles::new(published.clone(), &broker);
    created(&broker, &once, view, async |reply| {
        let wanted = body.parse()?;
        Ok(broker.publish_artifact(&caller, wanted, reply).await?)
    })
    .await
}

/// List artifacts, newest first.
#[utoipa::path(
    get, path = "/v1/artifacts", tag = "artifacts", params(PageQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<ArtifactView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn list(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.list_artifacts(&caller, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, |artifact| ArtifactView::new(artifact, &broker))))
}

/// Inspect an artifact.
#[utoipa::path(
    get, path = "/v1/artifacts/{id}", tag = "artifacts", security(("api_key" = [])),
    params(("id" = String, Path, description = "The artifact's id")),
    responses((status = 200, body = ArtifactWithFiles), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let artifact = broker.inspect_artifact(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::Ok().json(ArtifactWithFiles::new(artifact, &broker)))
}

/// Delete an artifact: no link opens it any more, and its objects go.
#[utoipa::path(
    delete, path = "/v1/artifacts/{id}", tag = "artifacts", security(("api_key" = [])),
    params(("id" = String, Path, description = "The artifact's id")),
    responses((status = 204, description = "Deleted"), (status = "4XX", body = ProblemDocument))
)]
pub async fn delete(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    broker.delete_artifact(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
