//! The rights of one person over HTTP. Who it is stands in bodies alone: never in a URL, which logs and proxies keep.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        erasure::{Erasure, Removed},
        event::Actor,
        identity::{Issuer, NotAName, Subject},
        metadata::Metadata,
        recipient::{Address, Note},
        redemption::Status,
        tenant::{Generation, Mode},
        text::{self, Message},
    },
    service::{
        Broker,
        data_subjects::{Corrected, EraseSubject, HeldUser, Holding, Named, SeenSubject, SubjectExport},
    },
};

use super::{
    extract::{Authenticated, With},
    histories::EventView,
    problem::{Problem, ProblemDocument},
    render::{self, Listing, PageQuery},
    users::UserView,
};

/// Who is meant: by an address; or a user by id; or a user by issuer and subject.
fn named(
    address: Option<Address>,
    user: Option<&str>,
    issuer: Option<&str>,
    subject: Option<&str>,
) -> Result<Named, Problem> {
    let wrong = |pointer: &'static str| move |fault: NotAName| Problem::invalid(pointer, fault.to_string());
    match (address, user, issuer, subject) {
        (Some(address), None, None, None) => Ok(Named::Address(address)),
        (None, Some(user), None, None) => {
            let id = user.parse().map_err(|_| Problem::invalid("/user", "is the id of a user, usr_…"))?;
            Ok(Named::User(id))
        }
        (None, None, Some(issuer), Some(subject)) => {
            let issuer = Issuer::parse(issuer).map_err(wrong("/issuer"))?;
            Ok(Named::Subject(issuer, Subject::parse(subject).map_err(wrong("/subject"))?))
        }
        (None, None, Some(_), None) => Err(Problem::invalid("/subject", "goes with issuer")),
        (None, None, None, Some(_)) => Err(Problem::invalid("/issuer", "goes with subject")),
        _ => Err(Problem::invalid("/address", "say who in one way: address, or user, or issuer and subject")),
    }
}

/// Who is meant. One of: `address`; `user`; `issuer` and `subject`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectBody {
    /// An e-mail address: a recipient's, and of users who go by it as label or subject.
    #[schema(value_type = Option<String>, example = "ada@example.org")]
    pub address: Option<Address>,
    /// The id of a user.
    pub user: Option<String>,
    /// Who vouches for a user.
    pub issuer: Option<String>,
    /// What the issuer calls them.
    pub subject: Option<String>,
    /// Where the last answer ended: its `next_cursor`.
    pub cursor: Option<String>,
}

/// Whom to look for. One of: `address`; `user`; `issuer` and `subject`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FindSubjectBody {
    /// An e-mail address.
    #[schema(value_type = Option<String>, example = "ada@example.org")]
    pub address: Option<Address>,
    /// The id of a user.
    pub user: Option<String>,
    /// Who vouches for a user.
    pub issuer: Option<String>,
    /// What the issuer calls them.
    pub subject: Option<String>,
}

/// Whom to erase. One of: `address`; `user`; `issuer` and `subject`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseBody {
    /// An e-mail address: it leaves all lists of recipients, and users who go by it as label or subject are erased.
    #[schema(value_type = Option<String>, example = "ada@example.org")]
    pub address: Option<Address>,
    /// The id of a user.
    pub user: Option<String>,
    /// Who vouches for a user.
    pub issuer: Option<String>,
    /// What the issuer calls them.
    pub subject: Option<String>,
    /// Why: up to 200 characters, kept, for administrators. It must not name who it is.
    #[schema(max_length = 200)]
    pub reason: Option<String>,
    /// Whether what a user made lives on, for its own time; it ends with them otherwise.
    #[serde(default)]
    pub keep_minted: bool,
}

/// What to correct.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectBody {
    /// The address as it is written in lists of recipients.
    #[schema(value_type = String, example = "ada@example.org")]
    pub address: Address,
    /// The address that is right.
    #[schema(value_type = String, example = "ada@example.com")]
    pub to: Address,
    /// Where the last answer ended: its `next_cursor`.
    pub cursor: Option<String>,
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemovedOfSubjectView {
    /// The address was a recipient's of so many shares.
    pub shares: u64,
    /// And of so many links.
    pub links: u64,
    /// So many users were erased.
    pub users: u64,
    /// From where and with which program they asked, of so many records.
    pub client_details: u64,
    /// So many rows could not be read and were left as they are: the log names them.
    pub unreadable: u64,
}

/// An erasure, and what remains of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErasureView {
    /// Who, under a keyed hash: of the same person the same each time, and nothing can be told of it without the tenant's
    /// data key.
    #[schema(example = "dsu_0199b1c2d3e4f5061728394a5b6c7d8e")]
    pub id: String,
    /// `erasing`, and `erased` once nothing is left.
    pub status: &'static str,
    /// When it was asked for last (RFC 3339).
    pub asked_at: String,
    /// Who asked.
    #[schema(value_type = Object)]
    pub by: Actor,
    /// Why, as they said.
    pub reason: Option<String>,
    /// Since when nothing was left (RFC 3339).
    pub erased_at: Option<String>,
    /// What was removed, all in all.
    pub removed: RemovedOfSubjectView,
}

