//! Shares over HTTP.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    crypto::{claim::ClaimKey, secret::SecretText},
    domain::{
        instant::Instant,
        lifetime,
        metadata::Metadata,
        narrowing::Conditions,
        path::PathPin,
        permission::{Permission, SharePermission},
        recipient::Recipients,
        redemption::Status,
        restrictions::{AllowedNetworks, Restrictions},
        share::Pins,
        tenant::Mode,
        text::Message,
    },
    service::{
        AddressClass, Broker,
        listing::PageRequest,
        shares::{MintShare, MintedShare, Share},
    },
};

use super::{
    extract::{Authenticated, Looking, With, asking},
    filters::{Claimable, FilterQuery, Filtered, RevokeBody, RevokedView},
    histories::MakerView,
    idempotency::{Creating, IdempotencyHeader, created},
    json::Json,
    limits::Presents,
    problem::{Problem, ProblemDocument},
    render::{self, Listing, ObjectView, ObjectsQuery},
    restrictions::{self, RecipientBody, RecipientView, SendCodeBody},
    sessions::SessionCookie,
};

/// What a share is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MintShareBody)]
pub struct MintBody {
    /// 1 to 100 paths; one that ends in `/` is a folder with all below it.
    #[schema(value_type = Vec<String>, example = json!(["docs/a.pdf", "designs/"]))]
    pub paths: Vec<PathPin>,
    /// `read` or `write`; `admin` can never be shared.
    #[schema(value_type = String, example = "read")]
    pub permission: Permission,
    /// For how many seconds it may be claimed: 60 to 604,800, by default 900.
    pub expires_in: Option<u64>,
    /// Instead of `expires_in`: until when (RFC 3339).
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Instant>,
    /// For how many seconds after the claim the claimant may keep coming back: 60 to 604,800, by default 3,600.
    pub access_expires_in: Option<u64>,
    /// From when on it may be claimed (RFC 3339), before it expires; at once where it is left out.
    #[schema(value_type = Option<String>)]
    pub not_before: Option<Instant>,
    /// From which networks alone it may be looked at, claimed and used: 1 to 50, such as `192.0.2.0/24`.
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_networks: Option<AllowedNetworks>,
    /// How many may claim it, each for themselves: 1 to 1,000, by default 1.
    #[schema(minimum = 1, maximum = 1000)]
    pub redemptions: Option<u32>,
    /// To whom alone it goes: 1 to 50 e-mail addresses, each once, alone or with what you note of them. Whoever redeems gets a code there, and each redeems once.
    #[schema(value_type = Option<Vec<restrictions::GivenRecipient>>)]
    pub recipients: Option<Recipients>,
    /// Your own name for it; recipients do not see it.
    pub label: Option<String>,
    /// Words of your own that go with it: up to 20 texts of up to 500 characters, under keys of up to 40 characters
    /// (`A-Z a-z 0-9 _ . -`). Only you see them.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub metadata: Metadata,
    /// What recipients are told, as your words, before they open it and before any password: 1 to 1,000 characters,
    /// without line breaks.
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub message: Option<Message>,
    /// Whether files that are not there (yet) may be shared.
    #[serde(default)]
    pub allow_missing: bool,
}

impl MintBody {
    fn parse(self, now: Instant) -> Result<MintShare, Problem> {
        let permission = match self.permission {
            Permission::Read => SharePermission::Read,
            Permission::Write => SharePermission::Write,
            Permission::Admin => {
                return Err(Problem::invalid("/permission", "admin can never be shared; choose read or write"));
            }
        };
        let expires_at = render::ends_at(&lifetime::SHARE, self.expires_in, self.expires_at, now)?;
        Ok(MintShare {
            pins: Pins::new(self.paths).map_err(|fault| Problem::invalid("/paths", fault.to_string()))?,
            permission,
            not_before: restrictions::not_before(self.not_before, expires_at, now)?,
            expires_at,
            redemptions: restrictions::redemptions(self.redemptions, self.recipients.as_ref())?,
            restrictions: Restrictions { networks: self.allowed_networks, recipients: None },
            access_seconds: render::access_seconds(&lifetime::SHARE_ACCESS, self.access_expires_in)?,
            label: render::label(self.label)?,
            metadata: self.metadata,
            message: self.message,
            recipients: self.recipients,
            allow_missing: self.allow_missing,
        })
    }
}

