//! The document in which keys are kept: what is taken is written so that it is taken again as the same, and what is wrong
//! with it is told without a secret.

use cloakroom::keys::document::KeyDocument;
use serde_json::Value;

/// The input is the text of a document.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match KeyDocument::parse(text) {
        Ok(document) => {
            let written = document.text().unwrap();
            let again = KeyDocument::parse(&written).expect("what was written is read");
            assert_eq!(again.text().unwrap(), written, "it is written as another document");
            assert_eq!(again.listed(), document.listed());
            let keys = document.keys().unwrap();
            let primaries = document.listed().iter().filter(|key| key.state.as_str() == "primary").count();
            assert_eq!(primaries, 2, "one of the root keys, and one of the edge");
            assert!(document.listed().iter().any(|key| key.name == keys.keyring.primary().to_string()));
            assert_hides(&format!("{document:?} {keys:?}"), text);
        }
        Err(fault) => assert_hides(&fault.to_string(), text),
    }
}

/// Nothing that a document calls a secret is in what is said of it.
fn assert_hides(said: &str, text: &str) {
    let Ok(document) = serde_json::from_str::<Value>(text) else { return };
    let entries = ["root_keys", "edge_keys"].into_iter().filter_map(|list| document[list].as_array()).flatten();
    for entry in entries.chain([&document["edge_key"]]) {
        for secret in ["secret", "pkcs8"].into_iter().filter_map(|name| entry[name].as_str()) {
            // A shorter one is in any text; and a name that is the secret's twin says it by itself.
            let is_named =
                ["kid", "id"].iter().any(|name| entry[*name].as_str().is_some_and(|name| name.contains(secret)));
            assert!(secret.len() < 20 || is_named || !said.contains(secret), "{said}");
        }
    }
}
