//! File requests over HTTP: made by their owner, delivered to by outsiders.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    crypto::secret::SecretText,
    domain::{
        file_request::{MOST_TYPES, TypePattern},
        instant::Instant,
        lifetime,
        metadata::Metadata,
        path::PathPin,
        quota::Limits,
        redemption::Status,
        tenant::Mode,
        text::{self, Message},
    },
    service::{
        AddressClass, Broker,
        file_requests::{MadeFileRequest, MakeFileRequest, SeenFileRequest},
        submissions::FileRequestPreview,
    },
};

use super::{
    administration::{LimitsView, UsageView},
    extract::{Authenticated, asking},
    filters::{Closable, FilterQuery, Filtered},
    histories::MakerView,
    idempotency::{Creating, IdempotencyHeader, created},
    json::Json,
    limits::Presents,
    problem::{Problem, ProblemDocument},
    render::{self, Listing},
    shares::claim_key,
};

/// The most submissions of one file request.
const MOST_SUBMISSIONS: u32 = 10_000;

/// The longest name that a deliverer gives, in characters: it becomes part of a folder's.
const LONGEST_NAME: usize = 60;

/// What a file request is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeBody {
    /// Below which folder everything goes, each delivery in a folder of its own.
    #[schema(value_type = String, example = "incoming/")]
    pub folder: PathPin,
    /// How much may be delivered in all.
    #[serde(default)]
    #[schema(value_type = Option<LimitsView>)]
    pub limits: Limits,
    /// The largest file, in bytes.
    pub largest_file: Option<u64>,
    /// Which media types are taken, such as `application/pdf` or `image/*`; all where none is named.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub content_types: Vec<TypePattern>,
    /// How many may deliver, 1 to 10,000; 100 where it is left out.
    pub submissions: Option<u32>,
    /// For how many seconds it takes deliveries: 60 to 7776000 (90 days), by default 7 days.
    pub expires_in: Option<u64>,
    /// Instead of `expires_in`: the closing date (RFC 3339).
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Instant>,
    /// For how many seconds whoever began to deliver may come back: 60 to 604800, by default a day.
    pub access_expires_in: Option<u64>,
    /// A password of 1 to 1,024 bytes.
    #[schema(value_type = Option<String>)]
    pub password: Option<SecretText>,
    /// Your own name for it.
    pub label: Option<String>,
    /// Words of your own that go with it: up to 20 texts of up to 500 characters, under keys of up to 40 characters
    /// (`A-Z a-z 0-9 _ . -`). Only you see them.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub metadata: Metadata,
    /// What whoever delivers is told, as your words: 1 to 1,000 characters, without line breaks.
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub message: Option<Message>,
}

impl MakeBody {
    fn parse(self, now: Instant) -> Result<MakeFileRequest, Problem> {
        let submissions = self.submissions.unwrap_or(100);
        if !(1..=MOST_SUBMISSIONS).contains(&submissions) {
            return Err(Problem::invalid("/submissions", "must be between 1 and 10,000"));
        }
        if self.content_types.len() > MOST_TYPES {
            return Err(Problem::invalid("/content_types", "at most 50 types"));
        }
        Ok(MakeFileRequest {
            folder: self.folder,
            limits: self.limits,
            largest_file: self.largest_file,
            content_types: self.content_types,
            submissions,
            closes_at: render::ends_at(&lifetime::FILE_REQUEST, self.expires_in, self.expires_at, now)?,
            access_seconds: render::access_seconds(&lifetime::SUBMISSION, self.access_expires_in)?,
            password: self.password,
            label: render::label(self.label)?,
            metadata: self.metadata,
            message: self.message,
        })
    }
}

/// A file request.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileRequestView {
    /// Its id.
    pub id: String,
    /// `open`, `full`, `expired` or `closed`.
    pub status: &'static str,
    /// Whether it is real, or made with a test key.
    pub livemode: bool,
    /// Below which folder everything goes.
    pub folder: String,
    /// How much may be delivered in all.
    #[schema(value_type = LimitsView)]
    pub limits: Limits,
    /// The largest file, in bytes.
    pub largest_file: Option<u64>,
    /// Which media types are taken; all where none is named.
    #[schema(value_type = Vec<String>)]
    pub content_types: Vec<TypePattern>,
    /// Whether it wants a password.
    pub has_password: bool,
    /// Your own name for it.
    pub label: Option<String>,
    /// Words of your own that go with it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub metadata: Metadata,
    /// What whoever delivers is told.
    #[schema(value_type = Option<String>)]
    pub message: Option<Message>,
    /// How many have begun to deliver.
    pub submissions: u32,
    /// How many may.
    pub most_submissions: u32,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// The closing date (RFC 3339).
    pub expires_at: String,
    /// For how many seconds whoever began may come back.
    pub access_expires_in: u64,
    /// When it was closed before its time (RFC 3339).
    pub closed_at: Option<String>,
    /// Which API key made it.
    pub created_by: MakerView,
    /// How much has been delivered, or may still arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageView>,
}

