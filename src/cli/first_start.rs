//! The first start: a tenant, its admin key, a sample file, and what to try.

use std::{io::IsTerminal, path::Path};

use crate::{
    config::Config,
    crypto::secret::SecretText,
    domain::{
        ids::RequestId,
        lifetime,
        metadata::Metadata,
        path::{PathPin, VaultPath},
        permission::SharePermission,
        restrictions::Restrictions,
        share::Pins,
    },
    keys::file::write_new,
    service::{Asking, Broker, idempotency::Reply, shares::MintShare},
};

use super::Failed;

const SAMPLE_PATH: &str = "welcome.txt";

const SAMPLE: &str = "\
Welcome to Cloakroom.

You hand something over, you get a ticket, the ticket works once.
This file came to you over such a ticket. The link that brought you here
opens for nobody else any more; for you, in this browser, it stays open for
an hour.
";

/// The name of the file that takes the admin key where there is no terminal.
pub(super) const ADMIN_KEY_FILE: &str = "admin-key";

/// Makes what a newcomer needs; the answer says what to do with it. The key is
/// in it only for a terminal.
pub(super) async fn greeting(broker: &Broker, config: &Config) -> Result<String, Failed> {
    let created = broker.create_first_tenant("My organisation".into()).await?;
    let secret = created.admin_key.secret.expose().to_owned();
    if !std::io::stdout().is_terminal() {
        let file = hand_over(&config.data_dir, &secret)?;
        put_sample(broker, &created.admin_key.key).await?;
        return Ok(format!("Cloakroom is ready at {}. The admin API key is in {file}", broker.settings.public_url));
    }

    put_sample(broker, &created.admin_key.key).await?;
    let caller =
        broker.authenticate(&SecretText::new(secret.as_str()), Asking::here(RequestId::from_bytes([0; 16]))).await?;
    let share = MintShare {
        pins: Pins::new(vec![PathPin::parse(SAMPLE_PATH)?])?,
        permission: SharePermission::Read,
        expires_at: broker.now().plus(std::time::Duration::from_secs(lifetime::SHARE.default)),
        access_seconds: lifetime::SHARE_ACCESS.default,
        label: Some("first share".into()),
        metadata: Metadata::default(),
        message: None,
        not_before: None,
        redemptions: 1,
        restrictions: Restrictions::default(),
        recipients: None,
        allow_missing: false,
    };
    let minted = broker.mint_share(&caller, share, &Reply::unkept()).await?;
    let program = std::env::args().next().unwrap_or_else(|| "cloakroom".into());
    let url = &broker.settings.public_url;
    let link = format!("{url}/s#{}", minted.token.expose());
    let at = if url == "http://127.0.0.1:8080" { String::new() } else { format!("\n    export CLOAKROOM_URL={url}") };
    Ok(format!(
        "
Cloakroom is ready at {url}

  1. A share for you. It opens once, within 15 minutes:

    {link}

  2. Open it again in another browser, or a private window: it is refused.

  3. Your admin API key. It is shown this once; the next steps need it:
{at}
    export CLOAKROOM_API_KEY={secret}

  4. In another terminal, here:

    {program} upload README.md          # into the vault, under a cap
    {program} share README.md           # prints a link that opens once
    {program} redeem '<that link>'      # works here, and from then on nowhere else

  The API is described at {url}/docs, data is in {}, Ctrl-C stops.
",
        config.data_dir.display()
    ))
}

/// Writes the admin key where only the owner of the data directory can read it.
pub(super) fn hand_over(data_dir: &Path, secret: &str) -> Result<String, Failed> {
    let file = data_dir.join(ADMIN_KEY_FILE);
    write_new(&file, &format!("{secret}\n"))
        .map_err(|fault| format!("{}: {fault}; make another key with: cloakroom recover-admin", file.display()))?;
    Ok(file.display().to_string())
}

async fn put_sample(broker: &Broker, key: &crate::domain::principal::Principal) -> Result<(), Failed> {
    broker.put_sample(key.namespace, &VaultPath::parse(SAMPLE_PATH)?, SAMPLE).await?;
    Ok(())
}
