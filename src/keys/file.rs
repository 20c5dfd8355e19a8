//! Root keys in a file that only its owner can read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    crypto::{
        edge_cookie::EdgeKey,
        keyring::{DeploymentId, KeyState, Keyring, Kid, RootKey},
    },
    entropy::Entropy,
};

use super::Keys;

/// What the file says it is; another number is another program's.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    deployment: String,
    root_keys: Vec<RootKeyEntry>,
    edge_key: EdgeKeyEntry,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootKeyEntry {
    kid: String,
    state: KeyState,
    secret: Zeroized,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgeKeyEntry {
    id: String,
    pkcs8: Zeroized,
}

/// A text in the file that is wiped from memory after use.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Zeroized(String);

impl Drop for Zeroized {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// Why the file cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Others can read it.
    #[error(
        "the key file {} can be read by others (mode {mode:o}); run: chmod 600 {}",
        file.display(), file.display()
    )]
    Loose {
        /// Which file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not there, though there is data sealed under its keys.
    #[error(
        "the key file {} is missing, and data cannot be read without it: restore it from your backup, give this \
         replica the file of the others, or, where there is no data yet, run cloakroom bootstrap",
        file.display()
    )]
    Missing {
        /// Which file.
        file: PathBuf,
    },
    /// It cannot be read or written.
    #[error("the key file {} cannot be used: {source}", file.display())]
    Inaccessible {
        /// Which file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It says something else than a key file does.
    #[error("the key file {} is not right: {reason}; restore it from your backup", file.display())]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// What is wrong, without any of its secrets.
        reason: String,
    },
}

/// Reads the keys; where there are none and `create` allows it, makes them.
///
/// # Errors
/// When the file is not there, not private or not right.
pub fn load(file: &Path, create: bool, entropy: &dyn Entropy) -> Result<Keys, KeyFileError> {
    let inaccessible = |source| KeyFileError::Inaccessible { file: file.to_owned(), source };
    let mut opened = match File::open(file) {
        Ok(opened) => opened,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound && create => {
            write_new(file, &generate(entropy).map_err(|reason| malformed(file, reason))?).map_err(inaccessible)?;
            File::open(file).map_err(inaccessible)?
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            return Err(KeyFileError::Missing { file: file.to_owned() });
        }
        Err(fault) => return Err(inaccessible(fault)),
    };
    // Of the file that is read, whatever its name leads to by now.
    let mode = opened.metadata().map_err(inaccessible)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Loose { file: file.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    opened.read_to_string(&mut text).map_err(inaccessible)?;
    // The parser's own message could repeat a secret.
    let document: Document =
        serde_json::from_str(&text).map_err(|fault| malformed(file, format!("line {}", fault.line())))?;
    parse(&document).map_err(|reason| malformed(file, reason))
}

fn malformed(file: &Path, reason: impl Into<String>) -> KeyFileError {
    KeyFileError::Malformed { file: file.to_owned(), reason: reason.into() }
}

fn generate(entropy: &dyn Entropy) -> Result<Zeroizing<String>, &'static str> {
    let root = RootKey::generate(KeyState::Primary, entropy);
    let pkcs8 = EdgeKey::generate_pkcs8().map_err(|_| "no edge key could be made")?;
    let document = Document {
        format: FORMAT,
        deployment: base16ct::lower::encode_string(&entropy.bytes::<16>()),
        root_keys: vec![RootKeyEntry {
            kid: root.kid.to_string(),
            state: root.state,
            secret: Zeroized(root.expose().to_string()),
        }],
        edge_key: EdgeKeyEntry {
            id: format!("K{}", base16ct::upper::encode_string(&entropy.bytes::<7>())),
            pkcs8: Zeroized(URL_SAFE_NO_PAD.encode(pkcs8.as_slice())),
        },
    };
    serde_json::to_string_pretty(&document).map(Zeroizing::new).map_err(|_| "it could not be written as JSON")
}

