//! The operator's listener: health, readiness and metrics.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use tokio::time::timeout;

use crate::service::Broker;

use super::{leaving::Leaving, metrics};

/// Within so long a backend answers, or counts as away.
const PATIENCE: Duration = Duration::from_secs(3);

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

/// The backends answer, and it is not about to stop.
async fn readiness(broker: web::Data<Broker>, leaving: web::Data<Leaving>) -> HttpResponse {
    if leaving.has_begun() {
        return HttpResponse::ServiceUnavailable().json(serde_json::json!({ "stopping": true }));
    }
    // One that hangs is as good as away, and whoever asks must not hang with it.
    let store = async { matches!(timeout(PATIENCE, broker.store.ping()).await, Ok(Ok(()))) };
    let objects = async { matches!(timeout(PATIENCE, broker.objects.ping()).await, Ok(Ok(()))) };
    let (store, objects) = tokio::join!(store, objects);
    let word = |well: bool| if well { "ok" } else { "unavailable" };
    let body = serde_json::json!({ "store": word(store), "objects": word(objects) });
    if store && objects { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}