impl From<SeenFileRequest> for FileRequestView {
    fn from(seen: SeenFileRequest) -> Self {
        let request = seen.request;
        Self {
            id: request.id.to_string(),
            status: match seen.status {
                Status::Pending => "open",
                Status::Claimed => "full",
                Status::Expired => "expired",
                Status::Revoked => "closed",
            },
            livemode: request.made.namespace.mode == Mode::Live,
            folder: request.folder.to_string(),
            limits: request.limits,
            largest_file: request.largest_file,
            content_types: request.content_types,
            has_password: request.password.is_some(),
            label: request.label,
            metadata: request.metadata,
            message: request.message,
            submissions: seen.submissions,
            most_submissions: request.terms.redemptions,
            created_at: request.terms.issued_at.to_string(),
            expires_at: request.terms.expires_at.to_string(),
            access_expires_in: request.terms.access_seconds,
            closed_at: seen.closed_at.map(|at| at.to_string()),
            created_by: seen.maker.into(),
            usage: None,
        }
    }
}

/// A file request just made.
#[derive(Serialize, ToSchema)]
pub struct MadeView {
    /// The file request.
    #[serde(flatten)]
    pub request: FileRequestView,
    /// The token, shown this once.
    #[schema(example = "crf_…")]
    pub token: String,
    /// The link to send: the token is in its fragment, which browsers keep to themselves.
    pub url: String,
}

impl MadeView {
    fn new(made: &MadeFileRequest, broker: &Broker) -> Self {
        let token = made.token.expose().to_owned();
        let url = format!("{}/r#{token}", broker.settings.public_url);
        Self { request: made.seen.clone().into(), token, url }
    }
}

/// Make a file request: a link by which outsiders deliver files, and see nothing else.
#[utoipa::path(
    post, path = "/v1/file-requests", tag = "file requests", request_body = MakeBody, params(IdempotencyHeader), security(("api_key" = [])),
    responses(
        (status = 201, description = "Made; the token is shown this once", body = MadeView),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn make(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, MakeBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let view = |made: &MadeFileRequest| MadeView::new(made, &broker);
    created(&broker, &once, view, async |reply| {
        let wanted = body.parse(broker.now())?;
        Ok(broker.make_file_request(&caller, wanted, reply).await?)
    })
    .await
}

/// List file requests, newest first.
#[utoipa::path(
    get, path = "/v1/file-requests", tag = "file requests", params(FilterQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<FileRequestView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn list(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    Filtered { page, filter, .. }: Filtered<Closable>,
) -> Result<HttpResponse, Problem> {
    let page = broker.list_file_requests(&caller, &filter, &page).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, FileRequestView::from)))
}

/// Inspect a file request, and how much was delivered.
#[utoipa::path(
    get, path = "/v1/file-requests/{id}", tag = "file requests", security(("api_key" = [])),
    params(("id" = String, Path, description = "The file request's id")),
    responses((status = 200, body = FileRequestView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let (seen, usage) = broker.inspect_file_request(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::Ok().json(FileRequestView { usage: Some(usage.into()), ..seen.into() }))
}

/// Close a file request before its time. What was delivered stays.
#[utoipa::path(
    delete, path = "/v1/file-requests/{id}", tag = "file requests", security(("api_key" = [])),
    params(("id" = String, Path, description = "The file request's id")),
    responses((status = 204, description = "Closed"), (status = "4XX", body = ProblemDocument))
)]
pub async fn close(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    broker.close_file_request(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A token to deliver by.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverBody {
    /// The token of the file request.
    #[schema(value_type = String, example = "crf_…")]
    pub token: SecretText,
    /// The password, where one is wanted.
    #[schema(value_type = Option<String>)]
    pub password: Option<SecretText>,
    /// 32 random bytes of your own making, base64url without padding. Keep
    /// it: with it, and only with it, you can go on later.
    #[schema(value_type = String, min_length = 43, max_length = 43)]
    pub claim_key: SecretText,
    /// Who delivers, at most 60 characters: whoever asked sees it as part of the folder's name.
    pub name: Option<String>,
}

impl Presents for DeliverBody {
    const CLASS: AddressClass = AddressClass::Redeem;

    fn credential(&self) -> &SecretText {
        &self.token
    }
}

/// A token to look at.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookBody {
    /// The token of the file request.
    #[schema(value_type = String, example = "crf_…")]
    pub token: SecretText,
    /// Your claim key, where you have begun to deliver already.
    #[schema(value_type = Option<String>)]
    pub claim_key: Option<SecretText>,
}

impl Presents for LookBody {
    const CLASS: AddressClass = AddressClass::Redeem;

    fn credential(&self) -> &SecretText {
        &self.token
    }
}

/// What is asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AskedView {
    /// Who asks: the tenant's name.
    pub sender: String,
    /// What they say about it.
    #[schema(value_type = Option<String>)]
    pub message: Option<Message>,
    /// Until when deliveries are taken (RFC 3339).
    pub closes_at: String,
    /// The largest file that is taken, in bytes.
    pub largest_file: u64,
    /// How many bytes are left.
    pub bytes_left: Option<u64>,
    /// How many files are left.
    pub objects_left: Option<u64>,
    /// Which media types are taken; all where none is named.
    #[schema(value_type = Vec<String>)]
    pub content_types: Vec<TypePattern>,
    /// What delivering wants besides the token: `password` or nothing.
    pub requires: Vec<&'static str>,
}