impl From<Erasure> for ErasureView {
    fn from(erasure: Erasure) -> Self {
        let Removed { shares, links, users, client_details, unreadable } = erasure.removed;
        Self {
            id: erasure.id.to_string(),
            status: if erasure.is_under_way() { "erasing" } else { "erased" },
            asked_at: erasure.asked_at.to_string(),
            by: erasure.by,
            reason: erasure.reason,
            erased_at: erasure.erased_at.map(|at| at.to_string()),
            removed: RemovedOfSubjectView { shares, links, users, client_details, unreadable },
        }
    }
}

/// Somebody who was looked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundSubjectView {
    /// Who, under a keyed hash.
    #[schema(example = "dsu_0199b1c2d3e4f5061728394a5b6c7d8e")]
    pub id: String,
    /// Their erasure; null where there was none.
    pub erasure: Option<ErasureView>,
}

impl From<SeenSubject> for FoundSubjectView {
    fn from(seen: SeenSubject) -> Self {
        Self { id: seen.id.to_string(), erasure: seen.erasure.map(Into::into) }
    }
}

/// A user, and in which namespace they are.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldUserView {
    /// `live` or `test`.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// The user.
    #[serde(flatten)]
    pub user: UserView,
}

/// A share or link that goes to somebody. Who else it goes to is not told.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldingView {
    /// Its id.
    pub id: String,
    /// `live` or `test`.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// `pending`, `claimed`, `expired` or `revoked`.
    #[schema(value_type = String)]
    pub status: Status,
    /// Your own name for it.
    pub label: Option<String>,
    /// Words of your own that go with it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub metadata: Metadata,
    /// What recipients are told.
    #[schema(value_type = Option<String>)]
    pub message: Option<Message>,
    /// Their address.
    pub address: String,
    /// What it is used for, as you have noted it.
    #[schema(value_type = Option<String>)]
    pub purpose: Option<Note>,
    /// By what they have agreed to that, as you have noted it.
    #[schema(value_type = Option<String>)]
    pub consent: Option<Note>,
    /// When they claimed it (RFC 3339).
    pub claimed_at: Option<String>,
    /// When it was minted (RFC 3339).
    pub created_at: String,
    /// Until when it may be claimed (RFC 3339).
    pub expires_at: String,
    /// Until when it is kept (RFC 3339).
    pub kept_until: Option<String>,
}

impl From<Holding> for HoldingView {
    fn from(held: Holding) -> Self {
        let recipient = held.recipient;
        Self {
            id: held.id,
            mode: held.mode,
            status: held.status,
            label: held.label,
            metadata: held.metadata,
            message: held.message,
            address: recipient.address.into(),
            purpose: recipient.purpose,
            consent: recipient.consent,
            claimed_at: held.claimed_at.map(|at| at.to_string()),
            created_at: held.created_at.to_string(),
            expires_at: held.expires_at.to_string(),
            kept_until: held.kept_until.map(|at| at.to_string()),
        }
    }
}

/// A session of the console.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldSessionView {
    /// Its id.
    pub id: String,
    /// Which user's.
    pub principal: String,
    /// When they signed in (RFC 3339).
    pub created_at: String,
    /// When it ends by itself (RFC 3339).
    pub expires_at: String,
    /// When they signed out (RFC 3339).
    pub ended_at: Option<String>,
}

/// What is kept of a person, as far as this answer has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubjectExportView {
    /// Who, under a keyed hash.
    pub id: String,
    /// As which users they are known.
    pub users: Vec<HeldUserView>,
    /// The shares that go to them.
    pub shares: Vec<HoldingView>,
    /// The links that go to them.
    pub links: Vec<HoldingView>,
    /// What they did, by the records of the audit trail, and from where, as long as that is kept. What bearers did of a
    /// share or link that goes to them may have been others.
    pub records: Vec<EventView>,
    /// Their sessions of the console.
    pub console_sessions: Vec<HeldSessionView>,
    /// That they were erased before; null where they were not.
    pub erasure: Option<ErasureView>,
    /// What is not found in this way.
    pub by_hand: [&'static str; 2],
    /// Ask again with this for more, until it is null.
    pub next_cursor: Option<String>,
}

const BY_HAND: [&str; 2] = [
    "deliveries to file requests, which are found by the name that somebody gave: in the lists of file requests and of files",
    "files, and what you wrote yourselves into labels, messages and metadata of anything else",
];

impl SubjectExportView {
    fn new(export: SubjectExport, tenant: Generation, broker: &Broker) -> Self {
        let user =
            |HeldUser { user, mode }| HeldUserView { mode, user: UserView::seen(user, None, tenant, broker.now()) };
        let sessions = export.console_sessions.into_iter().map(|session| HeldSessionView {
            id: session.id.to_string(),
            principal: session.principal.minter.to_string(),
            created_at: session.created_at.to_string(),
            expires_at: session.expires_at.to_string(),
            ended_at: session.ended_at.map(|at| at.to_string()),
        });
        Self {
            id: export.id.to_string(),
            users: export.users.into_iter().map(user).collect(),
            shares: export.shares.into_iter().map(Into::into).collect(),
            links: export.links.into_iter().map(Into::into).collect(),
            records: export.records.into_iter().map(Into::into).collect(),
            console_sessions: sessions.collect(),
            erasure: export.erasure.map(Into::into),
            by_hand: BY_HAND,
            next_cursor: export.next_cursor,
        }
    }
}

