//! The ledger over HTTP: what happened in a namespace, and whether it is told as it was written.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        audit_filter::AuditFilter,
        event::{EventType, Outcome},
        instant::Instant,
    },
    service::{
        Broker,
        checkpoints::SignedCheckpoint,
        listing::PageRequest,
        redemption_proof::{RedemptionProof, Unproven},
        signing_keys::PublicSigningKey,
    },
};

use super::{
    extract::Authenticated,
    histories::EventView,
    problem::{Problem, ProblemDocument},
    render::Listing,
};

/// Which page of which events.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only events of this type, such as `share.claimed`.
    #[serde(rename = "type")]
    #[param(value_type = Option<String>)]
    pub kind: Option<EventType>,
    /// Only what they did: the id of a key, a user, a share or a file request; or a kind of actor, such as `bearer`.
    pub actor: Option<String>,
    /// Only what was done to this: an id.
    pub resource: Option<String>,
    /// Only what ended so: `done` or `refused`.
    #[param(value_type = Option<String>)]
    pub outcome: Option<Outcome>,
    /// Only what was done in this request: the `request-id` of an answer.
    pub request_id: Option<String>,
    /// Only what happened after this time (RFC 3339).
    #[param(value_type = Option<String>)]
    pub after: Option<Instant>,
    /// Only what happened before this time (RFC 3339).
    #[param(value_type = Option<String>)]
    pub before: Option<Instant>,
    /// At most this many items, 1 to 1,000; 50 where it is left out. Of a rare type a page may hold fewer, and still
    /// be followed by another.
    pub limit: Option<usize>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
}

/// List everything that happened in your namespace, newest first. For administrators.
#[utoipa::path(
    get, path = "/v1/audit", tag = "administration", params(AuditQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<EventView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn audit(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<AuditQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let AuditQuery { kind, actor, resource, outcome, request_id: request, after, before, limit, cursor } = query;
    let filter = AuditFilter { kind, actor, resource, outcome, request, after, before };
    let page = broker.audit(&caller, &filter, &PageRequest { limit, cursor }).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, EventView::from)))
}

/// From where to verify.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerifyQuery {
    /// Where the last answer ended: its `next_cursor`.
    pub cursor: Option<String>,
}

/// What verifying came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifiedView {
    /// Whether everything that was looked at is as it must be.
    pub intact: bool,
    /// How many records are as they must be, from the first on.
    pub records: u64,
    /// How many signed checkpoints it came by in this portion, each of which says the same.
    pub checkpoints: u64,
    /// The hash of the last of them. Kept elsewhere, it shows later whether the trail was rewritten up to there.
    pub head: String,
    /// The first record that is not as it must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenView>,
    /// Whether every token that was used up has the records of its redemptions, each once. Where the trail is too long
    /// for one answer or is broken, nothing is said here; of long ones, the daily sweep compares them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redemptions: Option<RedemptionsView>,
    /// Ask again with this to go on: so much is not verified at once. Null where that was all.
    pub next_cursor: Option<String>,
}

/// What comparing tokens with the records of their redemptions came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedemptionsView {
    /// Whether there are exactly as many records as redemptions, for each token.
    pub proven: bool,
    /// How many shares and links were looked at.
    pub tokens: u64,
    /// How many redemptions they have had.
    pub redemptions: u64,
    /// The first of those for which there are not; at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unproven: Vec<UnprovenView>,
}

/// A token of which the trail says something else than is kept of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnprovenView {
    /// The id of a share or link.
    pub resource: String,
    /// How often it was redeemed.
    pub redemptions: u32,
    /// How many records there are of that.
    pub records: u32,
    /// In what token and trail contradict each other.
    pub problem: String,
}

impl From<RedemptionProof> for RedemptionsView {
    fn from(proof: RedemptionProof) -> Self {
        let unproven = proof.named.into_iter().map(|Unproven { token, redemptions, records, why }| UnprovenView {
            resource: token.to_string(),
            redemptions,
            records,
            problem: why.to_string(),
        });
        Self {
            proven: proof.unproven == 0,
            tokens: proof.tokens,
            redemptions: proof.redemptions,
            unproven: unproven.collect(),
        }
    }
}

/// A record that is not as it must be.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrokenView {
    /// Its number.
    pub seq: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// Verify that nothing of the audit trail was changed, removed, added or moved, and that it is the one its checkpoints speak
