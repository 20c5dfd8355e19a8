//! `cloakroom bootstrap` and `cloakroom recover-admin`: keys that only somebody
//! with the data directory, or the cloud account, can make.

use std::io::IsTerminal;

use crate::{
    app::{self, MissingKeys},
    config::{Config, Given},
};

use super::{
    Failed,
    first_start::{ADMIN_KEY_FILE, hand_over},
    remark, runtime, say,
};

pub(super) fn first(given: Given) -> Result<(), Failed> {
    let config = given.complete()?;
    runtime()?.block_on(async {
        let parts = open(&config, MissingKeys::Make).await?;
        parts.check_standing().await?;
        if parts.broker.first_tenant().await?.is_some() {
            return Err("there is a tenant already; if its admin key is lost: cloakroom recover-admin".into());
        }
        let created = parts.broker.create_first_tenant("My organisation".into()).await?;
        show(&config, created.admin_key.secret.expose())?;
        parts.close().await;
        Ok(())
    })
}

pub(super) fn recover(given: Given) -> Result<(), Failed> {
    let config = given.complete()?;
    runtime()?.block_on(async {
        let parts = open(&config, MissingKeys::Make).await?;
        parts.check_standing().await?;
        if parts.broker.first_tenant().await?.is_none() {
            return Err("there is no tenant yet: start the broker, or run cloakroom bootstrap".into());
        }
        let created = parts.broker.recover_operator().await?;
        show(&config, created.secret.expose())?;
        remark(format!("{} was made; revoke the lost key with: cloakroom api-key revoke", created.key.id));
        parts.close().await;
        Ok(())
    })
}

pub(super) async fn open(config: &Config, missing_keys: MissingKeys) -> Result<app::Parts, Failed> {
    // No link is made from these addresses here.
    let public_url = config.public_url.clone().unwrap_or_else(|| format!("{}://{}", config.scheme(), config.listen));
    let content_url = config.content_url.clone();
    let content_url = content_url.unwrap_or_else(|| format!("http://localhost:{}", config.content_listen.port()));
    Ok(app::open(config, public_url, &content_url, missing_keys).await?)
}

/// On a terminal only; else into a file, and never over another key.
fn show(config: &Config, secret: &str) -> Result<(), Failed> {
    if std::io::stdout().is_terminal() {
        return say(format!("The admin API key, shown this once:\n\n  {secret}\n"));
    }
    match std::fs::remove_file(config.data_dir.join(ADMIN_KEY_FILE)) {
        Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(fault.into()),
        _ => {}
    }
    let file = hand_over(&config.data_dir, secret)?;
    remark(format!("The admin API key is in {file}"));
    Ok(())
}