fn parse(document: &Document) -> Result<Keys, String> {
    if document.format != FORMAT {
        return Err(format!("it has format {}, this program knows {FORMAT}", document.format));
    }
    let mut deployment = [0; 16];
    let decoded = base16ct::lower::decode(&document.deployment, &mut deployment).map(<[u8]>::len);
    if decoded != Ok(16) {
        return Err("the deployment id is not 32 hexadecimal digits".into());
    }
    let mut keys = Vec::with_capacity(document.root_keys.len());
    for entry in &document.root_keys {
        let mut kid = [0; 4];
        if base16ct::lower::decode(&entry.kid, &mut kid).map(<[u8]>::len) != Ok(4) {
            return Err("a kid is not 8 hexadecimal digits".into());
        }
        let mut secret = Zeroizing::new([0; 32]);
        if URL_SAFE_NO_PAD.decode_slice(&entry.secret.0, secret.as_mut()) != Ok(32) {
            return Err(format!("the secret of {} is not 32 bytes in base64url", entry.kid));
        }
        keys.push(RootKey::new(Kid(kid), entry.state, secret));
    }
    let keyring = Keyring::new(DeploymentId(deployment), keys).map_err(|fault| fault.to_string())?;
    let pkcs8 = URL_SAFE_NO_PAD.decode(&document.edge_key.pkcs8.0).map(Zeroizing::new);
    let pkcs8 = pkcs8.map_err(|_| "the edge key is not base64url".to_owned())?;
    let edge = EdgeKey::from_pkcs8(&document.edge_key.id, &pkcs8).map_err(|fault| fault.to_string())?;
    Ok(Keys { keyring: Arc::new(keyring), edge: Arc::new(edge) })
}

/// Writes a file with mode 0600 that is there whole or not at all, and is
/// never replaced.
///
/// # Errors
/// When it is there already, or cannot be written.
pub fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let partial = folder.join(format!(".{}.partial", file.file_name().unwrap_or_default().to_string_lossy()));
    // Left over from a start that was cut short; nobody has used it.
    match fs::remove_file(&partial) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()?;
    fs::hard_link(&partial, file)?;
    fs::remove_file(&partial)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::{crypto::sealed::Purpose, entropy::SystemEntropy};

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("root-keys.json");
        (folder, file)
    }

    #[test]
    fn keys_are_made_once_and_found_again() {
        let (_folder, file) = fresh();
        let made = load(&file, true, &SystemEntropy).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let found = load(&file, false, &SystemEntropy).unwrap();
        let sealed = made.keyring.seal(Purpose::Cursor, b"x", &SystemEntropy).unwrap();
        assert!(found.keyring.open(Purpose::Cursor, &sealed).is_ok());
        assert_eq!(found.edge.public_key(), made.edge.public_key());
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let (_folder, file) = fresh();
        load(&file, true, &SystemEntropy).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let fault = load(&file, true, &SystemEntropy).unwrap_err().to_string();
            assert!(fault.contains("chmod 600"), "{fault}");
        }
    }

    #[test]
    fn a_lost_file_is_not_replaced_in_silence() {
        let (_folder, file) = fresh();
        assert!(matches!(load(&file, false, &SystemEntropy), Err(KeyFileError::Missing { .. })));
        assert!(!file.exists());
    }

    #[test]
    fn damage_is_named_without_secrets() {
        let (_folder, file) = fresh();
        load(&file, true, &SystemEntropy).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        for damaged in [
            text.replace("\"format\": 1", "\"format\": 2"),
            text.replace("primary", "staged"),
            text[..text.len() / 2].to_owned(),
            text.replace("root_keys", "rot_keys"),
            String::new(),
        ] {
            fs::write(&file, damaged).unwrap();
            let fault = load(&file, false, &SystemEntropy).unwrap_err();
            assert!(matches!(fault, KeyFileError::Malformed { .. }), "{fault}");
        }
    }

    #[test]
    fn what_a_crash_left_is_no_obstacle() {
        let (folder, file) = fresh();
        fs::write(folder.path().join(".root-keys.json.partial"), "half").unwrap();
        assert!(load(&file, true, &SystemEntropy).is_ok());
    }
}
