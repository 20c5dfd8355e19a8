//! The operator's listener: health, readiness and metrics.

use actix_web::{HttpResponse, web};

use crate::service::Broker;

use super::metrics;

/// The routes of the operator's listener.
pub fn configure(routes: &mut web::ServiceConfig) {
    routes
        .route("/healthz", web::get().to(health))
        .route("/readyz", web::get().to(readiness))
        .route("/metrics", web::get().to(metrics::read));
}

/// The process runs.
async fn health() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// The backends answer.
async fn readiness(broker: web::Data<Broker>) -> HttpResponse {
    let (store, objects) = tokio::join!(broker.store.ping(), broker.objects.ping());
    let word = |well: bool| if well { "ok" } else { "unavailable" };
    let body = serde_json::json!({ "store": word(store.is_ok()), "objects": word(objects.is_ok()) });
    if store.is_ok() && objects.is_ok() {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}
