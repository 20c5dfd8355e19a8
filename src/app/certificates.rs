//! Certificates of the public listeners: read before anything is bound, and again from time to time.

use std::sync::Arc;

use crate::{
    config::{CertificateFiles, TlsConfig},
    http::server::Bound,
    tls::{Certificate, TlsError},
};

use super::StartError;

/// The certificates of the API and of user content, perhaps one for both; none without TLS of our own.
#[derive(Clone, Debug)]
pub(super) struct Certificates(Option<[Arc<Certificate>; 2]>);

impl Certificates {
    /// Reads them.
    pub(super) fn load(config: Option<&TlsConfig>) -> Result<Self, TlsError> {
        let load = |files: &CertificateFiles| Certificate::load(&files.certificate, &files.key).map(Arc::new);
        let Some(TlsConfig { api, content }) = config else { return Ok(Self(None)) };
        let of_api = load(api)?;
        let of_content = if content == api { Arc::clone(&of_api) } else { load(content)? };
        Ok(Self(Some([of_api, of_content])))
    }

    /// Whether there are any.
    pub(super) fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// Has the public listeners speak TLS. The operator's is for this machine and its neighbours.
    pub(super) fn show(&self, [api, content, ops]: [Bound; 3]) -> Result<[Bound; 3], StartError> {
        let Some([of_api, of_content]) = &self.0 else { return Ok([api, content, ops]) };
        let speaking = |certificate: &Arc<Certificate>| {
            certificate.listening().map_err(|fault| StartError::Serve(std::io::Error::other(fault)))
        };
        Ok([api.over_tls(speaking(of_api)?), content.over_tls(speaking(of_content)?), ops])
    }

    /// Reads them again where their files have changed.
    pub(super) fn renew(&self) {
        // One that is used twice is found unchanged the second time.
        for certificate in self.0.iter().flatten() {
            certificate.renew();
        }
    }
}