/// A share as its owner sees it. Never its token.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShareView {
    /// Its id.
    #[schema(example = "shr_0199b1c2d3e4f5061728394a5b6c7d8e")]
    pub id: String,
    /// `pending`, `claimed`, `expired` or `revoked`.
    #[schema(value_type = String)]
    pub status: Status,
    /// Whether it is real, or made with a test key.
    pub livemode: bool,
    /// What it gives.
    #[schema(value_type = String)]
    pub permission: SharePermission,
    /// Where.
    pub paths: Vec<String>,
    /// Your own name for it.
    pub label: Option<String>,
    /// Words of your own that go with it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub metadata: Metadata,
    /// What recipients are told.
    #[schema(value_type = Option<String>)]
    pub message: Option<Message>,
    /// How often it was claimed.
    pub claims: u32,
    /// How often it may be.
    pub redemptions: u32,
    /// From which networks alone it may be used; null for all.
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_networks: Option<AllowedNetworks>,
    /// To whom alone it goes; null for whoever holds it.
    pub recipients: Option<Vec<RecipientView>>,
    /// When it was minted (RFC 3339).
    pub created_at: String,
    /// From when on it may be claimed (RFC 3339), where that is not from the beginning.
    pub not_before: Option<String>,
    /// Until when it may be claimed (RFC 3339).
    pub expires_at: String,
    /// For how many seconds after the claim it stays open.
    pub access_expires_in: u64,
    /// When it was revoked (RFC 3339).
    pub revoked_at: Option<String>,
    /// Which API key made it.
    pub created_by: MakerView,
}

/// A share just minted.
#[derive(Serialize, ToSchema)]
#[schema(as = MintedShareView)]
pub struct MintedView {
    /// The share.
    #[serde(flatten)]
    pub share: ShareView,
    /// The token, shown this once.
    #[schema(example = "crs_AQEAAAAB…")]
    pub token: String,
    /// The link to send: the token is in its fragment, which browsers keep to themselves.
    pub url: String,
}

impl MintedView {
    fn new(minted: &MintedShare, broker: &Broker) -> Self {
        let token = minted.token.expose().to_owned();
        let url = format!("{}/s#{token}", broker.settings.public_url);
        Self { share: minted.share.clone().into(), token, url }
    }
}

impl From<Share> for ShareView {
    fn from(share: Share) -> Self {
        let Share { grant, conditions: Conditions { terms, restrictions: restricted }, notes, claimed_by, .. } = share;
        Self {
            id: grant.id.to_string(),
            status: share.status,
            livemode: grant.made.namespace.mode == Mode::Live,
            permission: grant.permission,
            paths: grant.pins.as_slice().iter().map(ToString::to_string).collect(),
            label: notes.label,
            metadata: notes.metadata,
            message: notes.message,
            claims: share.claims,
            redemptions: terms.redemptions,
            allowed_networks: restricted.networks,
            recipients: restrictions::recipients(notes.recipients, claimed_by),
            created_at: terms.issued_at.to_string(),
            not_before: terms.not_before.map(|at| at.to_string()),
            expires_at: terms.expires_at.to_string(),
            access_expires_in: terms.access_seconds,
            revoked_at: share.revoked_at.map(|at| at.to_string()),
            created_by: share.maker.into(),
        }
    }
}

/// Mint a share.
#[utoipa::path(
    post, path = "/v1/shares", tag = "shares", request_body = MintBody, params(IdempotencyHeader), security(("api_key" = [])),
    responses(
        (status = 201, description = "Minted; the token is shown this once", body = MintedView),
        (status = "4XX", description = "Nothing was minted", body = ProblemDocument),
    )
)]
pub async fn mint(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, MintBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let view = |minted: &MintedShare| MintedView::new(minted, &broker);
    created(&broker, &once, view, async |reply| {
        let wanted = body.parse(broker.now())?;
        Ok(broker.mint_share(&caller, wanted, reply).await?)
    })
    .await
}

/// List shares, newest first.
#[utoipa::path(
    get, path = "/v1/shares", tag = "shares", params(FilterQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<ShareView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn list(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    Filtered { page, filter, .. }: Filtered<Claimable>,
) -> Result<HttpResponse, Problem> {
    let page = broker.list_shares(&caller, &filter, &page).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, ShareView::from)))
}