/// What was corrected.
#[derive(Debug, Serialize, ToSchema)]
pub struct CorrectedView {
    /// So many shares.
    pub shares: u64,
    /// So many links.
    pub links: u64,
    /// Ask again with this for the others, until it is null.
    pub next_cursor: Option<String>,
}

/// Export what is kept of one person: some of it with each call. For administrators; nobody who acts for you.
#[utoipa::path(
    post, path = "/v1/data-subjects/export", tag = "administration", request_body = SubjectBody, security(("api_key" = [])),
    responses(
        (status = 200, description = "What is kept; empty lists where nothing is", body = SubjectExportView),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn export(
    With(Authenticated(caller), body): With<Authenticated, SubjectBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let who = named(body.address, body.user.as_deref(), body.issuer.as_deref(), body.subject.as_deref())?;
    let export = broker.export_subject(&caller, who, body.cursor).await?;
    Ok(HttpResponse::Ok().json(SubjectExportView::new(export, caller.tenant.generation, &broker)))
}

/// Erase one person from all that is kept, in the background. Asked again, it goes on, or begins anew. For administrators;
/// nobody who acts for you.
#[utoipa::path(
    post, path = "/v1/data-subjects/erase", tag = "administration", request_body = EraseBody, security(("api_key" = [])),
    responses(
        (status = 202, description = "It has begun; `removed` tells, when it is over, what was there", body = ErasureView),
        (status = 409, description = "It would be whoever asks (`own_user`)", body = ProblemDocument),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn erase(
    With(Authenticated(caller), body): With<Authenticated, EraseBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let who = named(body.address, body.user.as_deref(), body.issuer.as_deref(), body.subject.as_deref())?;
    let reason = body.reason.map(|reason| text::label(&reason)).transpose();
    let reason = reason.map_err(|fault| Problem::invalid("/reason", fault.to_string()))?;
    let wanted = EraseSubject { who, reason, keeps_minted: body.keep_minted };
    Ok(HttpResponse::Accepted().json(ErasureView::from(broker.erase_subject(&caller, wanted).await?)))
}

/// Whether a person was erased: told by what they are known by, of which nothing but a keyed hash is left.
#[utoipa::path(
    post, path = "/v1/data-subjects/find", tag = "administration", request_body = FindSubjectBody, security(("api_key" = [])),
    responses((status = 200, body = FoundSubjectView), (status = "4XX", body = ProblemDocument))
)]
pub async fn find(
    With(Authenticated(caller), body): With<Authenticated, FindSubjectBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let who = named(body.address, body.user.as_deref(), body.issuer.as_deref(), body.subject.as_deref())?;
    Ok(HttpResponse::Ok().json(FoundSubjectView::from(broker.find_subject(&caller, who).await?)))
}

/// Put another address in the place of a recipient's, wherever it is one, among the next 500 shares and links: call again
/// with `next_cursor` until there are no more. Whoever has claimed under the old one has claimed under the new one. Labels and
/// metadata of users are changed by `PATCH /v1/users/{id}`.
#[utoipa::path(
    post, path = "/v1/data-subjects/correct", tag = "administration", request_body = CorrectBody, security(("api_key" = [])),
    responses((status = 200, body = CorrectedView), (status = "4XX", body = ProblemDocument))
)]
pub async fn correct(
    With(Authenticated(caller), body): With<Authenticated, CorrectBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    let done = broker.correct_subject(&caller, (&body.address, &body.to), body.cursor).await?;
    let Corrected { shares, links, next_cursor } = done;
    Ok(HttpResponse::Ok().json(CorrectedView { shares, links, next_cursor }))
}

/// List the erasures that were asked for, in no order that tells anything. Keep it with your backups: whoever restores one
/// has to erase the same people again.
#[utoipa::path(
    get, path = "/v1/data-subjects/erasures", tag = "administration", params(PageQuery), security(("api_key" = [])),
    responses((status = 200, body = Listing<ErasureView>), (status = "4XX", body = ProblemDocument))
)]
pub async fn erasures(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = broker.list_erasures(&caller, &query.into_inner().into()).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, ErasureView::from)))
}

/// Inspect an erasure: how far it has come, and what remains of it.
#[utoipa::path(
    get, path = "/v1/data-subjects/erasures/{id}", tag = "administration", security(("api_key" = [])),
    params(("id" = String, Path, description = "The erasure's id")),
    responses((status = 200, body = ErasureView), (status = "4XX", body = ProblemDocument))
)]
pub async fn erasure(
    Authenticated(caller): Authenticated,
    broker: web::Data<Broker>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(ErasureView::from(broker.see_erasure(&caller, render::id(&id)?).await?)))
}