/// of: up to 100,000 records at once, from the first on. For administrators.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "administration", params(VerifyQuery), security(("api_key" = [])),
    responses((status = 200, body = VerifiedView), (status = "4XX", body = ProblemDocument))
)]
pub async fn verify(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<VerifyQuery>,
) -> Result<HttpResponse, Problem> {
    let verified = broker.verify_ledger(&caller, query.into_inner().cursor).await?;
    Ok(HttpResponse::Ok().json(VerifiedView {
        intact: verified.broken.is_none(),
        records: verified.head.size,
        checkpoints: verified.checkpoints,
        head: verified.head.hash.into(),
        broken: verified.broken.map(|broken| BrokenView { seq: broken.seq, problem: broken.what.to_string() }),
        redemptions: verified.redemptions.map(RedemptionsView::from),
        next_cursor: verified.next_cursor,
    }))
}

/// How long the audit trail was at a time, and by which hash it ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointView {
    /// Which trail: deployment, tenant and mode.
    #[schema(example = "cloakroom/00112233445566778899aabbccddeeff/ten_0199b1c2d3e4f5061728394a5b6c7d8e/live")]
    pub origin: String,
    /// How many records it had.
    pub records: u64,
    /// The hash of the last of them.
    pub head: String,
    /// When that was said.
    pub at: String,
    /// All this as one signed text (C2SP tlog-checkpoint), to be kept elsewhere.
    pub note: String,
    /// The key that signed it.
    pub key_id: String,
    /// This key, as programs are told that read signed notes.
    pub verifier_key: String,
}

impl From<SignedCheckpoint> for CheckpointView {
    fn from(signed: SignedCheckpoint) -> Self {
        let SignedCheckpoint { checkpoint, note, key, verifier_key } = signed;
        Self {
            origin: checkpoint.origin,
            records: checkpoint.head.size,
            head: checkpoint.head.hash.into(),
            at: checkpoint.at.to_string(),
            note,
            key_id: key,
            verifier_key,
        }
    }
}

/// Verify what has come since the last checkpoint of the audit trail, and sign where it ends now. For administrators.
///
/// Checkpoints are made every ten minutes as well, while something happens, and are kept with the objects, apart from the
/// trail. One that you keep yourself shows later whether the trail was cut or written anew.
#[utoipa::path(
    post, path = "/v1/audit/checkpoints", tag = "administration", security(("api_key" = [])),
    responses((status = 200, body = CheckpointView), (status = "4XX", body = ProblemDocument))
)]
pub async fn checkpoint(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(CheckpointView::from(broker.checkpoint(&caller).await?)))
}

/// A key that signs checkpoints and exports.
#[derive(Debug, Serialize, ToSchema)]
pub struct SigningKeyView {
    /// Its name.
    #[schema(example = "lgk_0199b1c2d3e4f5061728394a5b6c7d8e")]
    pub id: String,
    /// Its public half: PEM, as `openssl` reads it.
    pub public_key: String,
    /// Since when it signs.
    pub created_at: String,
    /// Since when it does no more, if so. What it signed is verified with it for good.
    pub replaced_at: Option<String>,
}

impl From<PublicSigningKey> for SigningKeyView {
    fn from(key: PublicSigningKey) -> Self {
        Self {
            id: key.id,
            public_key: key.public_key.pem(),
            created_at: key.created_at.to_string(),
            replaced_at: key.replaced_at.map(|at| at.to_string()),
        }
    }
}

/// The public keys that checkpoints and exports of your audit trail are verified with, newest first. For administrators.
#[utoipa::path(
    get, path = "/v1/audit/signing-keys", tag = "administration", security(("api_key" = [])),
    responses((status = 200, body = Listing<SigningKeyView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn signing_keys(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let items: Vec<SigningKeyView> = broker.signing_keys(&caller).await?.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(Listing { items, next_cursor: None }))
}

/// Draw a new key for checkpoints and exports in the place of this one: it signs no more, and its private half is destroyed.
/// That happens once a year by itself. For administrators.
#[utoipa::path(
    post, path = "/v1/audit/signing-keys/{id}/replace", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The id of the key that signs now")),
    responses(
        (status = 200, description = "The new key", body = SigningKeyView),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn replace_signing_key(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(SigningKeyView::from(broker.replace_signing_key(&caller, &id).await?)))
}
