//! The pages and how they are served.

use std::sync::LazyLock;

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, resource},
};

use crate::service::{Broker, ContentOrigin};

use super::{assets, html, reference};

/// The policy of pages without script: nothing but their one style block, by its hash.
pub const STATIC_POLICY: &str = "default-src 'none'; style-src 'sha256-uF3XPVP6DV0z3Rvyi50Geb3eX2qEnclh3n4986gMRWQ='; \
     form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Routes of the pages.
pub fn configure(routes: &mut web::ServiceConfig) {
    routes
        .service(seen(resource("/"), welcome))
        .service(seen(resource("/s"), share))
        .service(seen(resource("/session/{id}"), session))
        .service(seen(resource("/l"), link))
        .service(seen(resource("/r"), file_request))
        .service(seen(resource("/assets/{version}/{name}"), assets::serve));
}

/// For looking only: whatever a page does, its script does, on somebody's click.
fn seen<F, Args>(resource: actix_web::Resource, handler: F) -> actix_web::Resource
where
    F: actix_web::Handler<Args> + Clone,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    resource.route(web::get().to(handler.clone())).route(web::head().to(handler))
}

async fn welcome(broker: web::Data<Broker>) -> HttpResponse {
    static PAGE: LazyLock<String> = LazyLock::new(|| filled(include_str!("assets/welcome.html")));
    page(&PAGE, &policy(&broker.objects.browser_origin(), "'none'"))
}

async fn share(broker: web::Data<Broker>) -> HttpResponse {
    static PAGE: LazyLock<String> = LazyLock::new(|| filled(include_str!("assets/share.html")));
    page(&PAGE, &policy(&broker.objects.browser_origin(), "'none'"))
}

async fn session(broker: web::Data<Broker>) -> HttpResponse {
    static PAGE: LazyLock<String> = LazyLock::new(|| filled(include_str!("assets/session.html")));
    page(&PAGE, &policy(&broker.objects.browser_origin(), "'none'"))
}

async fn link(broker: web::Data<Broker>) -> HttpResponse {
    static PAGE: LazyLock<String> = LazyLock::new(|| filled(include_str!("assets/link.html")));
    let ContentOrigin { scheme, authority } = &broker.settings.content;
    page(&PAGE, &policy(&broker.objects.browser_origin(), &format!("{scheme}://*.{authority}")))
}

async fn file_request(broker: web::Data<Broker>) -> HttpResponse {
    static PAGE: LazyLock<String> = LazyLock::new(|| filled(include_str!("assets/request.html")));
    page(&PAGE, &policy(&broker.objects.browser_origin(), "'none'"))
}

fn filled(template: &str) -> String {
    template.replace("{{assets}}", &assets::base())
}

/// What a page with scripts may do. Bytes go straight to and from the storage;
/// forms only to where `forms` says.
fn policy(storage: &str, forms: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' {storage}; form-action {forms}; \
         frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

fn page(html: &str, policy: &str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .body(html.to_owned())
}

/// On an artifact's host, for a browser without valid cookies: one page,
/// whatever is or is not there.
pub fn not_admitted(public_url: &str) -> String {
    let url = html::escaped(public_url);
    html::standalone(
        "Not open in this browser",
        &format!(
            "<main>\n<h1>This is not open in your browser</h1>\n\
             <p>What is here opens only in the browser in which its link was opened, and for a limited time. \
             Every quarter of an hour or so this has to be confirmed.</p>\n\
             <h2>What you can do</h2>\n<ul>\n\
             <li><strong>Opened it here before?</strong> <a href=\"{url}/l\">Open it again</a>, \
             or follow the link you were sent once more, in this same browser.</li>\n\
             <li><strong>Opened it elsewhere?</strong> Go back to that browser: a link opens in one only.</li>\n\
             <li><strong>Neither helps?</strong> Your access may be over. Ask whoever sent you the link for a new one.</li>\n\
             </ul>\n<p class=\"quiet\">Links to this place open at <span class=\"address\">{url}</span></p>\n</main>"
        ),
    )
}

/// On an artifact's host: it has no file of this name.
pub fn missing_file() -> String {
    html::standalone(
        "No such page",
        "<main>\n<h1>There is no such page here</h1>\n\
         <p>The address may be mistyped, or a link on this site leads nowhere.</p>\n\
         <p><a href=\"/\">Go to the first page</a></p>\n</main>",
    )
}

/// On an artifact's host: it cannot be served now.
pub fn unavailable() -> String {
    html::standalone(
        "Not available right now",
        "<main>\n<h1>This cannot be shown right now</h1>\n\
         <p>Something on our side does not answer. Nothing of yours was used up or lost.</p>\n\
         <p>Please reload this page in a moment.</p>\n</main>",
    )
}

/// The description of the API, to read.
pub fn api_reference(document: &serde_json::Value) -> String {
    reference::page(document)
}

#[cfg(test)]
mod tests;
