//! What pages load: embedded in the program, and served under a path that
//! names their content and their language.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use crate::crypto::digest;

use super::{
    compressed::Compressed,
    words::{self, Language},
};

macro_rules! assets {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("assets/", $name)))),*] };
}

/// All files, the same in every language. Scripts import each other, and the words of their
/// language, by relative names, so that they stay within one version and one language.
pub(super) const FILES: [(&str, &str); 31] = assets![
    "icon.svg",
    "unsupported.js",
    "view.js",
    "code.js",
    "text.js",
    "format.js",
    "api.js",
    "tickets.js",
    "inside.js",
    "recipient.js",
    "share.js",
    "link.js",
    "request.js",
    "session.js",
    "session-list.js",
    "session-preview.js",
    "session-saving.js",
    "session-tree.js",
    "upload.js",
    "queue.js",
    "transfer.js",
    "transport.js",
    "declarations.js",
    "console.js",
    "console-ask.js",
    "console-make.js",
    "console-files.js",
    "console-upload.js",
    "console-lists.js",
    "console-history.js",
    "console-admin.js",
];

/// The scripts among them.
#[cfg(test)]
pub(super) fn scripts() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.into_iter().filter(|(name, _)| name.ends_with(".js"))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("svg") => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    }
}

/// Everything that can be asked for in a language.
static ALL: LazyLock<BTreeMap<(Language, String), Compressed>> = LazyLock::new(|| {
    let of_language = |language: Language| {
        let files = FILES.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned()));
        let modules = words::of(language).iter().filter(|(name, _)| **name != words::FOR_TEMPLATES);
        let modules = modules.map(|(name, group)| (format!("{name}.words.js"), words::module(group)));
        files.chain(modules).map(move |(name, text)| ((language, name), Compressed::new(text)))
    };
    Language::ALL.into_iter().flat_map(of_language).collect()
});

/// Names the content of all assets together.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let words = Language::ALL.into_iter().flat_map(|language| words::of(language).values().map(words::module));
    let texts: Vec<String> = FILES.iter().map(|(_, text)| (*text).to_owned()).chain(words).collect();
    let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    let hash = digest::labelled("cloakroom/assets", &texts);
    base16ct::lower::encode_string(&hash[..8])
});

/// Where the assets of this version are, without a slash at the end.
pub(super) fn base(language: Language) -> String {
    format!("/assets/{}/{}", *VERSION, language.tag())
}

/// Whether there is such a file, in every language alike.
#[cfg(test)]
pub(super) fn has(name: &str) -> bool {
    ALL.contains_key(&(Language::English, name.to_owned()))
}

/// Serves one. Under another version's path, which a replica of that version
/// may have named, it is served too and not kept.
pub(super) async fn serve(request: HttpRequest, path: web::Path<(String, String, String)>) -> HttpResponse {
    let (version, language, name) = path.into_inner();
    let kind = content_type(&name);
    let asset = Language::tagged(&language).and_then(|language| ALL.get(&(language, name)));
    let Some(asset) = asset else { return HttpResponse::NotFound().finish() };
    let caching = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, kind)).insert_header((header::CACHE_CONTROL, caching));
    asset.answer(request.headers(), &mut response)
}
