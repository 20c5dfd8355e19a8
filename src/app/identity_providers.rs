//! Identity providers, from their settings and the files that these name.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::runtime::Handle;

use crate::{
    clock::Clock,
    config::{OidcClient, OidcConfig},
    crypto::secret::SecretText,
    oidc::{Client, PATIENCE, ProviderSettings, Providers},
};

/// The longest secret, in bytes.
const LONGEST_SECRET: usize = 4 * 1024;

/// Why a client's secret cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientSecretError {
    /// It cannot be read.
    #[error("the client secret {} cannot be read: {source}", file.display())]
    Unreadable {
        /// Where it should be.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is no secret.
    #[error("the client secret {} must be one line of 1 to 4096 visible ASCII characters", file.display())]
    Malformed {
        /// Where it is.
        file: PathBuf,
    },
}

/// The providers of the configuration. None of them is asked anything yet: one that is down keeps nobody from starting.
pub(super) fn of(config: &[OidcConfig], clock: &Arc<dyn Clock>) -> Result<Providers, ClientSecretError> {
    let settings = config.iter().map(settings).collect::<Result<_, _>>()?;
    Ok(Providers::new(settings, clock, &Handle::current()))
}

fn settings(config: &OidcConfig) -> Result<ProviderSettings, ClientSecretError> {
    Ok(ProviderSettings {
        name: config.name.clone(),
        issuer: config.issuer.clone(),
        location: config.location.clone(),
        audience: config.audience.clone(),
        client: config.client.as_ref().map(client).transpose()?,
        tenant: config.tenant,
        accepted_acr: config.accepted_acr.clone(),
        patience: PATIENCE,
    })
}

fn client(config: &OidcClient) -> Result<Client, ClientSecretError> {
    Ok(Client { id: config.id.clone(), secret: config.secret_file.as_deref().map(secret).transpose()? })
}

fn secret(file: &Path) -> Result<SecretText, ClientSecretError> {
    let text = fs::read_to_string(file)
        .map(SecretText::new)
        .map_err(|source| ClientSecretError::Unreadable { file: file.to_owned(), source })?;
    let line = text.expose();
    let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
    let visible = line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if line.is_empty() || line.len() > LONGEST_SECRET || !visible {
        return Err(ClientSecretError::Malformed { file: file.to_owned() });
    }
    Ok(SecretText::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        for right in ["hunter 2", "hunter 2\n", "hunter 2\r\n"] {
            fs::write(&file, right).unwrap();
            assert_eq!(secret(&file).unwrap().expose(), "hunter 2");
        }
        for wrong in ["", "\n", "hunter\n2", "h\u{fc}nter", "hunter2\n\n", &"x".repeat(4_097)] {
            fs::write(&file, wrong).unwrap();
            let fault = secret(&file).unwrap_err().to_string();
            assert!(fault.contains("one line") && !fault.contains("hunter"), "{fault}");
        }
        fs::remove_file(&file).unwrap();
        assert!(secret(&file).unwrap_err().to_string().contains("cannot be read"));
    }
}
