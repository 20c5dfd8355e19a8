//! A backup becomes a data directory again. What comes of it is not served before it is adopted: it is another store than the one
//! that was served last.

use std::{fs, path::Path};

use crate::store::embedded::EmbeddedStore;

use super::{
    BackupError, FORMAT, MANIFEST, Making, Manifest, OBJECTS, ROWS, create_private, io_at, objects, objects_of,
};

/// Puts a backup into a data directory in which there is no store. Cut off, it can be begun again. Blocks.
///
/// # Errors
/// When there is data already, the backup is damaged or incomplete, or something cannot be written.
pub fn restore(folder: &Path, data_dir: &Path) -> Result<Manifest, BackupError> {
    let manifest = manifest(folder)?;
    let no_backup = |reason: String| BackupError::NoBackup { folder: folder.to_owned(), reason };
    let there = objects::count(&folder.join(OBJECTS))?;
    if (there.objects, there.bytes) != (manifest.objects, manifest.bytes) {
        return Err(no_backup(format!(
            "it had {} objects of {} bytes, and has {} of {}",
            manifest.objects, manifest.bytes, there.objects, there.bytes
        )));
    }
    let (store, objects) = (data_dir.join("store"), objects_of(data_dir));
    // What a restoration has put there that was cut off is its own, and goes.
    let is_cut_off = Making::is_left(&store);
    if store.exists() || (!is_cut_off && objects::count(&objects)?.objects > 0) {
        return Err(BackupError::NotEmpty(data_dir.to_owned()));
    }
    if is_cut_off && objects.exists() {
        fs::remove_dir_all(&objects).map_err(io_at(&objects))?;
    }
    create_private(data_dir)?;
    let making = Making::beside(&store)?;
    let rows = EmbeddedStore::restore_rows(&making.0, &folder.join(ROWS))?;
    if rows != manifest.rows {
        return Err(no_backup(format!("it had {} rows, and has {rows}", manifest.rows)));
    }
    if let Err(fault) = objects::gather(&folder.join(OBJECTS), &objects) {
        // As long as it is there, it says whose these are.
        fs::remove_dir_all(&objects).map_err(io_at(&objects))?;
        return Err(fault);
    }
    // Last: a data directory with a store is a whole one.
    making.done(&store)?;
    Ok(manifest)
}

fn manifest(folder: &Path) -> Result<Manifest, BackupError> {
    let no_backup = |reason: String| BackupError::NoBackup { folder: folder.to_owned(), reason };
    let text = fs::read_to_string(folder.join(MANIFEST)).map_err(|fault| no_backup(format!("{MANIFEST}: {fault}")))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|fault| no_backup(fault.to_string()))?;
    match value["format"].as_u64() {
        Some(format) if format == u64::from(FORMAT) => {}
        found => {
            let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
            return Err(no_backup(format!("it has format {found}, and this program knows {FORMAT}")));
        }
    }
    serde_json::from_value(value).map_err(|fault| no_backup(fault.to_string()))
}
