//! The pages and how they are served.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, resource},
};
use minijinja::{Value, context};

use crate::service::{Broker, ContentOrigin};

use super::{assets, compressed::Compressed, reference, styles, templates, words::Language};

pub use super::standalone::{POLICY as STATIC_POLICY, missing_file, not_admitted, refused, unavailable};

/// A page with a script of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Page {
    Welcome,
    Share,
    Session,
    Link,
    FileRequest,
    Console,
}

impl Page {
    const ALL: [Self; 6] = [Self::Welcome, Self::Share, Self::Session, Self::Link, Self::FileRequest, Self::Console];

    const fn template(self) -> &'static str {
        match self {
            Self::Welcome => "welcome.html",
            Self::Share => "share.html",
            Self::Session => "session.html",
            Self::Link => "link.html",
            Self::FileRequest => "request.html",
            Self::Console => "console.html",
        }
    }

    const fn style(self) -> &'static str {
        match self {
            Self::Session => styles::SESSION,
            Self::Console => styles::CONSOLE,
            Self::Welcome | Self::Share | Self::Link | Self::FileRequest => styles::COMMON,
        }
    }

    /// What it may do (Content Security Policy, level 3). Bytes go straight to and from the storage;
    /// forms only where the page sends one.
    fn policy(self, broker: &Broker) -> String {
        let storage = broker.objects.browser_origin();
        let ContentOrigin { scheme, authority } = &broker.settings.content;
        let policy = |storage: &str, media: &str, forms: &str| policy(self.style(), storage, media, forms);
        match self {
            Self::Welcome | Self::Share => policy("", "", "'none'"),
            Self::FileRequest | Self::Console => policy(&storage, "", "'none'"),
            // Files and archives are saved in frames that nobody sees.
            Self::Session => policy(&storage, &storage, "'self'") + &format!("; frame-src 'self' {storage}"),
            Self::Link => policy("", "", &format!("{scheme}://*.{authority}")),
        }
    }
}

/// Routes of the pages.
pub fn configure(routes: &mut web::ServiceConfig) {
    let page = |page: Page| {
        move |request: HttpRequest, broker: web::Data<Broker>| std::future::ready(answer(page, &request, &broker))
    };
    routes
        .service(seen(resource("/"), page(Page::Welcome)))
        .service(seen(resource("/s"), page(Page::Share)))
        .service(seen(resource("/session/{id}"), page(Page::Session)))
        .service(seen(resource("/l"), page(Page::Link)))
        .service(seen(resource("/r"), page(Page::FileRequest)))
        .service(seen(resource("/console"), page(Page::Console)))
        .service(seen(resource("/console/{place:.*}"), page(Page::Console)))
        .service(seen(resource("/assets/{version}/{language}/{name}"), assets::serve));
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

fn answer(page: Page, request: &HttpRequest, broker: &Broker) -> HttpResponse {
    static RENDERED: LazyLock<BTreeMap<(Page, Language), Compressed>> = LazyLock::new(|| {
        let all = Page::ALL.into_iter().flat_map(|page| Language::ALL.map(|language| (page, language)));
        all.map(|(page, language)| ((page, language), Compressed::new(rendered(page, language)))).collect()
    });
    let language = Language::asked_for(request.headers());
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_LANGUAGE, language.tag()))
        .insert_header((header::VARY, "accept-language"))
        .insert_header((header::CONTENT_SECURITY_POLICY, page.policy(broker)))
        .insert_header(("cross-origin-opener-policy", "same-origin"));
    // A form is let in by the origin it comes from, which browsers hide where no referrer may be sent at all.
    match page {
        Page::Session => _ = response.insert_header((header::REFERRER_POLICY, "same-origin")),
        Page::Link => _ = response.insert_header((header::REFERRER_POLICY, "strict-origin")),
        _ => {}
    }
    RENDERED[&(page, language)].answer(request.headers(), &mut response)
}

fn rendered(page: Page, language: Language) -> String {
    let style = |style: &str| Value::from_safe_string(style.to_owned());
    let (style, without_script) = (style(page.style()), style(styles::WITHOUT_SCRIPT));
    templates::rendered(page.template(), language, context! { style, without_script })
}

/// What a page with scripts may do: `style` to look like, `storage` to send to and read from, `media` to show from,
/// `forms` to send to.
fn policy(style: &str, storage: &str, media: &str, forms: &str) -> String {
    let with = |origin: &str| if origin.is_empty() { String::new() } else { format!(" {origin}") };
    let (storage, shown) = (with(storage), with(media));
    let media = if media.is_empty() { "'none'" } else { media };
    let styles = [style, styles::WITHOUT_SCRIPT].map(styles::source).join(" ");
    format!(
        "default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self'{shown}; media-src {media}; \
         connect-src 'self'{storage}; form-action {forms}; \
         frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// The description of the API, to read.
pub fn api_reference(document: &serde_json::Value) -> String {
    reference::page(document)
}

#[cfg(test)]
mod tests;