/// Inspect a share.
#[utoipa::path(
    get, path = "/v1/shares/{id}", tag = "shares", security(("api_key" = [])),
    params(("id" = String, Path, description = "The share's id")),
    responses((status = 200, body = ShareView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let share = broker.inspect_share(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::Ok().json(ShareView::from(share)))
}

/// List what a recipient of the share would see now. Looking claims nothing.
#[utoipa::path(
    get, path = "/v1/shares/{id}/objects", tag = "shares", security(("api_key" = [])),
    params(("id" = String, Path, description = "The share's id"), ObjectsQuery),
    responses((status = 200, body = Listing<ObjectView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn objects(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
    query: web::Query<ObjectsQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let request = PageRequest { limit: query.limit, cursor: query.cursor };
    let page = broker.share_objects(&caller, render::id(&id)?, &query.prefix, &request).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, ObjectView::from)))
}

/// Revoke a share and the session it opened.
#[utoipa::path(
    delete, path = "/v1/shares/{id}", tag = "shares", security(("api_key" = [])),
    params(("id" = String, Path, description = "The share's id")),
    responses((status = 204, description = "Revoked"), (status = "4XX", body = ProblemDocument))
)]
pub async fn revoke(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    broker.revoke_share(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Revoke those of your shares, and the sessions they opened, that a filter takes: up to 500 of the list are looked at in one call, each is
/// revoked by itself. Call again with `next_cursor` until there are no more.
#[utoipa::path(
    post, path = "/v1/shares/revoke", tag = "shares", request_body = RevokeBody, security(("api_key" = [])),
    responses((status = 200, body = RevokedView), (status = "4XX", body = ProblemDocument))
)]
pub async fn revoke_many(
    With(Authenticated(caller), body): With<Authenticated, RevokeBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let (filter, cursor) = body.parse()?;
    let revoked = broker.revoke_shares(&caller, &filter, cursor).await?;
    Ok(HttpResponse::Ok().json(RevokedView::from(revoked)))
}

/// A token to redeem.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RedeemShareBody)]
pub struct RedeemBody {
    /// The share token; or one to move a session here, `crm_…`.
    #[schema(value_type = String, example = "crs_AQEAAAAB…")]
    pub token: SecretText,
    /// 32 random bytes of your own making, base64url without padding. Keep
    /// it: with it, and only with it, you can ask again.
    #[schema(value_type = String, min_length = 43, max_length = 43)]
    pub claim_key: SecretText,
    /// Where it goes to recipients alone: one of them, and their code. Who comes back needs none.
    pub recipient: Option<RecipientBody>,
}

impl Presents for RedeemBody {
    const CLASS: AddressClass = AddressClass::Redeem;

    fn credential(&self) -> &SecretText {
        &self.token
    }
}

/// An open session.
#[derive(Serialize, ToSchema)]
pub struct SessionOpened {
    /// The session's id: its page is `/session/{session}`.
    pub session: String,
    /// The credential, also set as a cookie. As a bearer token it serves clients that are no browsers.
    pub session_token: String,
    /// What may be done.
    #[schema(value_type = String)]
    pub permission: SharePermission,
    /// Where.
    pub paths: Vec<String>,
    /// Until when the credential may be used (RFC 3339).
    pub expires_at: String,
    /// Until when redeeming again with the same claim key gives a new one (RFC 3339).
    pub access_expires_at: String,
}

/// Redeem a share: once, or as often as its minter allowed.
#[utoipa::path(
    post, path = "/v1/shares/redeem", tag = "redeeming", request_body = RedeemBody,
    responses(
        (status = 200, description = "Claimed, or claimed before with the same claim key", body = SessionOpened),
        (status = 403, description = "It lives, and wants a recipient with their (or another) code", body = ProblemDocument),
        (status = 404, description = "The one answer to every token that opens nothing", body = ProblemDocument),
        (status = 409, description = "It lives, and opens at `opens_at`", body = ProblemDocument),
        (status = 429, description = "Too many requests, or tries at a password; wait as Retry-After says", body = ProblemDocument),
        (status = 503, description = "No definite outcome; ask again with the same claim key", body = ProblemDocument),
    )
)]
pub async fn redeem(
    request: HttpRequest,
    broker: web::Data<Broker>,
    Json(body): Json<RedeemBody>,
) -> Result<HttpResponse, Problem> {
    let claim_key = claim_key(&body.claim_key)?;
    let proof = body.recipient.map(Into::into);
    let opened = broker.redeem_share(&body.token, &claim_key, proof.as_ref(), asking(&request)).await?;
    let session = opened.session.to_string();
    let cookie = SessionCookie::new(&broker, &session, opened.token.expose(), opened.expires_at);
    Ok(HttpResponse::Ok().cookie(cookie.into()).json(SessionOpened {
        session,
        session_token: opened.token.expose().to_owned(),
        permission: opened.permission,
        paths: opened.paths.iter().map(ToString::to_string).collect(),
        expires_at: opened.expires_at.to_string(),
        access_expires_at: opened.access_until.to_string(),
    }))
}

