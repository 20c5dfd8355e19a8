//! TLS of our own: certificates from files, which are read again when they change.
//!
//! TLS 1.3 and 1.2, by rustls with ring. A certificate that cannot be used never replaces one that can: whoever renews
//! writes two files, and a connection may come in between.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Why a certificate cannot be used, and what to do. Nothing of a key is in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Everybody on this machine can read the key.
    #[error("the TLS key {} can be read by everybody (mode {mode:o}); run: chmod o= {}", file.display(), file.display())]
    Loose {
        /// Which file.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// There is no certificate in the file.
    #[error("{} is no certificate chain in PEM, the server's own first", .0.display())]
    NoCertificate(PathBuf),
    /// There is no key in the file.
    #[error("{} is no private key in PEM without a password", .0.display())]
    NoKey(PathBuf),
    /// They do not belong together, or are of a kind that is not known.
    #[error("{} and {} cannot be used together: {source}", certificate.display(), key.display())]
    Unusable {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with its key.
        key: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
}

/// A certificate as its files last gave one that could be used.
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    /// SHA-256 of what the files said when they were last read, usable or not.
    seen: Mutex<[u8; 32]>,
}

/// What was in both files.
struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Certificate {
    /// Reads a certificate chain and its key, both in PEM.
    ///
    /// # Errors
    /// When they cannot be read or used, or the key is not private.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let contents = Contents::read(&certificate, &key)?;
        let current = RwLock::new(Arc::new(contents.parse(&certificate, &key)?));
        Ok(Self { certificate, key, current, seen: Mutex::new(contents.digest()) })
    }

    /// Reads the files again; whether another certificate is shown from now on. After an error the old one is.
    ///
    /// # Errors
    /// As [`Self::load`]. Told once for what the files say, and not again until they say something else.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let contents = Contents::read(&self.certificate, &self.key)?;
        let digest = contents.digest();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, digest) == digest {
            return Ok(false);
        }
        let read = Arc::new(contents.parse(&self.certificate, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(true)
    }

    /// Reads the files again, and tells the operator what came of it.
    pub fn renew(&self) {
        let certificate = self.certificate.display();
        match self.reload() {
            Ok(true) => tracing::info!(%certificate, "another TLS certificate is shown from now on"),
            Ok(false) => {}
            Err(fault) => tracing::error!(%fault, "the TLS certificate was not renewed; the old one is kept"),
        }
    }

    /// How a listener speaks TLS with this certificate, whichever it is at the time.
    ///
    /// # Errors
    /// When rustls knows none of the versions.
    pub fn listening(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12])?;
        let shown: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        Ok(builder.with_no_client_auth().with_cert_resolver(shown))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    // Which host a request is for is asked of the request: one certificate names them all.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl Contents {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let unreadable = |file: &Path| {
            let file = file.to_owned();
            |source| TlsError::Unreadable { file, source }
        };
        let mut opened = File::open(key).map_err(unreadable(key))?;
        // A group may read it: that is how services are given a key.
        let mode = opened.metadata().map_err(unreadable(key))?.mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(TlsError::Loose { file: key.to_owned(), mode });
        }
        let mut bytes = Zeroizing::new(Vec::new());
        opened.read_to_end(&mut bytes).map_err(unreadable(key))?;
        Ok(Self { certificate: std::fs::read(certificate).map_err(unreadable(certificate))?, key: bytes })
    }

    fn digest(&self) -> [u8; 32] {
        let hash = Sha256::new().chain_update(self.certificate.len().to_be_bytes());
        hash.chain_update(&self.certificate).chain_update(&self.key).finalize().into()
    }

    fn parse(&self, certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| TlsError::NoCertificate(certificate.to_owned()))?;
        let private = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NoKey(key.to_owned()))?;
        let unusable = |source| TlsError::Unusable { certificate: certificate.to_owned(), key: key.to_owned(), source };
        CertifiedKey::from_der(chain, private, &provider()).map_err(unusable)
    }
}