impl From<FileRequestPreview> for AskedView {
    fn from(preview: FileRequestPreview) -> Self {
        let left = |limit: Option<u64>, used: u64| limit.map(|limit| limit.saturating_sub(used));
        let FileRequestPreview { sender, request, largest_file, usage, needs_password } = preview;
        Self {
            sender,
            message: request.message,
            closes_at: request.terms.expires_at.to_string(),
            largest_file,
            bytes_left: left(usage.limits.bytes, usage.used.bytes),
            objects_left: left(usage.limits.objects, usage.used.objects),
            content_types: request.content_types,
            requires: if needs_password { vec!["password"] } else { Vec::new() },
        }
    }
}

/// A delivery that may be gone on with.
#[derive(Serialize, ToSchema)]
pub struct DeliveryView {
    /// The credential for `/v1/session/uploads`, as a bearer token. It uploads, and can do nothing else.
    pub session_token: String,
    /// Until when the credential may be used (RFC 3339).
    pub expires_at: String,
    /// Until when delivering again with the same claim key gives a new one (RFC 3339).
    pub access_expires_at: String,
    /// What is asked for.
    #[serde(flatten)]
    pub asked: AskedView,
}

/// Begin to deliver, or go on.
#[utoipa::path(
    post, path = "/v1/file-requests/redeem", tag = "redeeming", request_body = DeliverBody,
    responses(
        (status = 200, description = "Begun, or gone on with, under this claim key", body = DeliveryView),
        (status = 403, description = "It lives, and wants a (or another) password", body = ProblemDocument),
        (status = 404, description = "The one answer to every token that opens nothing", body = ProblemDocument),
        (status = 429, description = "Too many requests, or tries at a password; wait as Retry-After says", body = ProblemDocument),
        (status = 503, description = "No definite outcome; ask again with the same claim key", body = ProblemDocument),
    )
)]
pub async fn redeem(
    request: HttpRequest,
    broker: web::Data<Broker>,
    Json(body): Json<DeliverBody>,
) -> Result<HttpResponse, Problem> {
    let claim_key = claim_key(&body.claim_key)?;
    let name = body.name.as_deref().map(name).transpose()?;
    let proof = (body.password.as_ref(), name);
    let opened = broker.open_submission(&body.token, &claim_key, proof, asking(&request)).await?;
    Ok(HttpResponse::Ok().json(DeliveryView {
        session_token: opened.token.expose().to_owned(),
        expires_at: opened.expires_at.to_string(),
        access_expires_at: opened.access_until.to_string(),
        asked: opened.preview.into(),
    }))
}

/// A name that can be part of a folder's.
fn name(text: &str) -> Result<&str, Problem> {
    let fits = text.chars().count() <= LONGEST_NAME && text::label(text).is_ok() && !text.contains(['/', '\\']);
    if fits { Ok(text) } else { Err(Problem::invalid("/name", "has 1 to 60 characters, and no slashes")) }
}

/// Look at what is asked for, without beginning to deliver.
#[utoipa::path(
    post, path = "/v1/file-requests/redeem/preview", tag = "redeeming", request_body = LookBody,
    responses((status = 200, body = AskedView), (status = 404, body = ProblemDocument), (status = 429, body = ProblemDocument))
)]
pub async fn preview(
    request: HttpRequest,
    broker: web::Data<Broker>,
    Json(body): Json<LookBody>,
) -> Result<HttpResponse, Problem> {
    let claim_key = body.claim_key.as_ref().map(claim_key).transpose()?;
    let preview = broker.preview_file_request(&body.token, claim_key.as_ref(), asking(&request)).await?;
    Ok(HttpResponse::Ok().json(AskedView::from(preview)))
}
