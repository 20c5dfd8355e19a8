//! TLS of the broker's own: which certificates.

use std::path::PathBuf;

use super::{ConfigError, wrong};

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// With which certificates the two public listeners speak TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Of the API and its pages.
    pub api: CertificateFiles,
    /// Of user content: of the host itself and of all hosts below it.
    pub content: CertificateFiles,
}

impl TlsConfig {
    /// From the settings of the API and of the content; one certificate may name all hosts.
    pub(super) fn of(
        [certificate, key]: [Option<PathBuf>; 2],
        [content_certificate, content_key]: [Option<PathBuf>; 2],
    ) -> Result<Option<Self>, ConfigError> {
        let api = pair(["CLOAKROOM_TLS_CERTIFICATE", "CLOAKROOM_TLS_KEY"], certificate, key)?;
        let content =
            pair(["CLOAKROOM_CONTENT_TLS_CERTIFICATE", "CLOAKROOM_CONTENT_TLS_KEY"], content_certificate, content_key)?;
        match (api, content) {
            (Some(api), content) => Ok(Some(Self { content: content.unwrap_or_else(|| api.clone()), api })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(wrong(
                "CLOAKROOM_TLS_CERTIFICATE",
                "content over TLS needs pages over TLS: name their certificate, too",
            )),
        }
    }
}

fn pair(
    [of_certificate, of_key]: [&'static str; 2],
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<CertificateFiles>, ConfigError> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(wrong(of_key, format!("name the file with the key of {of_certificate}"))),
        (None, Some(_)) => Err(wrong(of_certificate, format!("name the file with the certificate of {of_key}"))),
    }
}
