use actix_web::body::to_bytes;
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::crypto::digest;

use super::{html::PLAIN_STYLE, *};

const TEMPLATES: [(&str, &str); 5] = [
    ("welcome", include_str!("../assets/welcome.html")),
    ("share", include_str!("../assets/share.html")),
    ("session", include_str!("../assets/session.html")),
    ("link", include_str!("../assets/link.html")),
    ("request", include_str!("../assets/request.html")),
];

fn standalone() -> [(&'static str, String); 4] {
    let document = serde_json::to_value(crate::http::openapi::document()).unwrap();
    [
        ("not admitted", not_admitted("https://share.example")),
        ("missing", missing_file()),
        ("unavailable", unavailable()),
        ("reference", api_reference(&document)),
    ]
}

#[test]
fn the_static_policy_allows_exactly_our_style() {
    let hash = STANDARD.encode(digest::of(PLAIN_STYLE.as_bytes()));
    assert!(STATIC_POLICY.contains(&format!("style-src 'sha256-{hash}';")), "the hash is now {hash}");
    assert!(!STATIC_POLICY.contains("unsafe"));
    for (name, page) in standalone() {
        assert_eq!(page.matches("<style").count(), 1, "{name}");
        assert!(page.contains(&format!("<style>{PLAIN_STYLE}</style>")), "{name}");
        assert!(!page.contains("<script") && !page.contains("<link"), "{name}");
    }
}

#[test]
fn nothing_is_inline_but_that_style() {
    for (name, page) in TEMPLATES {
        assert!(!page.contains("<style"), "{name}");
        assert_eq!(page.matches("<script").count(), page.matches("></script>").count(), "{name}");
        assert_eq!(page.matches("<script").count(), page.matches(" src=\"{{assets}}/").count() - 1, "{name}");
    }
    let pages = TEMPLATES.map(|(name, page)| (name, page.to_owned()));
    for (name, page) in pages.iter().chain(&standalone()) {
        for tag in page.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag) {
            let inline = |attribute: &str| attribute.starts_with("on") || attribute.starts_with("style=");
            assert!(!tag.split_whitespace().skip(1).any(inline), "{name}: {tag}");
            assert!(!tag.contains("javascript:"), "{name}: {tag}");
        }
    }
}

#[test]
fn nothing_comes_from_elsewhere() {
    let scripts = assets::ALL.iter().filter(|asset| asset.name != "icon.svg");
    let texts = scripts.map(|asset| (asset.name, asset.text)).chain(TEMPLATES).chain([("plain", PLAIN_STYLE)]);
    for (name, text) in texts {
        for foreign in ["http:", "https:", "@import", "\"//"] {
            assert!(!text.contains(foreign), "{name}: {foreign}");
        }
        assert!(name.ends_with(".js") || !text.contains("url("), "{name}");
    }
}

#[test]
fn scripts_never_make_markup_from_text() {
    for asset in assets::ALL.iter().filter(|asset| asset.name.ends_with(".js")) {
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("] {
            assert!(!asset.text.contains(sink), "{}: {sink}", asset.name);
        }
    }
}

#[test]
fn all_of_it_is_small() {
    let assets: usize = assets::ALL.iter().map(|asset| asset.text.len()).sum();
    let templates: usize = TEMPLATES.iter().map(|(_, page)| page.len()).sum();
    let total = assets + templates + PLAIN_STYLE.len();
    assert!(total < 60_000, "{total}");
}

#[test]
fn whatever_is_referred_to_is_there() {
    let names = |text: &str, before: &str| -> Vec<String> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).map(ToOwned::to_owned).collect()
    };
    let imports = assets::ALL.iter().flat_map(|asset| names(asset.text, "from \"./"));
    let sources = TEMPLATES.iter().flat_map(|(_, page)| names(page, "\"{{assets}}/"));
    for name in imports.chain(sources) {
        assert!(assets::ALL.iter().any(|asset| asset.name == name), "{name}");
    }
    for (name, page) in TEMPLATES {
        assert!(!filled(page).contains("{{"), "{name}");
    }
}

#[test]
fn a_page_reaches_the_broker_and_the_content_only() {
    let policy = policy("https://content.example", "https://*.content.example");
    for part in [
        "default-src 'none';",
        "script-src 'self';",
        "style-src 'self';",
        "connect-src 'self' https://content.example;",
        "form-action https://*.content.example;",
        "frame-ancestors 'none';",
        "base-uri 'none';",
    ] {
        assert!(policy.contains(part), "{part}");
    }
    assert!(!policy.contains("unsafe"));
}

#[actix_web::test]
async fn assets_are_kept_under_their_own_version_only() {
    use actix_web::{App, http::StatusCode, test};
    let app = test::init_service(App::new().configure(configure)).await;
    let answer = async |path: String| test::call_service(&app, test::TestRequest::get().uri(&path).to_request()).await;
    let now = answer(format!("{}/api.js", assets::base())).await;
    assert_eq!(now.headers().get(header::CACHE_CONTROL).unwrap(), "public, max-age=31536000, immutable");
    assert_eq!(now.headers().get(header::CONTENT_TYPE).unwrap(), "text/javascript; charset=utf-8");
    assert!(!to_bytes(now.into_body()).await.unwrap().is_empty());
    let other = answer("/assets/0123456789abcdef/api.js".into()).await;
    assert_eq!(other.headers().get(header::CACHE_CONTROL).unwrap(), "no-cache");
    for missing in ["mod.rs", "share.html", "..%2fpages.rs", "plain.css"] {
        assert_eq!(answer(format!("{}/{missing}", assets::base())).await.status(), StatusCode::NOT_FOUND);
    }
}

#[test]
fn an_address_in_a_page_is_text() {
    let page = not_admitted("https://a\"><script>x</script>");
    assert!(!page.contains("<script"));
}
