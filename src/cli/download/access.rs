//! What may be listed and downloaded: a share, or the caller's own vault.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    cli::{
        Failed,
        checksum::Told,
        claim::{Claim, Kind},
        client::{Client, all_pages, encoded, text},
        fault::{Fault, patiently},
        recipient::RecipientOptions,
    },
    domain::path::PathPin,
};

/// A right to list and to download.
pub(in crate::cli) struct Access {
    client: Client,
    is_share: bool,
}

/// A file as a server lists it.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Listed {
    pub(in crate::cli) path: String,
    pub(in crate::cli) size: u64,
    pub(in crate::cli) checksum: Option<Told>,
}

impl Access {
    /// Claims a share, or comes back to the claim that was made from here.
    pub(in crate::cli) fn of_share(link: &str, recipient: &RecipientOptions) -> Result<(Self, Value), Failed> {
        let (server, token) = link
            .split_once("/s#")
            .ok_or("this is not a whole share link: put it in quotes, and copy all of it, to the end")?;
        let claim = Claim::of(Kind::Share, Client::public(server), token, &[])?;
        let session = recipient.redeem(&claim).inspect_err(|failed| {
            let is_dead = failed.downcast_ref::<Fault>().is_some_and(|fault| fault.code == "dead_token");
            if claim.is_new() && is_dead {
                claim.forget();
            }
        })?;
        Ok((Self { client: claim.client(), is_share: true }, session))
    }

    /// The caller's own vault.
    pub(in crate::cli) fn of_vault(client: Client) -> Self {
        Self { client, is_share: false }
    }

    /// The server's URL.
    pub(super) fn server(&self) -> &str {
        self.client.url()
    }

    /// The files under a pin.
    pub(in crate::cli) fn list(&self, pin: &PathPin) -> Result<Vec<Listed>, Fault> {
        let route = if self.is_share { "/v1/session/objects" } else { "/v1/objects" };
        let prefix = encoded(&pin.listing_prefix());
        let files =
            all_pages(|cursor| patiently(|| self.client.get(&format!("{route}?limit=1000&prefix={prefix}{cursor}"))))?;
        let listed = |file: &Value| Listed {
            path: text(file, "path").to_owned(),
            size: file["size"].as_u64().unwrap_or_default(),
            checksum: Told::of(file),
        };
        Ok(files.iter().map(listed).collect())
    }

    /// URLs for several files at a time, each good for a minute; none for those
    /// that are better asked for alone, where it can be told why.
    pub(super) fn urls(&self, paths: &[&str]) -> Vec<Option<String>> {
        let signed = patiently(|| self.client.post("/v1/session/downloads/batch", &json!({ "paths": paths })));
        let items = signed.ok().and_then(|mut signed| signed["items"].as_array_mut().map(std::mem::take));
        let urls: HashMap<String, String> = items
            .into_iter()
            .flatten()
            .filter_map(|item| Some((item["path"].as_str()?.to_owned(), item["url"].as_str()?.to_owned())))
            .collect();
        paths.iter().map(|path| urls.get(*path).cloned()).collect()
    }

    /// Whether several files may be asked for at a time.
    pub(super) fn has_batches(&self) -> bool {
        self.is_share
    }

    /// A URL for one file, good for a minute.
    pub(super) fn url(&self, path: &str) -> Result<String, Fault> {
        let route = if self.is_share { "/v1/session/downloads" } else { "/v1/objects/downloads" };
        let signed = patiently(|| self.client.post(route, &json!({ "path": path })))?;
        Ok(text(&signed, "url").to_owned())
    }
}
