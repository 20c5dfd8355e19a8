//! What a command keeps for its next run: uploads and downloads under way,
//! and the claim keys of shares and of deliveries.
//!
//! Small files, each of them in `$XDG_STATE_HOME/cloakroom` or
//! `~/.local/state/cloakroom`, readable by their owner alone. Where there is no
//! home nothing is kept, and the next run begins anew.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    clock::{Clock, SystemClock},
    entropy::{Entropy, SystemEntropy},
};

/// Neither an upload nor the access of a share lives longer than a week.
const LONGEST_KEPT: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// One thing that is kept, whether it is there or not.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    file: Option<PathBuf>,
}

impl Kept {
    /// The place of what is known by these words, of this kind.
    pub(super) fn of(kind: &str, words: &[&str]) -> Self {
        // Hashed, for a link's token is among the words.
        let name = Sha256::digest(serde_json::json!(words).to_string());
        Self { file: folder().map(|folder| folder.join(kind).join(URL_SAFE_NO_PAD.encode(name) + ".json")) }
    }

    /// What it is kept under: a hash of the words.
    pub(super) fn name(&self) -> String {
        let name = self.file.as_ref().and_then(|file| file.file_name());
        name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// What was kept, if it can be read.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&fs::read(self.file.as_ref()?).ok()?).ok()
    }

    /// All that was added, as far as it can be read.
    pub(super) fn entries<T: DeserializeOwned>(&self) -> Vec<T> {
        let text = self.file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Adds this to what is kept. A power cut may undo it.
    pub(super) fn add(&self, entry: &impl Serialize) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if !file.exists() {
            make_room(file)?;
        }
        // In one write: several threads, and several programs, may add at a time.
        let line = serde_json::to_string(entry)? + "\n";
        OpenOptions::new().append(true).create(true).mode(0o600).open(file)?.write_all(line.as_bytes())
    }

    /// Keeps this, on the disk before it returns.
    pub(super) fn write(&self, value: &impl Serialize) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        make_room(file)?;
        let draft = file.with_extension(URL_SAFE_NO_PAD.encode((&SystemEntropy as &dyn Entropy).bytes::<9>()));
        let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        written.write_all(&serde_json::to_vec(value)?)?;
        written.sync_all()?;
        fs::rename(&draft, file)
    }

    /// Keeps it no longer.
    pub(super) fn forget(&self) {
        if let Some(file) = &self.file {
            // It may never have been there; and it would be forgotten in a week.
            let _ = fs::remove_file(file);
        }
    }
}

fn make_room(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        forget_old(folder);
    }
    Ok(())
}

fn folder() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("cloakroom"))
}

/// Clears away what ended without a word: it is of no use to anybody.
fn forget_old(folder: &Path) {
    let now = SystemClock::default().now();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let age = age.and_then(|modified| modified.duration_since(std::time::UNIX_EPOCH).ok());
        if age.is_some_and(|modified| modified + LONGEST_KEPT < Duration::from_millis(now.as_unix_millis())) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
