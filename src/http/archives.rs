//! Archives over HTTP: many files as one ZIP.

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::header, web};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::{path::PathPin, share::MOST_PATHS},
    service::{
        Broker,
        archives::{Archive, WantedArchive},
    },
};

use super::{
    extract::{Authenticated, InSession, With},
    json,
    problem::{Problem, ProblemDocument},
};

/// The longest name, in characters, that an archive is asked for under.
const LONGEST_NAME: usize = 200;

/// What is to be packed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveBody {
    /// Files, and folders that end in `/`: up to 1,000. None, or left out: everything that may be read.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["docs/a.pdf", "designs/"]))]
    pub paths: Vec<PathPin>,
    /// The archive's own name, with or without `.zip`.
    pub name: Option<String>,
}

/// The same from a form, so that a browser saves the answer by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveForm {
    /// The id of the session, whose cookie the browser sends along.
    pub session: String,
    /// What a JSON body would be.
    pub request: String,
}

/// The most paths: more than are clicked, and what a form still carries.
const MOST_PICKED: usize = 10 * MOST_PATHS;

impl ArchiveBody {
    fn wanted(self) -> Result<WantedArchive, Problem> {
        if self.paths.len() > MOST_PICKED {
            return Err(Problem::invalid("/paths", "at most 1,000 paths; name folders"));
        }
        if self.name.as_ref().is_some_and(|name| name.chars().count() > LONGEST_NAME) {
            return Err(Problem::invalid("/name", "at most 200 characters"));
        }
        Ok(WantedArchive { paths: self.paths, name: self.name })
    }
}

/// Whoever asks for an archive in a session, and what is wanted: as JSON, or from a form.
pub struct AskedInSession(InSession, ArchiveBody);

impl FromRequest for AskedInSession {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let received = json::receive(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let received = received.await?;
            if received.is_form() {
                let form: ArchiveForm = received.fields()?;
                let session = InSession::by_form(&request, &form.session).await?;
                return Ok(Self(session, json::from_field(&form.request)?));
            }
            let session = InSession::extract(&request).await?;
            Ok(Self(session, received.parse()?))
        })
    }
}

/// Download files of the session as one ZIP, made while it is sent. The connection breaks where it cannot be finished.
#[utoipa::path(
    post, path = "/v1/session/archives", tag = "session", security(("session" = [])),
    request_body(content(
        (ArchiveBody = "application/json"),
        (ArchiveForm = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "The ZIP; files that were deleted meanwhile are named in its last entry",
            body = Vec<u8>, content_type = "application/zip"),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn of_session(asked: AskedInSession, broker: web::Data<Broker>) -> Result<HttpResponse, Problem> {
    let AskedInSession(InSession(session), body) = asked;
    Ok(sent(broker.session_archive(session, body.wanted()?).await?))
}

/// Download files as one ZIP, made while it is sent. The connection breaks where it cannot be finished.
#[utoipa::path(
    post, path = "/v1/objects/archives", tag = "objects", request_body = ArchiveBody, security(("api_key" = [])),
    responses(
        (status = 200, description = "The ZIP; files that were deleted meanwhile are named in its last entry",
            body = Vec<u8>, content_type = "application/zip"),
        (status = "4XX", body = ProblemDocument),
    )
)]
pub async fn of_vault(
    With(Authenticated(caller), body): With<Authenticated, ArchiveBody>,
    broker: web::Data<Broker>,
) -> Result<HttpResponse, Problem> {
    Ok(sent(broker.vault_archive(caller, body.wanted()?).await?))
}

/// An error among the bytes ends the connection before its body has ended, which every client sees.
fn sent(archive: Archive) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/zip"))
        .insert_header((header::CONTENT_DISPOSITION, archive.disposition.header_value()))
        .streaming(archive.bytes)
}
