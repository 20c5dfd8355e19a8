//! Pages without script, which stand alone: they carry their one style inside,
//! since they are shown on hosts that do not serve our stylesheet.

use actix_web::http::{StatusCode, header::HeaderMap};
use minijinja::context;

use super::{
    styles, templates,
    words::{self, Language},
};

/// The policy of these pages: nothing but their one style block, by its hash.
pub const POLICY: &str = "default-src 'none'; style-src 'sha256-uF3XPVP6DV0z3Rvyi50Geb3eX2qEnclh3n4986gMRWQ='; \
     form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// On an artifact's host, for a browser without valid cookies: one page,
/// whatever is or is not there.
pub fn not_admitted(reader: &HeaderMap, public_url: &str) -> String {
    let more = context! { style => styles::PLAIN, public_url };
    templates::rendered("not-admitted.html", Language::asked_for(reader), more)
}

/// On an artifact's host: it has no file of this name.
pub fn missing_file(reader: &HeaderMap) -> String {
    refusal(reader, "artifact", "missing", Some("first_page"))
}

/// On an artifact's host: it cannot be served now.
pub fn unavailable(reader: &HeaderMap) -> String {
    refusal(reader, "artifact", "unavailable", None)
}

/// On our own host, for somebody who looks at what was refused with this status.
pub fn refused(reader: &HeaderMap, status: StatusCode) -> String {
    let kind = match status {
        StatusCode::NOT_FOUND => "missing",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "stranger",
        StatusCode::TOO_MANY_REQUESTS => "slow",
        status if status.is_server_error() => "unavailable",
        _ => "wrong",
    };
    refusal(reader, "refused", kind, Some("home"))
}

fn refusal(reader: &HeaderMap, group: &str, kind: &str, way_on: Option<&str>) -> String {
    let language = Language::asked_for(reader);
    let texts = &words::of(language)[words::FOR_TEMPLATES][group];
    let text = |name: &str| texts[name].as_str().unwrap_or_default().to_owned();
    let more = context! {
        style => styles::PLAIN,
        title => text(&format!("{kind}_title")),
        text => text(kind),
        home => way_on.map(text),
    };
    templates::rendered("refused.html", language, more)
}

/// A text in English that is markup already, for those who build with the API.
pub(super) fn document(title: &str, body: &str) -> String {
    let more = context! { style => styles::PLAIN, title, body, wide => true };
    templates::rendered("standalone.html", Language::English, more)
}
