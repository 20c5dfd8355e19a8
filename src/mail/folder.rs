//! Mails as files in a folder: for development, and for tests.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;

use super::{Letter, Mailer, NotSent, NotUsable};

/// Writes each mail into a file `….eml` that only its owner reads.
#[derive(Debug)]
pub struct FolderMailer {
    folder: PathBuf,
    written: AtomicU64,
}

impl FolderMailer {
    /// Into this folder, which is made where it is missing.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn new(folder: &Path) -> Result<Self, NotUsable> {
        use std::os::unix::fs::DirBuilderExt;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|fault| NotUsable(format!("CLOAKROOM_MAIL: {}: {fault}", folder.display())))?;
        Ok(Self { folder: folder.to_owned(), written: AtomicU64::new(0) })
    }
}

#[async_trait]
impl Mailer for FolderMailer {
    async fn send(&self, letter: &Letter) -> Result<(), NotSent> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let (name, bytes) = (format!("{number:06}-{}", letter.name()), letter.formatted());
        let (draft, whole) = (self.folder.join(format!("{name}.draft")), self.folder.join(format!("{name}.eml")));
        let write = move || {
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?.write_all(&bytes)?;
            // Whoever watches the folder sees whole mails only.
            std::fs::rename(&draft, &whole)
        };
        let written = tokio::task::spawn_blocking(write).await;
        let written = written.map_err(|fault| NotSent::Later(fault.to_string()))?;
        written.map_err(|fault| NotSent::Later(fault.to_string()))
    }
}
