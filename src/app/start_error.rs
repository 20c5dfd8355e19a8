//! Why a broker does not start, in words for whoever starts it.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{
    doctor::NotExamined, domain::standing::Standing, high_water::MarkError, keys::place::KeysError, kms::KmsFault,
    mail, scanner, service::rotation::NotTaken, store::embedded::OpenError, tls::TlsError,
};

use super::ClientSecretError;

/// Why the broker does not start, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("{setting}: cannot listen on {address}: {source}{}", hint(source))]
    Listen {
        /// The setting of the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("the data directory {} cannot be used: {source}", folder.display())]
    DataDirectory {
        /// Where it is.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// KMS does not let us use its key.
    #[error("CLOAKROOM_KMS_KEY: {0}")]
    Kms(#[from] KmsFault),
    /// The clock is behind what was seen before.
    #[error(transparent)]
    Clock(#[from] MarkError),
    /// The embedded store cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store does not answer.
    #[error(transparent)]
    Unreachable(#[from] crate::service::Error),
    /// S3 cannot be used.
    #[error(transparent)]
    S3(#[from] crate::objects::s3::NotUsable),
    /// It cannot be told whether the object storage enforces anything.
    #[error(transparent)]
    Examined(#[from] NotExamined),
    /// The object storage does not enforce what its URLs say.
    #[error("{0}")]
    Unenforced(String),
    /// The scanner cannot be used.
    #[error(transparent)]
    Scanner(#[from] scanner::NotUsable),
    /// Mail cannot be sent.
    #[error(transparent)]
    Mail(#[from] mail::NotUsable),
    /// An identity provider cannot be used.
    #[error(transparent)]
    IdentityProvider(#[from] ClientSecretError),
    /// A certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A key is retired that is still used.
    #[error(transparent)]
    RetiredKeys(#[from] NotTaken),
    /// The store is not the one that was served last.
    #[error("{}", not_served(*.0))]
    NotAdopted(Standing),
    /// The listeners cannot be served.
    #[error("the listeners cannot be served: {0}")]
    Serve(io::Error),
}

fn not_served(standing: Standing) -> &'static str {
    match standing {
        Standing::Newer => {
            "a newer Cloakroom has written to this store, in a form that this one does not know: start that one. There is no way \
             back but a backup from before"
        }
        Standing::Behind => {
            "the store is older than what was served last: it was restored from a backup, in which tokens that were used up or \
             revoked since would be good again. Nothing is served. See what there is: cloakroom adopt"
        }
        Standing::New | Standing::Same | Standing::Elsewhere => {
            "the store is not where it was: it was moved, copied, or restored from a backup, in which tokens that were used up or \
             revoked since would be good again. Nothing is served. See what there is: cloakroom adopt"
        }
    }
}

fn hint(fault: &io::Error) -> &'static str {
    match fault.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program, perhaps another Cloakroom, has this port: stop it, or choose another with --listen, \
             --content-listen and --ops-listen"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need special rights: choose a higher one",
        _ => "",
    }
}
