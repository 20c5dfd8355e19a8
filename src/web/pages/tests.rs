use actix_web::{body::to_bytes, http::StatusCode, http::header::HeaderMap};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{crypto::digest, web::words};

use super::*;

const STYLES: [&str; 5] = [styles::PLAIN, styles::COMMON, styles::SESSION, styles::CONSOLE, styles::WITHOUT_SCRIPT];

fn with_scripts() -> Vec<(String, String)> {
    let all = Page::ALL.into_iter().flat_map(|page| Language::ALL.map(|language| (page, language)));
    all.map(|(page, language)| (format!("{page:?} {language:?}"), rendered(page, language))).collect()
}

fn standing_alone() -> Vec<(String, String)> {
    let document = serde_json::to_value(crate::http::openapi::document()).unwrap();
    let mut pages = vec![("reference".to_owned(), api_reference(&document))];
    for language in Language::ALL {
        let reader = &reader(language.tag());
        let refused = |status| refused(reader, status);
        let all = [
            not_admitted(reader, "https://share.example"),
            missing_file(reader),
            unavailable(reader),
            refused(StatusCode::NOT_FOUND),
            refused(StatusCode::TOO_MANY_REQUESTS),
            refused(StatusCode::SERVICE_UNAVAILABLE),
            refused(StatusCode::METHOD_NOT_ALLOWED),
        ];
        pages.extend(all.into_iter().enumerate().map(|(number, page)| (format!("{language:?} {number}"), page)));
    }
    pages
}

fn reader(language: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT_LANGUAGE, header::HeaderValue::from_str(language).unwrap());
    headers
}

#[test]
fn the_static_policy_allows_exactly_our_style() {
    let hash = STANDARD.encode(digest::of(styles::PLAIN.as_bytes()));
    assert!(STATIC_POLICY.contains(&format!("style-src 'sha256-{hash}';")), "the hash is now {hash}");
    assert!(!STATIC_POLICY.contains("unsafe"));
    for (name, page) in standing_alone() {
        assert_eq!(page.matches("<style").count(), 1, "{name}");
        assert!(page.contains(&format!("<style>{}</style>", styles::PLAIN)), "{name}");
        assert!(!page.contains("<script") && !page.contains("<link"), "{name}");
    }
}

#[test]
fn nothing_is_inline_but_the_styles_of_a_page() {
    for page in Page::ALL {
        let html = rendered(page, Language::English);
        let inline: Vec<_> = html.split("<style>").skip(1).filter_map(|rest| rest.split("</style>").next()).collect();
        assert_eq!(inline[0], page.style(), "{page:?}");
        assert!(inline[1..].iter().all(|style| *style == styles::WITHOUT_SCRIPT), "{page:?}");
    }
    for (name, page) in with_scripts() {
        assert_eq!(page.matches("<script").count(), page.matches("></script>").count(), "{name}");
        assert_eq!(
            page.matches("<script").count(),
            page.matches("<script defer src=\"/assets/").count()
                + page.matches("<script type=\"module\" src=\"/assets/").count(),
            "{name}"
        );
    }
    for (name, page) in with_scripts().iter().chain(&standing_alone()) {
        for tag in page.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag) {
            let inline = |attribute: &str| attribute.starts_with("on") || attribute.starts_with("style=");
            assert!(!tag.split_whitespace().skip(1).any(inline), "{name}: {tag}");
            assert!(!tag.contains("javascript:"), "{name}: {tag}");
        }
    }
}

#[test]
fn nothing_comes_from_elsewhere() {
    let files = assets::FILES.into_iter().filter(|(name, _)| *name != "icon.svg");
    let texts = files.chain(templates::SOURCES).chain(STYLES.map(|style| ("style", style)));
    for (name, text) in texts {
        // The name of a language, where nothing is fetched from.
        let text = &text.replace("http://www.w3.org/2000/svg", "");
        for foreign in ["http:", "https:", "@import", "\"//"] {
            assert!(!text.contains(foreign), "{name}: {foreign}");
        }
        assert!(name.ends_with(".js") || !text.contains("url("), "{name}");
    }
}

#[test]
fn scripts_never_make_markup_from_text() {
    for (name, script) in assets::scripts() {
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("] {
            assert!(!script.contains(sink), "{name}: {sink}");
        }
    }
}

#[test]
fn whatever_is_referred_to_is_there() {
    let names = |text: &str, before: &str| -> Vec<String> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).map(ToOwned::to_owned).collect()
    };
    let pages = with_scripts();
    let imports = assets::scripts().flat_map(|(_, script)| names(script, "from \"./"));
    let sources = pages.iter().flat_map(|(_, page)| names(page, "\"/assets/"));
    let sources = sources.map(|path| path.rsplit('/').next().unwrap_or_default().to_owned());
    for name in imports.chain(sources) {
        assert!(assets::has(&name), "{name}");
    }
}

