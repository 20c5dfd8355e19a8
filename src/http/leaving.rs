//! A process that was told to stop says so before it does: for a while it is not ready and goes on answering, each time
//! for the last time on that connection, so that a load balancer sends everything elsewhere before nobody listens here
//! any more. What is not taken in when listeners are closed gets no answer at all.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, StatusCode},
    middleware::Next,
    web,
};

/// Whether this process is about to stop.
#[derive(Debug, Default)]
pub(super) struct Leaving(AtomicBool);

impl Leaving {
    /// From now on it is.
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Around every route of the API and of user content.
pub(super) async fn last_answers(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let leaving = request.app_data::<web::Data<Leaving>>().cloned();
    let mut response = next.call(request).await?;
    // A socket stays open until the listeners are closed.
    let ends = response.status() != StatusCode::SWITCHING_PROTOCOLS;
    if ends && leaving.is_some_and(|leaving| leaving.has_begun()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
