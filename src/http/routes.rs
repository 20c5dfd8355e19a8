//! Every route of the API and its pages, on one screen.

use actix_web::{
    HttpResponse,
    error::QueryPayloadError,
    guard,
    web::{self, delete, get, patch, post, put, resource},
};

use crate::web::pages;

use super::{
    administration, api_keys, archives, artifacts, changes, console, data_subjects, event_sockets, events,
    explanations, file_requests, histories,
    json::{LARGEST_BODY, wording},
    ledger, ledger_exports, links, objects, openapi,
    problem::Problem,
    security_txt, session_uploads, sessions, shares, single_sign_on, tenant_export, tenants, uploads, users,
    webhook_deliveries, webhooks,
};

/// The route table.
pub fn configure(routes: &mut web::ServiceConfig) {
    routes
        .app_data(web::PayloadConfig::new(LARGEST_BODY))
        .app_data(web::QueryConfig::default().error_handler(|fault, _| match fault {
            QueryPayloadError::Deserialize(fault) => Problem::invalid("query", wording(&fault)).into(),
            _ => Problem::invalid("query", "it cannot be read").into(),
        }))
        // Shares
        .service(resource("/v1/shares").route(post().to(shares::mint)).route(get().to(shares::list)))
        .service(resource("/v1/shares/redeem").route(post().to(shares::redeem)))
        .service(resource("/v1/shares/redeem/code").route(post().to(shares::send_code)))
        .service(resource("/v1/shares/redeem/preview").route(post().to(shares::preview)))
        .service(resource("/v1/shares/revoke").route(post().to(shares::revoke_many)))
        .service(resource("/v1/shares/{id}/objects").route(get().to(shares::objects)))
        .service(
            resource("/v1/shares/{id}")
                .route(get().to(shares::inspect))
                .route(patch().to(changes::share))
                .route(delete().to(shares::revoke)),
        )
        .service(resource("/v1/shares/{id}/explain").route(get().to(explanations::explain_share)))
        .service(resource("/v1/shares/{id}/events").route(get().to(histories::of_share)))
        // Sessions
        .service(resource("/v1/session").route(get().to(sessions::inspect)))
        .service(resource("/v1/session/objects").route(get().to(sessions::objects)))
        .service(resource("/v1/session/downloads").route(post().to(sessions::download)))
        .service(resource("/v1/session/downloads/batch").route(post().to(sessions::download_batch)))
        .service(resource("/v1/session/archives").route(post().to(archives::of_session)))
        .service(resource("/v1/session/moves").route(post().to(sessions::offer_move)))
        .service(resource("/v1/session/uploads").route(post().to(session_uploads::declare)))
        .service(resource("/v1/session/uploads/batch").route(post().to(session_uploads::declare_batch)))
        .service(
            resource("/v1/session/uploads/{id}/parts")
                .route(post().to(session_uploads::sign_parts))
                .route(get().to(session_uploads::arrived_parts)),
        )
        .service(resource("/v1/session/uploads/{id}/complete").route(post().to(session_uploads::complete)))
        .service(resource("/v1/session/uploads/{id}/receipt").route(get().to(session_uploads::receipt)))
        .service(
            resource("/v1/session/uploads/{id}")
                .route(get().to(session_uploads::inspect))
                .route(delete().to(session_uploads::cancel)),
        )
        // Artifacts and links
        .service(resource("/v1/artifacts").route(post().to(artifacts::publish)).route(get().to(artifacts::list)))
        .service(
            resource("/v1/artifacts/{id}").route(get().to(artifacts::inspect)).route(delete().to(artifacts::delete)),
        )
        .service(resource("/v1/links").route(post().to(links::mint)).route(get().to(links::list)))
        .service(resource("/v1/links/redeem").route(post().to(links::redeem)))
        .service(resource("/v1/links/redeem/code").route(post().to(links::send_code)))
        .service(resource("/v1/links/redeem/preview").route(post().to(links::preview)))
        .service(resource("/v1/links/revoke").route(post().to(links::revoke_many)))
        .service(
            resource("/v1/links/{id}")
                .route(get().to(links::inspect))
                .route(patch().to(changes::link))
                .route(delete().to(links::revoke)),
        )
        .service(resource("/v1/links/{id}/events").route(get().to(histories::of_link)))
        // File requests
        .service(
            resource("/v1/file-requests").route(post().to(file_requests::make)).route(get().to(file_requests::list)),
        )
        .service(resource("/v1/file-requests/redeem").route(post().to(file_requests::redeem)))
        .service(resource("/v1/file-requests/redeem/preview").route(post().to(file_requests::preview)))
        .service(
            resource("/v1/file-requests/{id}")
                .route(get().to(file_requests::inspect))
                .route(delete().to(file_requests::close)),
        )
        .service(resource("/v1/file-requests/{id}/events").route(get().to(histories::of_file_request)))
        // Uploads and the vault
        .service(resource("/v1/uploads").route(post().to(uploads::declare)).route(get().to(uploads::list)))
        .service(resource("/v1/uploads/batch").route(post().to(uploads::declare_batch)))
        .service(resource("/v1/uploads/sweep").route(post().to(administration::sweep)))
        .service(
            resource("/v1/uploads/{id}/parts")
                .route(post().to(uploads::sign_parts))
                .route(get().to(uploads::arrived_parts)),
        )
        .service(resource("/v1/uploads/{id}/complete").route(post().to(uploads::complete)))
        .service(resource("/v1/uploads/{id}/receipt").route(get().to(uploads::receipt)))
        .service(resource("/v1/receipt-keys").route(get().to(uploads::receipt_keys)))
        .service(resource("/v1/uploads/{id}").route(get().to(uploads::inspect)).route(delete().to(uploads::cancel)))
        .service(resource("/v1/objects").route(get().to(objects::list)))
        .service(resource("/v1/objects/reconcile").guard(guard::Post()).route(post().to(administration::reconcile)))
        .service(resource("/v1/objects/downloads").guard(guard::Post()).route(post().to(objects::download)))
        .service(resource("/v1/objects/archives").guard(guard::Post()).route(post().to(archives::of_vault)))
        .service(
            resource("/v1/objects/{path:.*}").route(get().to(objects::inspect)).route(delete().to(objects::delete)),
        )
        // Administration
        .service(resource("/v1/api-keys").route(post().to(api_keys::create)).route(get().to(api_keys::list)))
        .service(
            resource("/v1/api-keys/{id}")
                .route(get().to(api_keys::inspect))
                .route(patch().to(api_keys::change))
                .route(delete().to(api_keys::revoke)),
        )
        .service(resource("/v1/api-keys/{id}/rotate").route(post().to(api_keys::rotate)))
        .service(resource("/v1/api-keys/{id}/cut-off").route(post().to(api_keys::cut_off)))
        .service(resource("/v1/api-keys/{id}/reinstate").route(post().to(api_keys::reinstate)))
        .service(resource("/v1/users").route(post().to(users::create)).route(get().to(users::list)))
        .service(
            resource("/v1/users/{id}")
                .route(get().to(users::inspect))
                .route(patch().to(users::change))
                .route(delete().to(users::remove)),
        )
        .service(resource("/v1/users/{id}/cut-off").route(post().to(users::cut_off)))
        .service(resource("/v1/users/{id}/reinstate").route(post().to(users::reinstate)))
        .service(resource("/v1/export").route(get().to(tenant_export::export)))
        .service(resource("/v1/data-subjects/export").route(post().to(data_subjects::export)))
        .service(resource("/v1/data-subjects/erase").route(post().to(data_subjects::erase)))
        .service(resource("/v1/data-subjects/correct").route(post().to(data_subjects::correct)))
        .service(resource("/v1/data-subjects/find").route(post().to(data_subjects::find)))
        .service(resource("/v1/data-subjects/erasures").route(get().to(data_subjects::erasures)))
        .service(resource("/v1/data-subjects/erasures/{id}").route(get().to(data_subjects::erasure)))
        .service(resource("/v1/audit/verify").route(get().to(ledger::verify)))
        .service(resource("/v1/audit/checkpoints").route(post().to(ledger::checkpoint)))
        .service(resource("/v1/audit/signing-keys/{id}/replace").route(post().to(ledger::replace_signing_key)))
        .service(resource("/v1/audit/signing-keys").route(get().to(ledger::signing_keys)))
        .service(resource("/v1/audit/exports/{id}").route(get().to(ledger_exports::inspect_export)))
        .service(
            resource("/v1/audit/exports")
                .route(post().to(ledger_exports::export))
                .route(get().to(ledger_exports::exports)),
        )
        .service(resource("/v1/audit").route(get().to(ledger::audit)))
        .service(resource("/v1/events").route(get().to(events::list)))
        .service(resource("/v1/events/tickets").route(post().to(event_sockets::draw)))
        .service(resource("/v1/events/ws").route(get().to(event_sockets::open)))
        // Webhooks
        .service(resource("/v1/webhooks").route(post().to(webhooks::create)).route(get().to(webhooks::list)))
        .service(
            resource("/v1/webhooks/{id}")
                .route(get().to(webhooks::inspect))
                .route(patch().to(webhooks::change))
                .route(delete().to(webhooks::remove)),
        )
        .service(resource("/v1/webhooks/{id}/rotate").route(post().to(webhooks::rotate)))
        .service(resource("/v1/webhooks/{id}/test").route(post().to(webhook_deliveries::test)))
        .service(resource("/v1/webhooks/{id}/replay").route(post().to(webhook_deliveries::replay_after)))
        .service(resource("/v1/webhooks/{id}/deliveries").route(get().to(webhook_deliveries::deliveries)))
        .service(resource("/v1/webhooks/{id}/deliveries/{seq}/replay").route(post().to(webhook_deliveries::replay)))
        .service(resource("/v1/usage").route(get().to(administration::usage)))
        .service(resource("/v1/tenants/{id}/quota").route(put().to(administration::set_quota)))
        .service(resource("/v1/tenants/{id}").route(get().to(tenants::inspect)))
        .service(resource("/v1/tenants/{id}/allowed-origins").route(put().to(tenants::allow_origins)))
        .service(resource("/v1/tenants/{id}/suspend").route(post().to(tenants::suspend)))
        .service(resource("/v1/tenants/{id}/resume").route(post().to(tenants::resume)))
        .service(resource("/v1/tenants/{id}/delete").route(post().to(tenants::delete)))
        .service(resource("/v1/tenants/{id}/restore").route(post().to(tenants::restore)))
        .service(resource("/v1/tenants/{id}/cut-off").route(post().to(tenants::cut_off)))
        .service(resource("/v1/tenants/{id}/impersonations").route(post().to(tenants::impersonate)))
        .service(resource("/v1/tenants").route(post().to(tenants::create)).route(get().to(tenants::list)))
        // The console
        .service(
            resource("/v1/console/session")
                .route(post().to(console::sign_in))
                .route(get().to(console::inspect))
                .route(delete().to(console::sign_out)),
        )
        .service(resource("/v1/console/qr").route(post().to(console::draw)))
        .service(resource("/v1/console/providers").route(get().to(console::providers)))
        .service(resource("/console/sign-in/{provider}").route(get().to(single_sign_on::depart)))
        .service(resource("/console/sign-in/{provider}/callback").route(get().to(single_sign_on::arrive)))
        // The description of all this
        .service(resource("/openapi.json").route(get().to(openapi::json)))
        .service(resource("/docs").route(get().to(openapi::page)))
        .service(resource("/.well-known/security.txt").route(get().to(security_txt::show)))
        .configure(pages::configure)
        .default_service(web::to(nothing_here));
}

async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}