/// Else a browser finds out only when the first script has come.
#[test]
fn a_page_names_all_that_its_scripts_import() {
    for (page, html) in with_scripts() {
        let mut wanted: Vec<String> = Vec::new();
        let mut next: Vec<String> = html
            .split("type=\"module\" src=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next()?.rsplit('/').next().map(ToOwned::to_owned))
            .collect();
        while let Some(name) = next.pop() {
            if wanted.contains(&name) {
                continue;
            }
            let script = assets::scripts().find(|(script, _)| *script == name).map_or("", |(_, script)| script);
            let imports = script.lines().filter(|line| line.contains(" from \"./"));
            next.extend(imports.filter_map(|line| line.split("\"./").nth(1)?.split('"').next()).map(ToOwned::to_owned));
            wanted.push(name);
        }
        let named = html.matches("rel=\"modulepreload\"").count();
        for name in &wanted {
            assert!(html.contains(&format!("/{name}\"")), "{page}: {name}");
        }
        assert_eq!(named, wanted.len(), "{page}: {wanted:?}");
    }
}

#[test]
fn a_page_says_its_language_and_its_direction() {
    for language in Language::ALL {
        let page = rendered(Page::Share, language);
        assert!(page.contains(&format!("<html lang=\"{}\" dir=\"{}\">", language.tag(), language.direction())));
        assert!(not_admitted(&reader(language.tag()), "x").contains(&format!("<html lang=\"{}\"", language.tag())));
    }
    assert!(rendered(Page::Share, Language::German).contains("Danach offen für"));
}

/// Every text between tags of the mirrored language is in brackets: none was left out of the words.
#[test]
fn no_text_stands_in_a_template() {
    for page in Page::ALL {
        let html = rendered(page, Language::Mirrored);
        let (_, body) = html.split_once("<body>").unwrap();
        let mut open = 0;
        for piece in body.split('<').skip(1) {
            let (_, text) = piece.split_once('>').unwrap();
            for character in text.chars() {
                match character {
                    '⟦' => open += 1,
                    '⟧' => open -= 1,
                    other => assert!(open > 0 || !other.is_alphabetic(), "{page:?}: {text}"),
                }
            }
        }
    }
}

#[test]
fn a_page_reaches_the_broker_and_the_content_only() {
    let storage = "https://storage.example";
    let policy = policy(styles::COMMON, storage, storage, "https://*.content.example");
    for part in [
        "default-src 'none';",
        "script-src 'self';",
        &format!("style-src {} {};", styles::source(styles::COMMON), styles::source(styles::WITHOUT_SCRIPT)),
        "img-src 'self' https://storage.example;",
        "media-src https://storage.example;",
        "connect-src 'self' https://storage.example;",
        "form-action https://*.content.example;",
        "frame-ancestors 'none';",
        "base-uri 'none';",
    ] {
        assert!(policy.contains(part), "{part}");
    }
    assert!(!policy.contains("unsafe"));
    assert!(super::policy("", "", "", "'none'").contains("connect-src 'self';"));
}

#[actix_web::test]
async fn assets_are_kept_under_their_own_version_only() {
    use actix_web::{App, test};
    let app = test::init_service(App::new().configure(configure)).await;
    let answer = async |path: String| test::call_service(&app, test::TestRequest::get().uri(&path).to_request()).await;
    let now = answer(format!("{}/api.js", assets::base(Language::German))).await;
    assert_eq!(now.headers().get(header::CACHE_CONTROL).unwrap(), "public, max-age=31536000, immutable");
    assert_eq!(now.headers().get(header::CONTENT_TYPE).unwrap(), "text/javascript; charset=utf-8");
    assert!(!to_bytes(now.into_body()).await.unwrap().is_empty());
    let words = answer(format!("{}/share.words.js", assets::base(Language::German))).await;
    let words = to_bytes(words.into_body()).await.unwrap();
    assert!(std::str::from_utf8(&words).unwrap().starts_with("export default {"));
    let other = answer("/assets/0123456789abcdef/en/api.js".into()).await;
    assert_eq!(other.headers().get(header::CACHE_CONTROL).unwrap(), "no-cache");
    for missing in ["mod.rs", "share.html", "..%2fpages.rs", "plain.css", "pages.words.js"] {
        let path = format!("{}/{missing}", assets::base(Language::English));
        assert_eq!(answer(path).await.status(), StatusCode::NOT_FOUND, "{missing}");
    }
    assert_eq!(answer("/assets/0123456789abcdef/fr/api.js".into()).await.status(), StatusCode::NOT_FOUND);
}

#[test]
fn an_address_in_a_page_is_text() {
    let page = not_admitted(&HeaderMap::new(), "https://a\"><script>x</script>");
    assert!(!page.contains("<script"));
    assert!(words::of(Language::English).contains_key("pages"));
}
