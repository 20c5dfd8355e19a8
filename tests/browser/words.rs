//! Short words for what is shared.

use serde_json::json;

use crate::{api::harness::Minted, house::House};

impl House {
    /// Puts files into the vault, of a type that browsers save.
    #[track_caller]
    pub fn has(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            self.api.put_file(self.api.admin(), path, "application/octet-stream", text.as_bytes());
        }
    }

    /// A share of these paths.
    #[track_caller]
    pub fn shares(&self, permission: &str, paths: &[&str]) -> Minted {
        self.api.mint_as(self.api.admin(), &json!({ "paths": paths, "permission": permission }))
    }

    /// How many times something was claimed.
    pub fn claims(&self, kind: &str, id: &str) -> usize {
        self.api.happened(&format!("{kind}.claimed"), id)
    }
}
