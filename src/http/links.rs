//! Links over HTTP.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    crypto::secret::SecretText,
    domain::{
        ids::ArtifactId,
        instant::Instant,
        lifetime,
        metadata::Metadata,
        narrowing::Conditions,
        recipient::Recipients,
        redemption::Status,
        restrictions::{AllowedNetworks, Restrictions},
        tenant::Mode,
        text::Message,
    },
    service::{
        AddressClass, Broker,
        links::{Link, MintLink, MintedLink},
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
    render::{self, Listing},
    restrictions::{self, RecipientBody, RecipientView, SendCodeBody},
    shares::{PreviewBody, claim_key},
};

/// What a link is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MintLinkBody)]
pub struct MintBody {
    /// The artifact it opens.
    #[schema(value_type = String)]
    pub artifact: ArtifactId,
    /// For how many seconds it may be claimed: 60 to 604,800, by default 604,800.
    pub expires_in: Option<u64>,
    /// Instead of `expires_in`: until when (RFC 3339).
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Instant>,
    /// For how many seconds after the claim the claimant may keep coming back: 60 to 604,800, by default 86,400.
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
    /// A password of 1 to 1,024 bytes, kept as Argon2id only.
    #[schema(value_type = Option<String>)]
    pub password: Option<SecretText>,
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
}

impl MintBody {
    fn parse(self, now: Instant) -> Result<MintLink, Problem> {
        let expires_at = render::ends_at(&lifetime::LINK, self.expires_in, self.expires_at, now)?;
        Ok(MintLink {
            artifact: self.artifact,
            not_before: restrictions::not_before(self.not_before, expires_at, now)?,
            expires_at,
            redemptions: restrictions::redemptions(self.redemptions, self.recipients.as_ref())?,
            restrictions: Restrictions { networks: self.allowed_networks, recipients: None },
            access_seconds: render::access_seconds(&lifetime::LINK_ACCESS, self.access_expires_in)?,
            password: self.password,
            label: render::label(self.label)?,
            metadata: self.metadata,
            message: self.message,
            recipients: self.recipients,
        })
    }
}

/// A link as its owner sees it. Never its token.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkView {
    /// Its id.
    pub id: String,
    /// `pending`, `claimed`, `expired` or `revoked`.
    #[schema(value_type = String)]
    pub status: Status,
    /// Whether it is real, or made with a test key.
    pub livemode: bool,
    /// The artifact it opens.
    pub artifact: String,
    /// Whether it wants a password.
    pub has_password: bool,
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

/// A link just minted.
#[derive(Serialize, ToSchema)]
#[schema(as = MintedLinkView)]
pub struct MintedView {
    /// The link.
    #[serde(flatten)]
    pub link: LinkView,
    /// The token, shown this once.
    pub token: String,
    /// The link to send: the token is in its fragment, which browsers keep to themselves.
    pub url: String,
}

impl MintedView {
    fn new(minted: &MintedLink, broker: &Broker) -> Self {
        let token = minted.token.expose().to_owned();
        let url = format!("{}/l#{token}", broker.settings.public_url);
        Self { link: minted.link.clone().into(), token, url }
    }
}

impl From<Link> for LinkView {
    fn from(link: Link) -> Self {
        let Link { grant, conditions: Conditions { terms, restrictions: restricted }, notes, claimed_by, .. } = link;
        Self {
            id: grant.id.to_string(),
            status: link.status,
            livemode: grant.made.namespace.mode == Mode::Live,
            artifact: grant.artifact.to_string(),
            has_password: grant.password.is_some(),
            label: notes.label,
            metadata: notes.metadata,
            message: notes.message,
            claims: link.claims,
            redemptions: terms.redemptions,
            allowed_networks: restricted.networks,
            recipients: restrictions::recipients(notes.recipients, claimed_by),
            created_at: terms.issued_at.to_string(),
            not_before: terms.not_before.map(|at| at.to_string()),
            expires_at: terms.expires_at.to_string(),
            access_expires_in: terms.access_seconds,
            revoked_at: link.revoked_at.map(|at| at.to_string()),
            created_by: link.maker.into(),
        }
    }
}

/// Mint a link to an artifact.
#[utoipa::path(
    post, path = "/v1/links", tag = "links", request_body = MintBody, params(IdempotencyHeader), security(("api_key" = [])),
    responses(
        (status = 201, description = "Minted; the token is shown this once", body = MintedView),
        (status = "4XX", description = "Nothing was minted", body = ProblemDocument),
    )
)]
pub async fn mint(
    Creating { who: Authenticated(caller), body, once }: Creating<Authenticated, MintBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let view = |minted: &MintedLink| MintedView::new(minted, &broker);
    created(&broker, &once, view, async |reply| {
        let wanted = body.parse(broker.now())?;
        Ok(broker.mint_link(&caller, wanted, reply).await?)
    })
    .await
}

/// List links, newest first.
#[utoipa::path(
    get, path = "/v1/links", tag = "links", params(FilterQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<LinkView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn list(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    Filtered { page, filter, .. }: Filtered<Claimable>,
) -> Result<HttpResponse, Problem> {
    let page = broker.list_links(&caller, &filter, &page).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, LinkView::from)))
}

/// Inspect a link.
#[utoipa::path(
    get, path = "/v1/links/{id}", tag = "links", security(("api_key" = [])),
    params(("id" = String, Path, description = "The link's id")),
    responses((status = 200, body = LinkView), (status = "4XX", body = ProblemDocument))
)]
pub async fn inspect(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let link = broker.inspect_link(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::Ok().json(LinkView::from(link)))
}