/// A token to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewBody {
    /// The token.
    #[schema(value_type = String)]
    pub token: SecretText,
    /// The claim key, for whoever has claimed it already.
    #[schema(value_type = Option<String>)]
    pub claim_key: Option<SecretText>,
}

impl Presents for PreviewBody {
    const CLASS: AddressClass = AddressClass::Redeem;

    fn credential(&self) -> &SecretText {
        &self.token
    }
}

/// What a share would give.
#[derive(Debug, Serialize, ToSchema)]
pub struct SharePreviewView {
    /// Who sends it: the tenant's name.
    pub sender: String,
    /// What they say about it: their words, which nobody has checked.
    #[schema(value_type = Option<String>)]
    pub message: Option<Message>,
    /// What could be done.
    #[schema(value_type = String)]
    pub permission: SharePermission,
    /// How many files, up to 1,000.
    pub item_count: usize,
    /// Whether there are more.
    pub more_items: bool,
    /// The size of those together, in bytes: where there are more, it is at least this.
    pub total_size: u64,
    /// From when on it may be claimed (RFC 3339), where that is not yet so.
    pub opens_at: Option<String>,
    /// Whether one opens it and nobody else.
    pub single_use: bool,
    /// Until when it may be claimed (RFC 3339).
    pub claim_by: String,
    /// For how many seconds it then stays open.
    pub access_expires_in: u64,
    /// What redeeming wants besides the token: `recipient` or nothing.
    pub requires: Vec<&'static str>,
    /// Whether the token moves a session from another device, where it then ends.
    pub moving: bool,
    /// Whether you minted it.
    pub yours: bool,
    /// The share's id, if you minted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
}

/// Look at a share without claiming it.
#[utoipa::path(
    post, path = "/v1/shares/redeem/preview", tag = "redeeming", request_body = PreviewBody,
    responses((status = 200, body = SharePreviewView), (status = 404, body = ProblemDocument), (status = 429, body = ProblemDocument))
)]
pub async fn preview(
    request: HttpRequest,
    Looking(body, looking): Looking<PreviewBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let claim_key = body.claim_key.as_ref().map(claim_key).transpose()?;
    let id = asking(&request);
    let preview = broker.preview_share(&body.token, claim_key.as_ref(), looking.as_ref(), id).await?;
    Ok(HttpResponse::Ok().json(SharePreviewView {
        sender: preview.sender,
        message: preview.message,
        permission: preview.permission,
        item_count: preview.item_count,
        more_items: preview.more,
        total_size: preview.total_size,
        opens_at: preview.opens_at.map(|at| at.to_string()),
        single_use: preview.single_use,
        claim_by: preview.claim_by.to_string(),
        access_expires_in: preview.access_seconds,
        requires: if preview.needs_recipient { vec!["recipient"] } else { Vec::new() },
        moving: preview.moving,
        yours: preview.share.is_some(),
        share: preview.share.map(|share| share.to_string()),
    }))
}

/// A claim key, checked.
pub(super) fn claim_key(text: &SecretText) -> Result<ClaimKey, Problem> {
    ClaimKey::parse(text).map_err(|fault| Problem::invalid("/claim_key", fault.to_string()))
}

/// Have a code sent to a recipient, to redeem with. The answer is the same whether the address is a recipient's or not.
#[utoipa::path(
    post, path = "/v1/shares/redeem/code", tag = "redeeming", request_body = SendCodeBody,
    responses(
        (status = 202, description = "If the address is a recipient's, a code is on its way"),
        (status = 404, description = "The one answer to every token that opens nothing", body = ProblemDocument),
        (status = 409, description = "It lives, and no code is wanted (`no_code_wanted`), or not yet (`not_yet`)", body = ProblemDocument),
        (status = 422, description = "This is no address", body = ProblemDocument),
        (status = 429, description = "Too many requests, or codes; wait as Retry-After says", body = ProblemDocument),
    )
)]
pub async fn send_code(
    request: HttpRequest,
    broker: web::Data<Broker>,
    Json(body): Json<SendCodeBody>,
) -> Result<HttpResponse, Problem> {
    broker.send_share_code(&body.token, &body.address, asking(&request)).await?;
    Ok(HttpResponse::Accepted().finish())
}
