//! Which calls of Amazon's the source makes: none of them may be forgotten here.

use std::collections::BTreeSet;

use super::{key_calls, object_calls, store_calls};
use crate::architecture::sources;

/// What a client is called in the source.
const CLIENTS: [&str; 3] = ["client.", "reading.", "committing."];

/// `list_objects_v2` as Amazon spells it.
fn spelled(method: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    method.split('_').map(capital).collect()
}

/// The calls in a source: whatever is called on a client.
fn calls(code: &str) -> Vec<String> {
    let dense: String = code.split_whitespace().collect();
    let after = CLIENTS.iter().flat_map(|client| dense.split(client).skip(1));
    let methods = after.filter_map(|rest| Some(rest.split_once("()")?.0)).filter(|name| *name != "config");
    let is_name =
        |name: &&str| name.chars().all(|letter| letter.is_ascii_lowercase() || "_0123456789".contains(letter));
    methods.filter(is_name).map(spelled).collect()
}

#[test]
fn every_call_of_the_source_meets_faults() {
    let mut made = BTreeSet::new();
    for (name, code) in sources() {
        let found = calls(&code);
        let homes = ["store/dynamodb", "objects/s3", "kms", "keys/secrets_manager"];
        if homes.iter().any(|home| name.starts_with(home)) {
            // One that goes by a client of another name would be sent, and not found.
            assert_eq!(code.matches(".send()").count(), found.len(), "src/{name}.rs: {found:?}");
            made.extend(found);
        }
        // Sent without a client.
        made.extend(
            code.split("\"AmazonSSM.").skip(1).filter_map(|rest| rest.split_once('"')).map(|(call, _)| call.into()),
        );
    }
    let known =
        store_calls::CALLS.iter().chain(&object_calls::CALLS).chain(&key_calls::CALLS).map(|call| (*call).to_owned());
    assert_eq!(made, known.collect::<BTreeSet<_>>());
}

#[test]
fn the_reader_of_calls_sees_them() {
    let code = "self\n    .client\n    .list_objects_v2()\n    .send().await; let a = reading.get_item().send(); client.config();";
    assert_eq!(calls(code), ["ListObjectsV2", "GetItem"]);
}
