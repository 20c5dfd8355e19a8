//! Short words for what the tests share: what owners make, and what everybody needs.

use serde_json::{Value, json};

use crate::{
    api::harness::{Minted, text},
    browser::Browser,
    delivery::words::Published,
    house::House,
};

/// A name of another language's direction, with markup in it.
pub const HOSTILE: &str = "\"><img src=x onerror=alert(1)> 🎭 שלום & 'ü'";

impl House {
    /// The secret of the first tenant's admin key.
    pub fn admin(&self) -> &str {
        self.api.admin()
    }

    /// Puts files into the vault, of a type that browsers save.
    #[track_caller]
    pub fn has(&self, files: &[(&str, &str)]) {
        for (path, content) in files {
            self.api.put_file(self.admin(), path, "application/octet-stream", content.as_bytes());
        }
    }

    /// A share of these paths.
    #[track_caller]
    pub fn shares(&self, permission: &str, paths: &[&str]) -> Minted {
        let body = json!({ "paths": paths, "permission": permission, "allow_missing": true });
        self.api.mint_as(self.admin(), &body)
    }

    /// A site of these files, each with its type, and its origin.
    #[track_caller]
    pub fn publishes(&self, folder: &str, files: &[(&str, &str, &str)]) -> Published {
        for (name, kind, content) in files {
            self.api.put_file(self.admin(), &format!("{folder}{name}"), kind, content.as_bytes());
        }
        self.api.publish(self.admin(), &[folder])
    }

    /// A site of one page, and a link to it.
    #[track_caller]
    pub fn links(&self, more: Value) -> Minted {
        let site = self
            .publishes("site/", &[("index.html", "text/html", "<!doctype html><title>Site</title><p id=site>hello")]);
        self.api.link(self.admin(), &site.id, more)
    }

    /// A request for files, for the folder `incoming/`.
    #[track_caller]
    pub fn asks(&self, more: Value) -> Minted {
        let mut body = json!({ "folder": "incoming/" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.api.post(self.admin(), "/v1/file-requests", &body).expect(201);
        Minted { id: text(&made, "id"), token: text(&made, "token"), url: text(&made, "url") }
    }

    /// How many times something was claimed: a `share`, a `link`.
    pub fn claims(&self, kind: &str, id: &str) -> usize {
        self.api.happened(&format!("{kind}.claimed"), id)
    }

    /// What was delivered, without the name of the delivery's own folder.
    pub fn delivered(&self) -> Vec<String> {
        let vault = self.api.vault(self.admin());
        let incoming = vault.iter().filter_map(|path| path.strip_prefix("incoming/")?.split_once('/'));
        incoming.map(|(_, name)| name.to_owned()).collect()
    }
}

impl Browser {
    /// The names of the files that are listed.
    #[track_caller]
    pub fn listed(&self) -> Vec<String> {
        self.until("files are listed", "return document.querySelector('[data-slot=files] .name') !== null");
        let mut names = self.texts("[data-slot=files] .name");
        names.sort();
        names
    }

    /// Opens a folder that is listed.
    #[track_caller]
    pub fn enters(&self, name: &str) {
        let end = json!(format!("{name}/"));
        self.clicks(&format!("[data-slot=files] [data-path$={end}] [data-do=entry]"));
        self.until("the folder is shown", &format!("return decodeURIComponent(location.hash).endsWith({end})"));
    }

    /// Clicks on the download of a file that is listed.
    #[track_caller]
    pub fn downloads(&self, name: &str) {
        self.clicks(&format!("[data-slot=files] button[aria-label$={}]", json!(format!(" {name}"))));
    }

    /// Sends a file of this machine, once the page offers that.
    #[track_caller]
    pub fn sends(&self, name: &str, bytes: &[u8]) {
        let file = self.has_file(name, bytes);
        self.chooses("[data-view]:not([hidden]) [data-do=choose]", "#chosen", file.to_str().unwrap());
    }
}
