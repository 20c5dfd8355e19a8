//! What pages load: embedded in the program, and served under a path that
//! names their content.

use std::sync::LazyLock;

use actix_web::{HttpResponse, http::header, web};

use crate::crypto::digest;

/// A file that pages load.
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
}

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        Asset { name: $name, content_type: $content_type, text: include_str!(concat!("assets/", $name)) }
    };
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All of them. Scripts import each other by relative names, so that they stay
/// within one version.
pub(super) const ALL: [Asset; 12] = [
    asset!("cloakroom.css", STYLE),
    asset!("icon.svg", "image/svg+xml"),
    asset!("unsupported.js", SCRIPT),
    asset!("view.js", SCRIPT),
    asset!("format.js", SCRIPT),
    asset!("api.js", SCRIPT),
    asset!("tickets.js", SCRIPT),
    asset!("share.js", SCRIPT),
    asset!("link.js", SCRIPT),
    asset!("request.js", SCRIPT),
    asset!("session.js", SCRIPT),
    asset!("upload.js", SCRIPT),
];

/// Names the content of all assets together.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let texts: Vec<&[u8]> = ALL.iter().map(|asset| asset.text.as_bytes()).collect();
    let hash = digest::labelled("cloakroom/assets", &texts);
    base16ct::lower::encode_string(&hash[..8])
});

/// Where the assets of this version are, without a slash at the end.
pub(super) fn base() -> String {
    format!("/assets/{}", *VERSION)
}

/// Serves one. Under another version's path, which a replica of that version
/// may have named, it is served too and not kept.
pub(super) async fn serve(path: web::Path<(String, String)>) -> HttpResponse {
    let (version, name) = path.into_inner();
    let Some(asset) = ALL.iter().find(|asset| asset.name == name) else {
        return HttpResponse::NotFound().finish();
    };
    let caching = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, asset.content_type))
        .insert_header((header::CACHE_CONTROL, caching))
        .body(asset.text)
}
