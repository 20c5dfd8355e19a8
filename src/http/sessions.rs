//! Sessions over HTTP: what a claimant does.

use actix_web::{
    HttpResponse,
    cookie::{Cookie, SameSite, time},
    web,
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    crypto::secret::SecretText,
    domain::{instant::Instant, path::VaultPath, permission::SharePermission},
    service::{Broker, Error, listing::PageRequest, vault::Purpose},
};

use super::{
    extract::{InSession, With, cookie_name, is_secure},
    problem::{Problem, ProblemDocument},
    qr::{self, QrView},
    render::{DownloadBody, DownloadView, Listing, ObjectView, ObjectsQuery},
    shares::claim_key,
    upload_actions,
    upload_views::BatchView,
};

/// How many downloads of a batch are signed at a time.
const DOWNLOADS_AT_ONCE: usize = 8;

/// Files to download.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DownloadBatchBody {
    /// Their paths, 1 to 100 of them.
    pub paths: Vec<String>,
}

/// A file of a batch, and where to download it.
#[derive(Serialize, ToSchema)]
pub struct DownloadItem {
    /// Its path.
    pub path: String,
    /// Where.
    #[serde(flatten)]
    pub download: DownloadView,
}

/// The cookie that carries a session's credential.
pub(super) struct SessionCookie(Cookie<'static>);

impl SessionCookie {
    pub(super) fn new(broker: &Broker, session: &str, token: &str, expires_at: Instant) -> Self {
        let secure = is_secure(broker);
        let seconds = expires_at.since(broker.now()).as_secs();
        let cookie = Cookie::build(cookie_name(session, secure), token.to_owned())
            .path("/")
            .http_only(true)
            .secure(secure)
            .same_site(SameSite::Strict)
            .max_age(time::Duration::seconds(i64::try_from(seconds).unwrap_or(0)))
            .finish();
        Self(cookie)
    }
}

impl From<SessionCookie> for Cookie<'static> {
    fn from(cookie: SessionCookie) -> Self {
        cookie.0
    }
}

/// A session as its claimant sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// Who shares: the tenant's name.
    pub sender: String,
    /// What may be done.
    #[schema(value_type = String)]
    pub permission: SharePermission,
    /// Where.
    pub paths: Vec<String>,
    /// When it was claimed (RFC 3339).
    pub created_at: String,
    /// Until when this credential may be used (RFC 3339).
    pub expires_at: String,
    /// Until when redeeming again with the same claim key gives a new one (RFC 3339).
    pub access_expires_at: String,
}

/// What may be done in this session.
#[utoipa::path(
    get, path = "/v1/session", tag = "session", security(("session" = [])),
    responses((status = 200, body = SessionView), (status = 401, body = ProblemDocument))
)]
pub async fn inspect(InSession(session): InSession) -> HttpResponse {
    HttpResponse::Ok().json(SessionView {
        id: session.id.to_string(),
        sender: session.sender().to_owned(),
        permission: session.permission(),
        paths: session.paths().iter().map(ToString::to_string).collect(),
        created_at: session.claim.claimed_at.to_string(),
        expires_at: session.expires_at.to_string(),
        access_expires_at: session.claim.access_until.to_string(),
    })
}

/// A link by which the session moves to another device.
#[derive(Serialize, ToSchema)]
pub struct MoveView {
    /// The token, shown this once: whoever redeems it first, with a claim key of their own, has the session.
    #[schema(example = "crm_AQEAAAAB…")]
    pub token: String,
    /// The link to open on the other device.
    pub url: String,
    /// Until when it may be opened (RFC 3339): 10 minutes at most.
    pub expires_at: String,
    /// The link as a QR code, for a device with a camera.
    pub qr: QrView,
}

/// Who offers to move.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveBody {
    /// The claim key with which the session was opened.
    #[schema(value_type = String, min_length = 43, max_length = 43)]
    pub claim_key: SecretText,
}

/// Offer to go on with the session on another device. When the offer is redeemed, this session ends at once.
#[utoipa::path(
    post, path = "/v1/session/moves", tag = "session", request_body = MoveBody, security(("session" = [])),
    responses((status = 201, body = MoveView), (status = "4XX", body = ProblemDocument))
)]
pub async fn offer_move(
    With(InSession(session), body): With<InSession, MoveBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let offered = broker.offer_move(&session, &claim_key(&body.claim_key)?).await?;
    let token = offered.token.expose().to_owned();
    let url = format!("{}/s#{token}", broker.settings.public_url);
    let qr = qr::draw(&url).map_err(|fault| Error::Internal(fault.to_string()))?;
    Ok(HttpResponse::Created().json(MoveView { token, url, expires_at: offered.expires_at.to_string(), qr }))
}

/// List the files of the session.
#[utoipa::path(
    get, path = "/v1/session/objects", tag = "session", params(ObjectsQuery), security(("session" = [])),
    responses((status = 200, body = Listing<ObjectView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn objects(
    InSession(session): InSession,
    broker: web::Data<Broker>,
    query: web::Query<ObjectsQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let request = PageRequest { limit: query.limit, cursor: query.cursor };
    let page = broker.session_objects(&session, &query.prefix, &request).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, ObjectView::from)))
}

/// Get a URL to download one file of the session.
#[utoipa::path(
    post, path = "/v1/session/downloads", tag = "session", request_body = DownloadBody, security(("session" = [])),
    responses((status = 200, body = DownloadView), (status = "4XX", body = ProblemDocument))
)]
pub async fn download(
    With(InSession(session), body): With<InSession, DownloadBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let signed = broker.session_download(&session, &body.path, body.disposition.into()).await?;
    Ok(HttpResponse::Ok().json(DownloadView::from(signed)))
}

/// Get URLs to download up to 100 files of the session. Each item has its own result.
#[utoipa::path(
    post, path = "/v1/session/downloads/batch", tag = "session", request_body = DownloadBatchBody,
    security(("session" = [])),
    responses((status = 200, body = BatchView<DownloadItem>), (status = "4XX", body = ProblemDocument))
)]
pub async fn download_batch(
    With(InSession(session), body): With<InSession, DownloadBatchBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    upload_actions::check_batch("/paths", body.paths.len())?;
    let download = async |(index, text): (usize, String)| {
        let path =
            VaultPath::parse(&text).map_err(|fault| Problem::invalid(format!("/paths/{index}"), fault.to_string()))?;
        let signed = broker.session_download(&session, &path, Purpose::default()).await?;
        Ok(DownloadItem { path: text, download: DownloadView::from(signed) })
    };
    let items = body.paths.into_iter().enumerate().map(download);
    let results: Vec<_> = stream::iter(items).buffered(DOWNLOADS_AT_ONCE).collect().await;
    Ok(HttpResponse::Ok().json(BatchView::new(results, 200)))
}
