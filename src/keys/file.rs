//! The keys of a deployment in a file that only its owner can read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{domain::instant::Instant, entropy::Entropy};

use super::document::{KeyDocument, NotADocument, NotPossible};

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

/// The document in a file; none where there is no file.
///
/// # Errors
/// When the file is not private or not right.
pub fn read(file: &Path) -> Result<Option<KeyDocument>, KeyFileError> {
    let inaccessible = |source| KeyFileError::Inaccessible { file: file.to_owned(), source };
    let mut opened = match File::open(file) {
        Ok(opened) => opened,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(inaccessible(fault)),
    };
    // Of the file that is read, whatever its name leads to by now.
    let mode = opened.metadata().map_err(inaccessible)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Loose { file: file.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    opened.read_to_string(&mut text).map_err(inaccessible)?;
    KeyDocument::parse(&text).map(Some).map_err(|fault| malformed(file, &fault))
}

/// Makes keys, in a file that was not there.
///
/// # Errors
/// When it cannot be written. One that came to be meanwhile is somebody else's, and stays.
pub fn make(file: &Path, now: Instant, entropy: &dyn Entropy) -> Result<(), KeyFileError> {
    let inaccessible = |source| KeyFileError::Inaccessible { file: file.to_owned(), source };
    let unusable = |fault: NotPossible| inaccessible(io::Error::other(fault.to_string()));
    let document = KeyDocument::generate(now, entropy).map_err(unusable)?;
    write_new(file, &document.text().map_err(|fault| malformed(file, &fault))?).map_err(inaccessible)
}

/// Changes the document in a file. Of two who do so at the same time one waits for the other.
///
/// # Errors
/// When the file cannot be read or written; or else what `change` says.
pub fn change<T, E: From<KeyFileError>>(
    file: &Path,
    change: impl FnOnce(&mut KeyDocument) -> Result<T, E>,
) -> Result<T, E> {
    let inaccessible = |source| KeyFileError::Inaccessible { file: file.to_owned(), source };
    let mut options = OpenOptions::new();
    let lock = options.write(true).create(true).truncate(false).mode(0o600).open(beside(file, "lock"));
    let lock = lock.map_err(inaccessible)?;
    lock.lock().map_err(inaccessible)?;
    let mut document = read(file)?.ok_or_else(|| KeyFileError::Missing { file: file.to_owned() })?;
    let done = change(&mut document)?;
    let text = document.text().map_err(|fault| malformed(file, &fault))?;
    let replaced = write_partial(file, &text).and_then(|partial| {
        fs::rename(partial, file)?;
        File::open(folder(file))?.sync_all()
    });
    replaced.map_err(inaccessible)?;
    Ok(done)
}

fn malformed(file: &Path, fault: &NotADocument) -> KeyFileError {
    KeyFileError::Malformed { file: file.to_owned(), reason: fault.to_string() }
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file beside this one, for what is in the making.
fn beside(file: &Path, what: &str) -> PathBuf {
    folder(file).join(format!(".{}.{what}", file.file_name().unwrap_or_default().to_string_lossy()))
}

/// Writes a file with mode 0600 that is there whole or not at all, and is
/// never replaced.
///
/// # Errors
/// When it is there already, or cannot be written.
pub fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let partial = write_partial(file, text)?;
    fs::hard_link(&partial, file)?;
    fs::remove_file(&partial)?;
    File::open(folder(file))?.sync_all()
}

fn write_partial(file: &Path, text: &str) -> io::Result<PathBuf> {
    let partial = beside(file, "partial");
    // Left over from a start that was cut short; nobody has used it.
    match fs::remove_file(&partial) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()?;
    Ok(partial)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::{
        aws::Aws,
        crypto::{keyring::KeyKind, sealed::Purpose},
        entropy::SystemEntropy,
        keys::{
            Keys,
            place::{KeyPlace, KeysError},
            source::KeySource,
        },
    };

    const NOW: Instant = Instant::from_unix_seconds(1_800_000_000);

    /// As a broker does.
    fn load(file: &Path, create: bool) -> Result<Keys, KeyFileError> {
        let source = KeySource::File(file.to_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let loaded = runtime
            .block_on(async { KeyPlace::of(&source, &Aws::default()).await.load(create, NOW, &SystemEntropy).await });
        match loaded {
            Ok(document) => Ok(document.keys().unwrap()),
            Err(KeysError::File(fault)) => Err(fault),
            Err(fault) => panic!("{fault}"),
        }
    }

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("root-keys.json");
        (folder, file)
    }

    #[test]
    fn keys_are_made_once_and_found_again() {
        let (_folder, file) = fresh();
        let made = load(&file, true).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let found = load(&file, false).unwrap();
        let sealed = made.keyring.seal(Purpose::Cursor, b"x", &SystemEntropy).unwrap();
        assert!(found.keyring.open(Purpose::Cursor, &sealed).is_ok());
        assert!(!made.edge.replace(&found.edge));
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let (_folder, file) = fresh();
        load(&file, true).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let fault = load(&file, true).unwrap_err().to_string();
            assert!(fault.contains("chmod 600"), "{fault}");
        }
    }

    #[test]
    fn a_lost_file_is_not_replaced_in_silence() {
        let (_folder, file) = fresh();
        assert!(matches!(load(&file, false), Err(KeyFileError::Missing { .. })));
        assert!(!file.exists());
    }

    #[test]
    fn damage_is_named_without_secrets() {
        let (_folder, file) = fresh();
        load(&file, true).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        for damaged in [
            text.replace("\"format\": 2", "\"format\": 3"),
            text.replace("primary", "staged"),
            text[..text.len() / 2].to_owned(),
            text.replace("root_keys", "rot_keys"),
            String::new(),
        ] {
            fs::write(&file, damaged).unwrap();
            let fault = load(&file, false).unwrap_err();
            assert!(matches!(fault, KeyFileError::Malformed { .. }), "{fault}");
        }
    }

    #[test]
    fn what_a_crash_left_is_no_obstacle() {
        let (folder, file) = fresh();
        fs::write(folder.path().join(".root-keys.json.partial"), "half").unwrap();
        assert!(load(&file, true).is_ok());
    }

    #[test]
    fn of_those_who_change_it_at_once_each_finds_what_the_others_did() {
        let (folder, file) = fresh();
        load(&file, true).unwrap();
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    change(&file, |document| {
                        let staged = document.stage(KeyKind::Root, NOW, &SystemEntropy).unwrap();
                        document.promote(&staged, None, NOW).unwrap();
                        Ok::<_, KeyFileError>(())
                    })
                });
            }
        });
        let keys = read(&file).unwrap().unwrap().listed();
        assert_eq!(keys.iter().filter(|key| key.kind == KeyKind::Root).count(), 9);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        // What fails changes nothing, and leaves nothing but the lock.
        let before = fs::read(&file).unwrap();
        let failed = change(&file, |_| Err::<(), _>(KeyFileError::Missing { file: file.clone() }));
        assert!(failed.is_err() && fs::read(&file).unwrap() == before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
