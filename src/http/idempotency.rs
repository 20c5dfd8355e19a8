//! The `Idempotency-Key` of requests that create something.
//!
//! Every route that creates takes its body by [`Creating`] and answers by [`created`]; no handler looks at the
//! key itself.

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder,
    dev::Payload,
    http::{StatusCode, header::ContentType},
};
use futures_util::future::LocalBoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::{
    crypto::{kept_reply::AskedOnce, secret::SecretText},
    domain::idempotency::IdempotencyKey,
    service::{
        Broker, Error,
        idempotency::{Answer, Kept, MOST_ITEMS, Reply},
        uploads::MayUpload,
    },
};

use super::{
    extract::{self, Authenticated, Uploading},
    json,
    problem::Problem,
};

const HEADER: &str = "Idempotency-Key";

/// Tells an answer that was given before.
const REPLAYED: &str = "Idempotency-Replayed";

/// What every route that creates something takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described; `key` reads it")]
pub struct IdempotencyHeader {
    /// Draw one for each thing that you want, 1 to 255 visible ASCII characters, and send it again when an answer
    /// was lost: for a day the same request is carried out once, and answered with the same bytes and
    /// `Idempotency-Replayed: true`.
    #[param(rename = "Idempotency-Key")]
    key: Option<String>,
}

/// A principal whose requests are told apart.
pub trait Principal {
    /// Who that is.
    fn who(&self) -> &dyn MayUpload;

    /// The secret that shows who they are, where it stays the same from request to request.
    fn credential(request: &HttpRequest, broker: &Broker) -> Option<SecretText>;
}

impl Principal for Authenticated {
    fn who(&self) -> &dyn MayUpload {
        &self.0
    }

    fn credential(request: &HttpRequest, broker: &Broker) -> Option<SecretText> {
        extract::lasting_credential(request, broker)
    }
}

impl Principal for Uploading {
    fn who(&self) -> &dyn MayUpload {
        &*self.0
    }

    /// None: session tokens are renewed every few minutes, and the claim key stays with the claimant.
    fn credential(_: &HttpRequest, _: &Broker) -> Option<SecretText> {
        None
    }
}

/// A JSON body from a principal who wants something created, as [`extract::With`] takes it.
pub struct Creating<P, T> {
    /// Who wants it.
    pub who: P,
    /// What it is to be.
    pub body: T,
    /// The key under which they ask, if any.
    pub once: Once,
}

/// The request as its idempotency key names it.
pub struct Once(Option<AskedOnce>);

impl<P, T> FromRequest for Creating<P, T>
where
    P: FromRequest<Error = Problem> + Principal + 'static,
    T: DeserializeOwned + 'static,
{
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let received = json::receive(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let received = received.await?;
            let who = P::extract(&request).await?;
            let key = key(&request)?;
            let body = received.parse()?;
            let once = key.map(|key| {
                let broker = extract::broker(&request)?;
                let credential = P::credential(&request, &broker);
                let route = format!("{} {}", request.method(), request.path());
                let asked = broker.asked_once(who.who(), credential.as_ref(), &key, &route, &received.canonical());
                asked.map_err(Problem::from)
            });
            Ok(Self { who, body, once: Once(once.transpose()?) })
        })
    }
}

/// The key of a request, if it has one.
fn key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Problem> {
    let refused = |detail: String| Problem::malformed(detail).pointer(HEADER);
    let mut sent = request.headers().get_all(HEADER);
    let Some(value) = sent.next() else { return Ok(None) };
    if sent.next().is_some() {
        return Err(refused("is sent twice; a request has one".into()));
    }
    // What is not ASCII fails to parse, too.
    let key = IdempotencyKey::parse(value.to_str().unwrap_or_default());
    key.map(Some).map_err(|fault| refused(fault.to_string()))
}

/// Creates what is asked for and answers 201; or answers what was answered when it was created.
///
/// # Errors
/// What the work is refused for, or that the key stands for another request.
pub async fn created<T, V: Serialize>(
    broker: &Broker,
    once: &Once,
    view: impl Fn(&T) -> V + Sync,
    work: impl AsyncFnOnce(&Reply<'_, T>) -> Result<T, Problem>,
) -> Result<HttpResponse, Problem> {
    let render = |created: &T| serde_json::to_vec(&view(created));
    let Answer { body, replayed } = broker.once(once.0.as_ref(), &render, work).await?;
    Ok(answer(StatusCode::CREATED, replayed).insert_header(ContentType::json()).body(body))
}

/// An answer, and whether it was given before.
pub(super) fn answer(status: StatusCode, replayed: bool) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    if replayed {
        response.insert_header((REPLAYED, "true"));
    }
    response
}

/// An item of a batch, as its idempotency key names it, and what is kept for it.
pub(super) type OnceItem = Option<(AskedOnce, Kept)>;

/// What was created for an item of a batch.
pub(super) struct Item {
    pub(super) rendered: serde_json::Value,
    pub(super) replayed: bool,
}

impl Once {
    /// The items of a batch. Each is carried out once by itself, so that what was refused may succeed when the
    /// same batch is sent again.
    pub(super) async fn items(&self, broker: &Broker) -> Result<Vec<OnceItem>, Problem> {
        Ok(match &self.0 {
            None => (0..MOST_ITEMS).map(|_| None).collect(),
            Some(asked) => broker.kept_items(asked).await?.into_iter().map(Some).collect(),
        })
    }
}

/// As [`created`], for an item of a batch.
pub(super) async fn created_item<T, V: Serialize>(
    broker: &Broker,
    once: OnceItem,
    view: impl Fn(&T) -> V + Sync,
    work: impl AsyncFnOnce(&Reply<'_, T>) -> Result<T, Problem>,
) -> Result<Item, Problem> {
    let render = |created: &T| serde_json::to_vec(&view(created));
    let Answer { body, replayed } = match once {
        None => broker.once(None, &render, work).await?,
        Some((asked, kept)) => broker.once_as_found(&asked, kept, &render, work).await?,
    };
    let unreadable = |fault| Problem::from(Error::Internal(format!("a kept reply cannot be read: {fault}")));
    Ok(Item { rendered: serde_json::from_slice(&body).map_err(unreadable)?, replayed })
}
