//! What the embedded storage does to its folder.

use std::{
    fs::{self, OpenOptions},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use cloakroom::objects::{CopyError, ObjectKey, ObjectStorage, SMALLEST_PART, embedded::Refused};

use sha2::{Digest, Sha256};

use super::bench::{Bench, artifact, content_type, contract, inbox, open_embedded, send, vault};

const BYTES: &[u8] = b"what is stored";

pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(bench: &Bench, from: &ObjectKey, to: &ObjectKey, kind: &str) {
    let etag = bench.wait(bench.storage.head(from)).unwrap().unwrap().etag;
    bench.wait(bench.storage.copy(from, &etag, to, &content_type(kind), SMALLEST_PART)).unwrap();
}

#[test]
fn no_text_of_a_client_reaches_the_file_system() {
    let bench = Bench::embedded();
    let contract = contract(BYTES);
    assert_eq!(send(&bench.sign_put(&contract), BYTES).status, 200);
    bench.put(&artifact("secret/name.txt"), "text/plain", BYTES);
    let paths = files(bench.folder());
    let relative = |path: &PathBuf| path.strip_prefix(bench.folder()).unwrap().to_str().unwrap().to_owned();
    let [hashed, uploaded] = &paths.iter().map(relative).collect::<Vec<_>>()[..] else { panic!("{paths:?}") };
    let name = hashed.rsplit('/').next().unwrap();
    assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hashed}");
    assert_eq!(*hashed, format!("objects/hashed/{}/{}/{name}", &name[..2], &name[2..4]));
    let (namespace, name) = contract.key.as_str().rsplit_once('/').unwrap();
    assert_eq!(*uploaded, format!("objects/{namespace}/{}/{name}", &name[..2]));
    for path in paths {
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != bench.folder()) {
            assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o700);
        }
    }
    assert_eq!(fs::metadata(bench.folder().join("objects")).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_copy_of_the_same_type_is_the_same_file_and_of_another_type_another() {
    let bench = Bench::embedded();
    let from = inbox();
    bench.put(&from, "text/plain", BYTES);
    copy(&bench, &from, &vault(), "text/plain");
    let inodes = |bench: &Bench| {
        let mut all: Vec<_> = files(bench.folder()).iter().map(|path| fs::metadata(path).unwrap().ino()).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    };
    assert_eq!((files(bench.folder()).len(), inodes(&bench)), (2, 1));
    copy(&bench, &from, &vault(), "text/html");
    assert_eq!((files(bench.folder()).len(), inodes(&bench)), (3, 2));
    // Writing the source again leaves its copies alone.
    bench.put(&from, "text/plain", b"else");
    assert_eq!((files(bench.folder()).len(), inodes(&bench)), (3, 3));
}

#[test]
fn nothing_temporary_stays() {
    let bench = Bench::embedded();
    let (from, to) = (inbox(), vault());
    bench.put(&from, "text/plain", BYTES);
    copy(&bench, &from, &to, "text/plain");
    copy(&bench, &from, &to, "text/plain");
    let contract = contract(BYTES);
    let signed = bench.sign_put(&contract);
    for (bytes, status) in [(&BYTES[1..], 400), (&b"WHAT IS STORED"[..], 400), (BYTES, 200), (BYTES, 412)] {
        assert_eq!(send(&signed, bytes).status, status);
    }
    assert_eq!(files(&bench.folder().join("incoming")), Vec::<PathBuf>::new());
}

#[test]
fn what_a_crash_left_is_removed_and_what_was_stored_stays() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let key = vault();
    let storage = open_embedded(folder.path(), "http://x");
    let facts = runtime.block_on(storage.put(&key, &content_type("text/plain"), BYTES.into())).unwrap();
    drop(storage);
    fs::write(folder.path().join("incoming/left"), b"half").unwrap();
    let storage = open_embedded(folder.path(), "http://x");
    assert_eq!(runtime.block_on(storage.head(&key)).unwrap(), Some(facts));
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn a_damaged_file_is_never_served() {
    let damages: [fn(&mut fs::File); 5] = [
        |file| file.set_len(511).unwrap(),
        |file| file.set_len(512 + 13).unwrap(),
        |file| file.set_len(512 + 15).unwrap(),
        |file| file.write_all(b"X").unwrap(),
        |file| {
            // The size, as if the file had fewer bytes.
            file.seek(SeekFrom::Start(15)).unwrap();
            file.write_all(&[13]).unwrap();
            file.set_len(512 + 13).unwrap();
        },
    ];
    for (nth, damage) in damages.into_iter().enumerate() {
        let bench = Bench::embedded();
        let key = vault();
        let etag = bench.put(&key, "text/plain", BYTES).etag;
        let [path] = files(bench.folder()).try_into().unwrap();
        damage(&mut OpenOptions::new().write(true).open(path).unwrap());
        assert!(bench.wait(bench.storage.head(&key)).is_err(), "{nth}");
        assert!(bench.wait(bench.storage.read(&key, None)).is_err(), "{nth}");
        for kind in ["text/plain", "text/html"] {
            let copied = bench.wait(bench.storage.copy(&key, &etag, &vault(), &content_type(kind), SMALLEST_PART));
            assert!(matches!(copied, Err(CopyError::Unavailable(_))), "{nth} {copied:?}");
        }
        bench.wait(bench.storage.delete(&key)).unwrap();
        assert_eq!(bench.wait(bench.storage.head(&key)).unwrap(), None);
    }
}

#[test]
fn a_reader_keeps_what_it_began_to_read() {
    let bench = Bench::embedded();
    let key = vault();
    bench.put(&key, "text/plain", BYTES);
    let stream = bench.wait(bench.storage.read(&key, None)).unwrap().unwrap();
    bench.put(&key, "text/plain", b"else");
    bench.wait(bench.storage.delete(&key)).unwrap();
    let pieces: Vec<_> = bench.wait(futures_util::TryStreamExt::try_collect(stream)).unwrap();
    assert_eq!(pieces.concat(), BYTES);
}

#[test]
fn bytes_beyond_the_contract_never_reach_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open_embedded(folder.path(), "http://x");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let contract = contract(BYTES);
        let mut incoming = storage.receive(contract.clone()).await.unwrap();
        incoming.write(BYTES).await.unwrap();
        assert!(matches!(incoming.write(b"!").await, Err(Refused::Size)));
        assert!(matches!(incoming.finish().await, Err(Refused::Size)));
        assert_eq!(storage.head(&contract.key).await.unwrap(), None);
    });
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_settled_key_stays_closed_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let contract = contract(BYTES);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let storage = open_embedded(folder.path(), "http://x");
        let mut incoming = storage.receive(contract.clone()).await.unwrap();
        incoming.write(BYTES).await.unwrap();
        incoming.finish().await.unwrap();
        storage.delete(&contract.key).await.unwrap();
        drop(storage);
        let storage = open_embedded(folder.path(), "http://x");
        assert!(matches!(storage.receive(contract.clone()).await, Err(Refused::Taken)));
        assert!(storage.receive(super::bench::contract(BYTES)).await.is_ok());
    });
    let [path] = files(folder.path()).try_into().unwrap();
    let name = base16ct::lower::encode_string(&Sha256::digest(contract.key.as_str()));
    assert_eq!(path, folder.path().join("settled").join(name));
}
