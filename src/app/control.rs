//! A socket in the data directory, by which commands of whoever owns that ask the broker that has the store open.
//!
//! One request a connection, one line each way, JSON. Who may open the socket is for the file system to say: it is in a folder of mode
//! 0700, and has mode 0600 itself.
//!
//! Never here: what anybody could ask for over the network.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::UnixStream as BlockingStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Notify,
};

use crate::{
    backup::{self, Manifest},
    service::Broker,
    store::embedded::EmbeddedStore,
};

/// Longer than any path.
const LONGEST: u64 = 16 * 1024;

/// A client that says nothing for so long is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// A backup in this folder, named from the root.
    Backup(PathBuf),
    /// Which root keys no row is vouched for with any more.
    UnusedKeys,
    /// To take the keys that there are now, at once.
    ReadKeys,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The backup that was made.
    Backup(Manifest),
    /// The names of such keys.
    UnusedKeys(Vec<String>),
    /// It will.
    Done,
    /// Why it was not done, for people.
    Fault(String),
}

fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("control")
}

/// The socket, which is gone with it.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Should this fail, the next start removes it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Opens the socket. The store's lock says that nobody else uses it.
pub(super) fn listen(data_dir: &Path) -> io::Result<Socket> {
    let path = socket(data_dir);
    match fs::remove_file(&path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(Socket { listener, path })
}

/// What commands are about.
pub(super) struct Controlled {
    pub(super) store: Arc<EmbeddedStore>,
    pub(super) data_dir: PathBuf,
    pub(super) broker: Broker,
    pub(super) read_keys: Arc<Notify>,
}

/// Answers one after the other, for ever.
pub(super) async fn answering(socket: Socket, controlled: Controlled) {
    loop {
        match socket.listener.accept().await {
            Ok((stream, _)) => {
                if let Err(fault) = controlled.hear(stream).await {
                    tracing::warn!(%fault, "a command on this machine was not answered");
                }
            }
            Err(fault) => {
                tracing::warn!(%fault, "commands on this machine cannot be answered");
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

impl Controlled {
    async fn hear(&self, stream: UnixStream) -> io::Result<()> {
        let (reading, mut writing) = stream.into_split();
        let mut line = String::new();
        let mut bounded = BufReader::new(reading.take(LONGEST));
        tokio::time::timeout(PATIENCE, bounded.read_line(&mut line)).await??;
        let answer = match serde_json::from_str(&line) {
            Ok(request) => self.answer(request).await.unwrap_or_else(Answer::Fault),
            Err(_) => Answer::Fault("the broker that runs is another version: it does not know this command".into()),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        writing.write_all(&text).await
    }

    async fn answer(&self, request: Request) -> Result<Answer, String> {
        match request {
            Request::Backup(folder) => self.backup(folder).await.map(Answer::Backup),
            Request::UnusedKeys => {
                let used = self.broker.rotation.known().used;
                let unused = used.into_iter().filter(|(_, is_used)| !is_used).map(|(name, _)| name);
                Ok(Answer::UnusedKeys(unused.collect()))
            }
            Request::ReadKeys => {
                self.read_keys.notify_one();
                Ok(Answer::Done)
            }
        }
    }

    async fn backup(&self, folder: PathBuf) -> Result<Manifest, String> {
        if !folder.is_absolute() {
            return Err("name the folder from the root".into());
        }
        let (store, data_dir, now) = (Arc::clone(&self.store), self.data_dir.clone(), self.broker.now());
        let made = tokio::task::spawn_blocking(move || backup::make(&store, &data_dir, &folder, now)).await;
        let manifest =
            made.map_err(|_| "it did not come to its end; the log says why")?.map_err(|fault| fault.to_string())?;
        tracing::info!(rows = manifest.rows, objects = manifest.objects, "a backup was made");
        Ok(manifest)
    }
}

/// Asks the broker that has the store of this data directory open; none where none does. Blocks, for as long as it takes.
///
/// # Errors
/// When it does not answer.
pub fn ask(data_dir: &Path, request: &Request) -> io::Result<Option<Answer>> {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = match BlockingStream::connect(socket(data_dir)) {
        Ok(stream) => stream,
        Err(fault) if matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(fault) => return Err(fault),
    };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(Some(serde_json::from_str(&answer)?))
}
