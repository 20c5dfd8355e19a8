//! The API described: OpenAPI 3.1 from the handlers themselves, and a page of it to read.
//! Both are made once: making them takes milliseconds, and anybody may ask.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use actix_web::{HttpResponse, http::header};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Components, Content, OpenApi as Document, Ref, RefOr, Response, Responses,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::web::pages;

use super::{
    administration, api_keys, archives, artifacts, changes, console, data_subjects, event_sockets, events,
    explanations, file_requests, histories, ledger, ledger_exports, links, objects, session_uploads, sessions, shares,
    tenant_export, tenants, uploads, users, webhook_deliveries, webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cloakroom",
        description = "A capability-token sharing and pre-signed upload broker. You hand something over, you get a ticket, the ticket works once.",
    ),
    paths(
        shares::mint, shares::list, shares::inspect, shares::objects, changes::share, shares::revoke, shares::revoke_many, shares::redeem, shares::send_code, shares::preview,
        sessions::inspect, sessions::objects, sessions::download, sessions::download_batch,
        sessions::offer_move, archives::of_session, archives::of_vault,
        session_uploads::declare, session_uploads::declare_batch, session_uploads::inspect,
        session_uploads::sign_parts, session_uploads::arrived_parts, session_uploads::complete,
        session_uploads::receipt, session_uploads::cancel,
        artifacts::publish, artifacts::list, artifacts::inspect, artifacts::delete,
        links::mint, links::list, links::inspect, changes::link, links::revoke, links::revoke_many, links::redeem, links::send_code, links::preview,
        file_requests::make, file_requests::list, file_requests::inspect, file_requests::close,
        file_requests::redeem, file_requests::preview,
        uploads::declare, uploads::declare_batch, uploads::list, uploads::inspect, uploads::sign_parts,
        uploads::arrived_parts, uploads::complete, uploads::receipt, uploads::cancel, uploads::receipt_keys,
        objects::list, objects::inspect, objects::download, objects::delete,
        api_keys::create, api_keys::list, api_keys::inspect, api_keys::change, api_keys::rotate, api_keys::cut_off, api_keys::reinstate,
        api_keys::revoke,
        users::create, users::list, users::inspect, users::change, users::cut_off, users::reinstate, users::remove,
        data_subjects::export, data_subjects::erase, data_subjects::correct, data_subjects::find, data_subjects::erasures,
        data_subjects::erasure, tenant_export::export,
        tenants::create, tenants::list, tenants::inspect, tenants::suspend, tenants::resume, tenants::cut_off,
        tenants::impersonate, tenants::allow_origins, tenants::delete, tenants::restore,
        explanations::explain_share, histories::of_share, histories::of_link, histories::of_file_request, ledger::audit, ledger::verify,
        ledger::checkpoint, ledger::signing_keys, ledger::replace_signing_key, ledger_exports::export,
        ledger_exports::exports, ledger_exports::inspect_export, events::list, event_sockets::draw,
        event_sockets::open, webhooks::create, webhooks::list, webhooks::inspect, webhooks::change, webhooks::rotate,
        webhooks::remove, webhook_deliveries::test, webhook_deliveries::deliveries, webhook_deliveries::replay,
        webhook_deliveries::replay_after,
        console::sign_in, console::providers, console::inspect, console::sign_out, console::draw,
        administration::usage, administration::set_quota, administration::sweep, administration::reconcile,
    ),
    tags(
        (name = "shares", description = "Links that open a short session on pinned paths, once"),
        (name = "redeeming", description = "What the holder of a token does; no key needed"),
        (name = "session", description = "What a claimant does, with a session token"),
        (name = "artifacts", description = "Immutable snapshots, each served on a host of its own"),
        (name = "links", description = "Tokens that open an artifact, once"),
        (name = "file requests", description = "Links by which outsiders deliver files, and see nothing else"),
        (name = "uploads", description = "One declared contract for one file, from URL to verified object"),
        (name = "objects", description = "The files of the vault"),
        (name = "administration", description = "Keys, users and tenants"),
        (name = "events", description = "What happens, told while it happens"),
        (name = "webhooks", description = "Events, sent to receivers of yours and signed (Standard Webhooks)"),
        (name = "console", description = "What the pages of the console do besides: sessions by cookie"),
    ),
    modifiers(&Security),
)]
struct Api;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let bearer = |description: &str| {
            SecurityScheme::Http(
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build(),
            )
        };
        // Handlers of different capabilities share names; operation ids must not.
        for (path, item) in &mut document.paths.paths {
            let segments: Vec<_> = path.split('/').skip(2).collect();
            let resource = match segments[..] {
                ["session", "uploads", ..] => "session_uploads",
                [resource, ..] => resource,
                [] => "",
            };
            let operations =
                [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten();
            for operation in operations {
                let handler = operation.operation_id.take().unwrap_or_default();
                operation.operation_id = Some(format!("{resource}_{handler}"));
                answer_with_problems(&mut operation.responses);
            }
        }
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme("api_key", bearer("an API key, crk_live_… or crk_test_…"));
        let cookie = ApiKeyValue::with_description(
            "cloakroom-console",
            "the cookie of a console session (__Host-cloakroom-console with TLS); requests that are not GET or HEAD \
             repeat the csrf cookie in the header Cloakroom-CSRF. Every route that takes an API key takes it, too",
        );
        components.add_security_scheme("console", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        components.add_security_scheme("session", bearer("a session token, cst_…; browsers send it as a cookie"));
    }
}

