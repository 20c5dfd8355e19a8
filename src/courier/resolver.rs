//! From a name to addresses that were judged: those and no others are connected to, so that no second look at the name can
//! come to something else.

use std::{
    fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, mpsc},
    thread,
};

use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

use crate::domain::webhook::Reachable;

/// ureq keeps no more.
const MOST_ADDRESSES: usize = 16;

/// A name leads to where nothing is sent.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("an address that nothing is sent to")]
pub(super) struct NotAllowed;

/// Asks for the addresses of a name.
pub trait Names: Send + Sync + 'static {
    /// All addresses of a host, with this port. May take its time.
    ///
    /// # Errors
    /// When there is no answer, or none of that name.
    fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// As this machine resolves names.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port).to_socket_addrs()?.collect())
    }
}

/// Gives out addresses only where all of a name may be gone to.
pub(super) struct Guarded {
    pub(super) names: Arc<dyn Names>,
    pub(super) reachable: Arc<Reachable>,
    pub(super) is_encrypted: bool,
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded(…)")
    }
}

impl Resolver for Guarded {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if self.is_encrypted { 443 } else { 80 });
        // Resolving cannot be given up, but waiting for it can.
        let (tell, told) = mpsc::sync_channel(1);
        let names = Arc::clone(&self.names);
        thread::spawn(move || tell.send(names.lookup(&host, port)));
        let found = told.recv_timeout(*timeout.after).map_err(|_| Error::Timeout(timeout.reason))?;
        let found = found.map_err(|_| Error::HostNotFound)?;
        // One that may not be gone to shows what the others are for.
        if !found.iter().all(|found| self.reachable.allows(found.ip(), self.is_encrypted)) {
            return Err(Error::Io(io::Error::other(NotAllowed)));
        }
        let mut addresses = self.empty();
        found.into_iter().take(MOST_ADDRESSES).for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}
