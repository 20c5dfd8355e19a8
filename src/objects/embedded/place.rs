//! Where an object lies, by its key.
//!
//! ```text
//! inbox/<tenant>/<mode>/<2 digits>/<name>       the first two digits of the name
//! vault/<tenant>/<mode>/obj_<6 digits>/<name>   the first six: a folder for each 4.7 hours
//! checkpoints/<tenant>/<mode>/<12 digits>/<name>   the first twelve: a folder for each 65,536 records
//! superseded/<tenant>/<mode>/<12 digits>/<name>    the first twelve: a folder for each minute or so
//! erased/<tenant>/<mode>/dsu_<2 digits>/<name>    the first two
//! hashed/<2 digits>/<2 digits>/<name>           the SHA-256 of any other key
//! ```
//!
//! The first five can be listed: their keys are made of what this server drew,
//! and nothing becomes a file name that has another character than `a` to `z`,
//! `0` to `9` and `_`. Names of one folder have one length, and the folders
//! between are named by how they begin, so that the order of the names is
//! that of the keys.

use std::{
    fs::{self, DirEntry},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use sha2::{Digest, Sha256};

use crate::{
    domain::{
        ids::{DataSubjectId, ObjectId, TenantId},
        instant::Instant,
    },
    objects::{ListedObject, ObjectFolder, ObjectKey},
};

use super::at_rest::AtRest;

/// As many as one page of S3 has.
const LONGEST_LIST: usize = 1000;

/// The path of an object, below the folder of all objects.
pub(super) fn path_of(key: &ObjectKey) -> PathBuf {
    listable(key.as_str()).unwrap_or_else(|| {
        let name = base16ct::lower::encode_string(&Sha256::digest(key.as_str()));
        Path::new("hashed").join(&name[..2]).join(&name[2..4]).join(name)
    })
}

/// Where an object lies, as an operator is told. The name of what is in an inbox is a secret.
pub(super) fn told(key: &ObjectKey) -> String {
    let path = path_of(key);
    let shown = if key.is_inbox() { path.parent().unwrap_or(&path) } else { &path };
    format!("objects/{}", shown.display())
}

/// The path of a key that can be listed, if it is one, to the letter.
fn listable(key: &str) -> Option<PathBuf> {
    let [kind, tenant, mode, name] = key.split('/').collect::<Vec<_>>().try_into().ok()?;
    let shard = match kind {
        "inbox" => is_secret(name).then(|| &name[..2])?,
        "vault" => name.parse::<ObjectId>().ok().map(|_| &name[..10])?,
        "checkpoints" => is_number(name).then(|| &name[..12])?,
        "erased" => name.parse::<DataSubjectId>().ok().map(|_| &name[..6])?,
        "superseded" => (name.len() == 32 && is_hexadecimal(name)).then(|| &name[..12])?,
        _ => return None,
    };
    let named = tenant.parse::<TenantId>().is_ok() && matches!(mode, "live" | "test");
    named.then(|| [kind, tenant, mode, shard, name].iter().collect())
}

fn is_secret(name: &str) -> bool {
    name.len() == 64 && is_hexadecimal(name)
}

fn is_number(name: &str) -> bool {
    name.len() == 16 && is_hexadecimal(name)
}

fn is_hexadecimal(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The objects of a folder in the order of their keys, after a key: at most 1,000.
/// They were created when their file was last written: a copy that shares the file
/// of its source is as old as that.
pub(super) fn list(objects: &Path, folder: ObjectFolder, after: Option<&ObjectKey>) -> io::Result<Vec<ListedObject>> {
    let prefix = folder.prefix();
    let after = after.map_or("", ObjectKey::as_str);
    let mut listed = Vec::new();
    for (shard, path) in sorted(&objects.join(&prefix))? {
        let begins = format!("{prefix}{shard}");
        if begins.as_str() < after && !after.starts_with(&begins) {
            continue;
        }
        for (name, path) in sorted(&path)? {
            let key = ObjectKey::in_folder(folder, &name);
            if key.as_str() > after
                && objects.join(path_of(&key)) == path
                && let Some((size, created_at)) = size_and_time(&path, folder.owner().is_some())?
            {
                listed.push(ListedObject { key, size, created_at });
            }
            if listed.len() == LONGEST_LIST {
                return Ok(listed);
            }
        }
    }
    Ok(listed)
}

/// What is in a folder, in order; nothing in one that is not there.
fn sorted(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let named = |entry: DirEntry| entry.file_name().into_string().ok().map(|name| (name, entry.path()));
    let mut found = entries.filter_map(|entry| entry.map(named).transpose()).collect::<io::Result<Vec<_>>>()?;
    found.sort_unstable();
    Ok(found)
}

/// Nothing when the object has gone meanwhile.
fn size_and_time(path: &Path, is_sealed: bool) -> io::Result<Option<(u64, Instant)>> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let since_epoch = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let created_at = Instant::from_unix_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX));
    Ok(Some((AtRest::size_of(is_sealed, found.len()), created_at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tenant::{Mode, Namespace};
    use crate::{crypto::file_key::OVERHEAD, objects::embedded::header};

    fn path(key: &str) -> String {
        path_of(&ObjectKey::from_sealed(key.into(), None)).to_str().unwrap().to_owned()
    }

    #[test]
    fn a_key_of_ours_lies_where_it_can_be_listed() {
        let (tenant, secret, id) =
            (format!("ten_{}", "0".repeat(32)), "ab".repeat(32), format!("obj_{}", "12".repeat(16)));
        assert_eq!(path(&format!("inbox/{tenant}/live/{secret}")), format!("inbox/{tenant}/live/ab/{secret}"));
        assert_eq!(path(&format!("vault/{tenant}/test/{id}")), format!("vault/{tenant}/test/obj_121212/{id}"));
    }

    #[test]
    fn of_any_other_key_no_letter_is_in_the_path() {
        let (tenant, secret) = (format!("ten_{}", "0".repeat(32)), "ab".repeat(32));
        let secret = secret.as_str();
        for key in [
            format!("artifact/{}/a/b.txt", "ab".repeat(20)),
            format!("inbox/{tenant}/live/{}", &secret[1..]),
            format!("inbox/{tenant}/live/{secret}/"),
            format!("inbox/{tenant}/live/../{secret}"),
            format!("inbox/{tenant}/live/{}..", &secret[2..]),
            format!("inbox/{tenant}/live/{}", secret.to_uppercase()),
            format!("inbox/{tenant}/other/{secret}"),
            format!("inbox/../live/{secret}"),
            format!("inbox/ten_{}/live/{secret}", "../".repeat(11)),
            format!("vault/{tenant}/live/{secret}"),
            format!("vault/{tenant}/live/obj_{}", "/".repeat(32)),
            format!("vault/{tenant}/live/upl_{}", "0".repeat(32)),
            format!("/inbox/{tenant}/live/{secret}"),
            format!("other/{tenant}/live/{secret}"),
            "..".into(),
            String::new(),
        ] {
            let path = path(&key);
            let name = base16ct::lower::encode_string(&Sha256::digest(&key));
            assert_eq!(path, format!("hashed/{}/{}/{name}", &name[..2], &name[2..4]), "{key}");
        }
    }

    #[test]
    fn a_list_has_a_thousand_objects_at_most_and_goes_on_after_them() {
        let objects = tempfile::tempdir().unwrap();
        let namespace = Namespace { tenant: TenantId::from_bytes([0; 16]), mode: Mode::Test };
        let key = |number: u16| {
            let mut id = [0; 16];
            // Over two folders.
            (id[0], id[14], id[15]) = ((number % 2) as u8, (number >> 8) as u8, number as u8);
            ObjectKey::vault(namespace, ObjectId::from_bytes(id))
        };
        let mut keys: Vec<_> = (0..1001).map(key).collect();
        keys.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        for key in &keys {
            let path = objects.path().join(path_of(key));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, [0; header::LENGTH + OVERHEAD + 1]).unwrap();
        }
        // What is no object of ours is passed over.
        let foreign = objects.path().join(path_of(&keys[0])).with_file_name("0");
        fs::write(foreign, b"").unwrap();

        let folder = ObjectFolder::Vault(namespace);
        let listed = |after| -> Vec<_> {
            let listed = list(objects.path(), folder, after).unwrap();
            assert!(listed.iter().all(|object| object.size == 1));
            listed.into_iter().map(|object| object.key).collect()
        };
        assert_eq!(listed(None), keys[..1000]);
        assert_eq!(listed(Some(&keys[999])), keys[1000..]);
        assert_eq!(listed(Some(&keys[498])), keys[499..]);
        assert_eq!(listed(Some(&keys[1000])), []);
    }
}
