//! Every route there is: what the sources serve, and what the description of the API tells.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Method and path of every route, as in `GET /v1/shares`. What another listener serves begins with its name.
pub fn all() -> BTreeSet<String> {
    let mut routes = described();
    for source in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")) {
        routes.extend(served(&source));
    }
    for source in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web")) {
        routes.extend(served(&source));
    }
    assert!(routes.len() > 100 && routes.contains("DELETE /v1/objects/{path}"), "{routes:?}");
    routes
}

fn described() -> BTreeSet<String> {
    let document = serde_json::to_value(cloakroom::http::openapi::document()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let methods = |item: &serde_json::Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    paths
        .flat_map(|(path, item)| {
            methods(item).into_iter().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}

fn sources(folder: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The routes that a source file adds. There is nothing to ask at run time: actix does not tell what it serves.
fn served(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let text: String = text.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
    let file = path.file_name().unwrap().to_str().unwrap();
    let mut routes = Vec::new();
    for (place, begin) in [".route(\"", "resource("].iter().flat_map(|begin| text.match_indices(begin)) {
        let after = &text[place + begin.len()..];
        let chain = &after[..after.find(';').unwrap_or(after.len())];
        let chain = &chain[..chain.find("resource(").unwrap_or(chain.len())];
        let chain = &chain[..chain.find(".route(\"").unwrap_or(chain.len())];
        let Some(pattern) = pattern(begin, chain) else { continue };
        let listener = match file {
            "routes.rs" | "pages.rs" => "",
            "content.rs" => "content ",
            "edge.rs" => "artifact ",
            "ops.rs" => "ops ",
            other => panic!("{other} adds routes: say here which listener serves them"),
        };
        let looked_at = text[..place].ends_with("seen(");
        for method in ["get", "head", "post", "put", "patch", "delete"] {
            let named = chain.contains(&format!("{method}().to("));
            if named || looked_at && ["get", "head"].contains(&method) {
                routes.push(format!("{listener}{} {}", method.to_uppercase(), pattern.replace(":.*}", "}")));
            }
        }
        assert!(looked_at || chain.contains("().to("), "{file}: no method of {pattern} is understood");
    }
    if file == "edge.rs" {
        assert_eq!(text.matches("default_service(web::to(serve))").count(), 1);
        routes.push("artifact GET /{path}".to_owned());
    }
    routes
}

fn pattern(begin: &str, chain: &str) -> Option<String> {
    let argument = if begin.ends_with('"') { chain } else { chain.strip_prefix('"').unwrap_or_default() };
    match argument.split_once('"') {
        Some((pattern, _)) => Some(pattern.to_owned()),
        None if chain.starts_with("ENTER_PATH") => Some("/.cloakroom/enter".to_owned()),
        // A parameter of that type.
        None => None,
    }
}
