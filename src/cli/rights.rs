//! What keys and users may do, as it is typed and shown.

use serde_json::{Value, json};

use super::client::{cleaned, text};

/// A permission on a path.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    path: String,
    permission: String,
}

/// A grant as it is typed.
pub(super) fn grant(text: &str) -> Result<Grant, String> {
    let (path, permission) = text.rsplit_once('=').ok_or("write it as PATH=read, PATH=write or PATH=admin")?;
    Ok(Grant { path: path.to_owned(), permission: permission.to_owned() })
}

/// Grants as the API takes them.
pub(super) fn grants_of(grants: &[Grant]) -> Vec<Value> {
    grants.iter().map(|grant| json!({ "path": grant.path, "permission": grant.permission })).collect()
}

/// Grants of the API as they are typed.
pub(super) fn shown(grants: &Value) -> String {
    let grants = grants.as_array().into_iter().flatten();
    let grants: Vec<String> =
        grants.map(|grant| format!("{}={}", text(grant, "path"), text(grant, "permission"))).collect();
    cleaned(&grants.join(" "))
}

/// In a change, what is null is taken away, and what is left out stays.
pub(super) fn without_nulls(value: &Value) -> Value {
    let fields = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}