/// Whatever is refused is told by a problem document, of a media type of its own (RFC 9457, section 3).
fn answer_with_problems(responses: &mut Responses) {
    let refused = || RefOr::T(Response::new("Refused: `code` says why"));
    responses.responses.entry("4XX".into()).or_insert_with(refused);
    for (_, response) in responses.responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
        if let RefOr::T(response) = response {
            let problem = Content::new(Some(Ref::from_schema_name("ProblemDocument")));
            response.content = [("application/problem+json".to_owned(), RefOr::T(problem))].into_iter().collect();
        }
    }
}

/// The description as a document.
pub fn document() -> Document {
    Api::openapi()
}

/// The methods of each path.
static METHODS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let document = serde_json::to_value(document()).unwrap_or_default();
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    let methods = |operations: &serde_json::Value| {
        let methods = operations.as_object().map(|operations| operations.keys().cloned().collect::<Vec<_>>());
        methods.unwrap_or_default().join(", ").to_uppercase()
    };
    paths.iter().map(|(path, operations)| (path.clone(), methods(operations))).collect()
});

/// The routes that ask for an API key, as `METHOD pattern`.
static WITH_KEYS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let document = serde_json::to_value(document()).unwrap_or_default();
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    let asks_for_keys = |operation: &serde_json::Value| {
        operation["security"].as_array().is_some_and(|ways| ways.iter().any(|way| way.get("api_key").is_some()))
    };
    let of_path = |(path, operations): (&String, &serde_json::Value)| {
        let operations = operations.as_object().cloned().unwrap_or_default();
        let asking = operations.iter().filter(|(_, operation)| asks_for_keys(operation));
        asking.map(|(method, _)| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
});

/// Whether a route asks for an API key.
pub(super) fn takes_keys(method: &str, pattern: &str) -> bool {
    WITH_KEYS.contains(&format!("{method} {}", pattern.replace(":.*}", "}")))
}

/// Whether there is a route of this method and pattern.
pub fn has(method: &str, pattern: &str) -> bool {
    METHODS.get(pattern).is_some_and(|methods| methods.split(", ").any(|known| known == method))
}

/// The methods of a path that this pattern matched, for the `Allow` header. Pages are looked at only.
pub(super) fn methods_of(pattern: &str, path: &str) -> String {
    let matched = METHODS.get(&pattern.replace(":.*}", "}")).map_or("GET, HEAD", String::as_str);
    // A file of the vault may be called like a route that is there for one method.
    let own = METHODS.get(path).filter(|_| pattern != path);
    own.map_or_else(|| matched.to_owned(), |own| format!("{matched}, {own}"))
}

/// The description as JSON.
pub async fn json() -> HttpResponse {
    static JSON: LazyLock<String> = LazyLock::new(|| serde_json::to_string(&document()).unwrap_or_default());
    HttpResponse::Ok().content_type(header::ContentType::json()).body(JSON.as_str())
}

/// The description to read.
pub async fn page() -> HttpResponse {
    static PAGE: LazyLock<String> =
        LazyLock::new(|| pages::api_reference(&serde_json::to_value(document()).unwrap_or_default()));
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, pages::STATIC_POLICY))
        .body(PAGE.as_str())
}
