//! How many requests there were, how they ended, and how long it took until their answer began: for Prometheus.
//!
//! Never in a label: what a client chose. A route is its pattern, a method one of those that there are.

use std::{sync::Arc, time::Duration};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
    web,
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

/// Upper bounds, in seconds.
const BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 10.0];

type Ended = [(&'static str, String); 4];
type Took = [(&'static str, &'static str); 1];

/// What became of requests of this process.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestFigures(Arc<Families>);

#[derive(Debug)]
struct Families {
    begun: Instant,
    ended: Family<Ended, Counter>,
    took: Family<Took, Histogram, fn() -> Histogram>,
}

impl Default for Families {
    fn default() -> Self {
        let took = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        Self { begun: Instant::now(), ended: Family::default(), took }
    }
}

impl RequestFigures {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Requests, and how they ended", self.0.ended.clone());
        let help = "How long it took until an answer began";
        registry.register_with_unit("answering", help, Unit::Seconds, self.0.took.clone());
    }

    /// For how long the process has been at it.
    pub(super) fn running(&self) -> Duration {
        self.0.begun.elapsed()
    }

    fn note(&self, listener: &'static str, response: &ServiceResponse<impl MessageBody>, begun: Instant) {
        let request = response.request();
        let status = match response.status().as_u16() {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        let ended = [
            ("listener", listener.to_owned()),
            ("method", named(request.method()).to_owned()),
            ("route", request.match_pattern().unwrap_or_else(|| "none".to_owned())),
            ("status", status.to_owned()),
        ];
        self.0.ended.get_or_create(&ended).inc();
        self.0.took.get_or_create(&[("listener", listener)]).observe(begun.elapsed().as_secs_f64());
    }
}

/// One of those that there are, or that it is another.
fn named(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

async fn measured(
    listener: &'static str,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let figures = request.app_data::<web::Data<RequestFigures>>().cloned();
    let begun = Instant::now();
    let response = next.call(request).await?;
    if let Some(figures) = figures {
        figures.note(listener, &response, begun);
    }
    Ok(response)
}

/// Around everything of the API.
pub(super) async fn api(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    measured("api", request, next).await
}

/// Around everything of user content.
pub(super) async fn content(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    measured("content", request, next).await
}
