//! What paths, pins and grants are drawn from, and the reference by which covering is judged: segment by segment.
//!
//! Never here: a call of what it is the reference for.

use cloakroom::domain::{
    path::{PathPin, VaultPath},
    permission::{Grants, PathGrant, Permission},
};
use proptest::{collection::vec, prelude::*, sample::select};

/// Names that begin alike, and alike but for what is not seen: so that near misses are common.
const NAMES: [&str; 8] = ["a", "a.pdf", "doc", "docs", "docs2", "docs.bak", "é", "e"];

/// A name that is in none of the drawn paths.
const FRESH: &str = "fresh";

pub(super) const PERMISSIONS: [Permission; 3] = [Permission::Read, Permission::Write, Permission::Admin];

/// The text of a path of one to four names.
pub(super) fn path() -> impl Strategy<Value = String> {
    vec(select(&NAMES[..]), 1..=4).prop_map(|names| names.join("/"))
}

/// The text of a pin: everything, a folder or a file.
pub(super) fn pin() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just("/".to_owned()), 4 => path().prop_map(|path| path + "/"), 4 => path()]
}

/// What a principal may do: up to five pins, each with a permission.
pub(super) fn grants() -> impl Strategy<Value = Vec<(String, Permission)>> {
    vec((pin(), select(&PERMISSIONS[..])), 0..=5)
}

pub(super) fn parsed_pin(text: &str) -> PathPin {
    PathPin::parse(text).unwrap()
}

pub(super) fn parsed_path(text: &str) -> VaultPath {
    VaultPath::parse(text).unwrap()
}

pub(super) fn parsed_grants(texts: &[(String, Permission)]) -> Grants {
    let grant =
        |(path, permission): &(String, Permission)| PathGrant { path: parsed_pin(path), permission: *permission };
    Grants(texts.iter().map(grant).collect())
}

/// Whether a pin covers a file, both as they are written.
pub(super) fn covers(pin: &str, path: &str) -> bool {
    let Some(folder) = pin.strip_suffix('/') else { return pin == path };
    let folder: Vec<_> = folder.split('/').filter(|name| !name.is_empty()).collect();
    let path: Vec<_> = path.split('/').collect();
    folder.len() < path.len() && folder.iter().zip(&path).all(|(wanted, found)| wanted == found)
}

/// A file that the pin covers and, if it is a folder, no other drawn pin does unless it covers all of that folder.
pub(super) fn witness(pin: &str) -> String {
    match pin {
        "/" => FRESH.to_owned(),
        folder if folder.ends_with('/') => format!("{folder}{FRESH}"),
        file => file.to_owned(),
    }
}

/// Whether somebody may do this to a file.
pub(super) fn may(grants: &[(String, Permission)], path: &str, permission: Permission) -> bool {
    grants.iter().any(|(pin, granted)| rank(*granted) >= rank(permission) && covers(pin, path))
}

pub(super) fn rank(permission: Permission) -> u8 {
    match permission {
        Permission::Read => 1,
        Permission::Write => 2,
        Permission::Admin => 3,
    }
}