/// Revoke a link. Edge cookies that are out run on for at most 15 minutes on CloudFront.
#[utoipa::path(
    delete, path = "/v1/links/{id}", tag = "links", security(("api_key" = [])),
    params(("id" = String, Path, description = "The link's id")),
    responses((status = 204, description = "Revoked"), (status = "4XX", body = ProblemDocument))
)]
pub async fn revoke(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    broker.revoke_link(&caller, render::id(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Revoke those of your links that a filter takes: up to 500 of the list are looked at in one call, each is
/// revoked by itself. Call again with `next_cursor` until there are no more.
#[utoipa::path(
    post, path = "/v1/links/revoke", tag = "links", request_body = RevokeBody, security(("api_key" = [])),
    responses((status = 200, body = RevokedView), (status = "4XX", body = ProblemDocument))
)]
pub async fn revoke_many(
    With(Authenticated(caller), body): With<Authenticated, RevokeBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let (filter, cursor) = body.parse()?;
    let revoked = broker.revoke_links(&caller, &filter, cursor).await?;
    Ok(HttpResponse::Ok().json(RevokedView::from(revoked)))
}

/// A token to redeem.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RedeemLinkBody)]
pub struct RedeemBody {
    /// The link token.
    #[schema(value_type = String, example = "crl_…")]
    pub token: SecretText,
    /// The password, where the link wants one.
    #[schema(value_type = Option<String>)]
    pub password: Option<SecretText>,
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

/// The way to the artifact's own host.
#[derive(Serialize, ToSchema)]
pub struct EnterView {
    /// Where the browser posts a form with the field `code`.
    pub url: String,
    /// The code: once, within 30 seconds.
    pub code: String,
}

/// An opened link.
#[derive(Serialize, ToSchema)]
pub struct LinkOpened {
    /// The way to the artifact's own host.
    pub enter: EnterView,
    /// Until when the code may be used (RFC 3339).
    pub expires_at: String,
    /// Until when redeeming again with the same claim key gives a new one (RFC 3339).
    pub access_expires_at: String,
}

/// Redeem a link: once, or as often as its minter allowed.
#[utoipa::path(
    post, path = "/v1/links/redeem", tag = "redeeming", request_body = RedeemBody,
    responses(
        (status = 200, description = "Claimed, or claimed before with the same claim key", body = LinkOpened),
        (status = 403, description = "The link lives, and wants a (or another) password, or a recipient with their code", body = ProblemDocument),
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
    let id = asking(&request);
    let proof = body.recipient.map(Into::into);
    let opened = broker.redeem_link(&body.token, &claim_key, body.password.as_ref(), proof.as_ref(), id).await?;
    Ok(HttpResponse::Ok().json(LinkOpened {
        enter: EnterView { url: opened.enter_url, code: opened.code },
        expires_at: opened.expires_at.to_string(),
        access_expires_at: opened.access_until.to_string(),
    }))
}

/// What a link would give.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkPreviewView {
    /// Who sends it: the tenant's name.
    pub sender: String,
    /// What they say about it: their words, which nobody has checked.
    #[schema(value_type = Option<String>)]
    pub message: Option<Message>,
    /// What could be done: always `read`.
    pub permission: &'static str,
    /// How many files.
    pub item_count: usize,
    /// Their size together, in bytes.
    pub total_size: u64,
    /// From when on it may be claimed (RFC 3339), where that is not yet so.
    pub opens_at: Option<String>,
    /// Whether one opens it and nobody else.
    pub single_use: bool,
    /// Until when it may be claimed (RFC 3339).
    pub claim_by: String,
    /// For how many seconds it then stays open.
    pub access_expires_in: u64,
    /// What redeeming wants besides the token: `password`, `recipient`, both, or nothing.
    pub requires: Vec<&'static str>,
    /// Whether you minted it.
    pub yours: bool,
}

/// Look at a link without claiming it.
#[utoipa::path(
    post, path = "/v1/links/redeem/preview", tag = "redeeming", request_body = PreviewBody,
    responses((status = 200, body = LinkPreviewView), (status = 404, body = ProblemDocument), (status = 429, body = ProblemDocument))
)]
pub async fn preview(
    request: HttpRequest,
    Looking(body, looking): Looking<PreviewBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let claim_key = body.claim_key.as_ref().map(claim_key).transpose()?;
    let id = asking(&request);
    let preview = broker.preview_link(&body.token, claim_key.as_ref(), looking.as_ref(), id).await?;
    Ok(HttpResponse::Ok().json(LinkPreviewView {
        sender: preview.sender,
        message: preview.message,
        permission: "read",
        item_count: preview.item_count,
        total_size: preview.total_size,
        opens_at: preview.opens_at.map(|at| at.to_string()),
        single_use: preview.single_use,
        claim_by: preview.claim_by.to_string(),
        access_expires_in: preview.access_seconds,
        requires: [(preview.needs_password, "password"), (preview.needs_recipient, "recipient")]
            .into_iter()
            .filter_map(|(is_needed, what)| is_needed.then_some(what))
            .collect(),
        yours: preview.yours,
    }))
}

/// Have a code sent to a recipient, to redeem with. The answer is the same whether the address is a recipient's or not.
#[utoipa::path(
    post, path = "/v1/links/redeem/code", tag = "redeeming", request_body = SendCodeBody,
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
    broker.send_link_code(&body.token, &body.address, asking(&request)).await?;
    Ok(HttpResponse::Accepted().finish())
}
