//! What may be done about uploads, whoever does it: with a key, in a session,
//! or delivering to a file request.

use actix_web::{HttpResponse, http::StatusCode};
use futures_util::{StreamExt, stream};

use crate::service::{
    Broker,
    uploads::{Completion, DeclaredUpload, MayUpload},
};

use super::{
    idempotency::{self, Item, Once, created},
    json,
    problem::Problem,
    receipt_views::ReceiptView,
    render::{self, Listing, PageQuery},
    upload_views::{
        ArrivedPartView, BatchView, DeclareBatchBody, DeclareBody, DeclaredItem, DeclaredView, PartsBody,
        SignedPartsView, UploadView,
    },
};

/// The most items of a batch.
pub(super) const LARGEST_BATCH: usize = 100;

/// How many items of a batch are worked on at a time.
const AT_ONCE: usize = 8;

pub(super) async fn declare(
    broker: &Broker,
    who: &dyn MayUpload,
    body: DeclareBody,
    once: &Once,
) -> Result<HttpResponse, Problem> {
    let view = |declared: &DeclaredUpload| DeclaredView::new(declared, who, broker);
    created(broker, once, view, async |reply| Ok(broker.declare_upload(who, body.parse()?, reply).await?)).await
}

pub(super) async fn declare_batch(
    broker: &Broker,
    who: &dyn MayUpload,
    body: DeclareBatchBody,
    once: &Once,
) -> Result<HttpResponse, Problem> {
    check_batch("/items", body.items.len())?;
    let view = |declared: &DeclaredUpload| DeclaredView::new(declared, who, broker);
    let declare = async |((index, item), once)| {
        let answer = idempotency::created_item(broker, once, view, async |reply| {
            let item: DeclareBody = json::from_value(item, &format!("/items/{index}"))?;
            Ok(broker.declare_upload(who, item.parse()?, reply).await?)
        });
        answer.await.map(|Item { rendered, replayed }| (DeclaredItem { upload: rendered }, replayed))
    };
    let items = body.items.into_iter().enumerate().zip(once.items(broker).await?).map(declare);
    let results: Vec<_> = stream::iter(items).buffered(AT_ONCE).collect().await;
    let mut done = results.iter().flatten().peekable();
    let replayed = done.peek().is_some() && done.all(|(_, replayed)| *replayed);
    let results = results.into_iter().map(|result| result.map(|(item, _)| item));
    Ok(idempotency::answer(StatusCode::OK, replayed).json(BatchView::new(results, 201)))
}

pub(super) fn check_batch(pointer: &str, items: usize) -> Result<(), Problem> {
    match items {
        1..=LARGEST_BATCH => Ok(()),
        _ => Err(Problem::invalid(pointer, "a batch has 1 to 100 items")),
    }
}

pub(super) async fn inspect(broker: &Broker, who: &dyn MayUpload, id: &str) -> Result<HttpResponse, Problem> {
    let inspected = broker.inspect_upload(who, render::id(id)?).await?;
    Ok(HttpResponse::Ok().json(UploadView::inspected(inspected, who, broker)))
}

pub(super) async fn complete(broker: &Broker, who: &dyn MayUpload, id: &str) -> Result<HttpResponse, Problem> {
    Ok(match broker.complete_upload(who, render::id(id)?).await? {
        Completion::Done(inspected) => HttpResponse::Ok().json(UploadView::inspected(inspected, who, broker)),
        Completion::UnderWay(upload) => {
            let view = UploadView { status: "verifying", ..UploadView::new(upload, who, broker) };
            HttpResponse::Accepted().insert_header(("Retry-After", 1)).json(view)
        }
    })
}

pub(super) async fn cancel(broker: &Broker, who: &dyn MayUpload, id: &str) -> Result<HttpResponse, Problem> {
    broker.cancel_upload(who, render::id(id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn sign_parts(
    broker: &Broker,
    who: &dyn MayUpload,
    id: &str,
    body: &PartsBody,
) -> Result<HttpResponse, Problem> {
    let signed = broker.sign_parts(who, render::id(id)?, &body.parse()?).await?;
    Ok(HttpResponse::Ok().json(SignedPartsView { items: signed.into_iter().map(Into::into).collect() }))
}

pub(super) async fn arrived_parts(
    broker: &Broker,
    who: &dyn MayUpload,
    id: &str,
    query: PageQuery,
) -> Result<HttpResponse, Problem> {
    let page = broker.arrived_parts(who, render::id(id)?, &query.into()).await?;
    Ok(HttpResponse::Ok().json(Listing::of(page, ArrivedPartView::from)))
}

pub(super) async fn receipt(broker: &Broker, who: &dyn MayUpload, id: &str) -> Result<HttpResponse, Problem> {
    let receipt = broker.upload_receipt(who, render::id(id)?).await?;
    Ok(HttpResponse::Ok().json(ReceiptView::from(receipt)))
}
