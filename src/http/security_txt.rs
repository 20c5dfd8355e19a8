//! `/.well-known/security.txt` (RFC 9116): where somebody who found a weakness turns to.

use std::time::Duration;

use actix_web::{HttpResponse, web};

use crate::service::Broker;

use super::problem::Problem;

/// For how long what is read may be relied on. RFC 9116 asks for less than a year.
const GOOD_FOR: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// The contact that the operator has set; without one there is no such file.
pub(super) async fn show(broker: web::Data<Broker>) -> Result<HttpResponse, Problem> {
    let settings = broker.settings.now();
    let contact = settings.security_contact.as_ref().ok_or_else(Problem::not_found)?;
    let (expires, public_url) = (broker.now().plus(GOOD_FOR), &broker.settings.public_url);
    let body = format!("Contact: {contact}\nExpires: {expires}\nCanonical: {public_url}/.well-known/security.txt\n");
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(body))
}
