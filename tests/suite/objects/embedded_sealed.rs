//! Files of tenants lie sealed on the disk: what is not as it was written is not served.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use cloakroom::{
    clock::SystemClock,
    crypto::{data_key::DataKey, file_key::CHUNK, keyring::Keyring},
    domain::ids::TenantId,
    entropy::SystemEntropy,
    objects::{
        ByteRange, CopyError, ObjectKey, ObjectStorage, SMALLEST_PART, Unavailable,
        embedded::{DataKeySource, EmbeddedStorage, Refused},
    },
};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::{
    bench::{Bench, KnownKeys, artifact, content_type, contract, inbox, keyring, namespace, send, vault},
    downloads::signed,
    embedded_files::files,
    parts::begun,
};
use cloakroom::objects::InboxSecret;

const CANARY: &[u8] = b"what nobody who has the disk is to read";
const HEAD: u64 = 512;
const SEALED_CHUNK: u64 = CHUNK as u64 + 28;

/// Three chunks, of which the last is short, with the canary in each.
fn content() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..2 * CHUNK + 1000).map(|at| (at % 249) as u8).collect();
    for at in [100, CHUNK + 100, 2 * CHUNK + 100] {
        bytes[at..at + CANARY.len()].copy_from_slice(CANARY);
    }
    bytes
}

fn read(bench: &Bench, key: &ObjectKey, range: Option<ByteRange>) -> Result<Vec<u8>, Unavailable> {
    let stream = bench.wait(bench.storage.read(key, range))?.unwrap();
    bench.wait(stream.try_collect::<Vec<_>>()).map(|pieces| pieces.concat())
}

fn the_file(folder: &Path) -> PathBuf {
    let [file] = files(&folder.join("objects")).try_into().unwrap();
    file
}

#[test]
fn nothing_of_a_tenants_file_lies_in_the_open() {
    let bench = Bench::embedded();
    let bytes = content();
    let kind = "application/x-canary";
    assert_eq!(send(&bench.sign_put(&contract(&bytes)), &bytes).status, 200);
    bench.put(&vault(), kind, &bytes);
    let upload = begun(&bench, false);
    upload.send(1, &bytes);
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    let hexadecimal = base16ct::lower::encode_string(&digest);
    let assert_sealed = |files_there: usize| {
        let found = files(bench.folder());
        assert_eq!(found.len(), files_there);
        for file in found {
            let stored = fs::read(&file).unwrap();
            for secret in [CANARY, kind.as_bytes(), &digest, hexadecimal.as_bytes(), &bytes[..64]] {
                assert!(!stored.windows(secret.len()).any(|window| window == secret), "{}", file.display());
            }
        }
    };
    // The parts are two files.
    assert_sealed(4);
    upload.complete_all().unwrap();
    assert_sealed(3);
    assert!(bench.bytes(&upload.key).unwrap() == bytes);
    // Whoever asks for a part of it gets that part.
    for (first, last) in [(0, 0), (CHUNK - 1, CHUNK), (CHUNK, 2 * CHUNK - 1), (2 * CHUNK + 999, 2 * CHUNK + 999)] {
        let range = ByteRange { first: first as u64, last: last as u64 };
        assert!(read(&bench, &upload.key, Some(range)).unwrap() == bytes[first..=last]);
    }
}

#[test]
fn a_change_anywhere_in_a_file_is_found_before_its_bytes_are_served() {
    let bench = Bench::embedded();
    let (key, bytes) = (vault(), content());
    bench.put(&key, "text/plain", &bytes);
    let path = the_file(bench.folder());
    let sound = fs::read(&path).unwrap();
    let places = [0, 7, 8, 30, 60, 71, 72, 100, 511].into_iter().chain((512..sound.len()).step_by(9_973));
    for at in places.chain([512, 524, sound.len() - 1]) {
        let mut changed = sound.clone();
        changed[at] ^= 1;
        fs::write(&path, &changed).unwrap();
        let pieces = bench.wait(bench.storage.read(&key, None)).map(Option::unwrap);
        let served = pieces.map(|stream| {
            bench.wait(stream.try_fold(0, async |sum, piece| {
                // What comes before the change may be served; it is what was stored.
                assert!(piece == bytes[sum..sum + piece.len()], "{at}");
                Ok(sum + piece.len())
            }))
        });
        // The operator is told which file it is.
        let fault = served.and_then(|served| served).unwrap_err().0;
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(fault.contains("damaged") && fault.ends_with(name), "{at}: {fault}");
    }
    // Whoever has a URL is told to come again, and nothing of why.
    fs::write(&path, &sound[1..]).unwrap();
    let answer = send(&signed(&bench, &key), b"");
    assert_eq!((answer.status, answer.header("retry-after")), (503, "2"), "{answer:?}");
    assert!(!String::from_utf8_lossy(&answer.body).contains("damaged"), "{answer:?}");
    fs::write(&path, &sound).unwrap();
    assert!(read(&bench, &key, None).unwrap() == bytes);
}

#[test]
fn chunks_that_change_places_are_not_served() {
    let bench = Bench::embedded();
    let (key, other, bytes) = (vault(), vault(), content());
    bench.put(&key, "text/plain", &bytes);
    let path = the_file(bench.folder());
    let sound = fs::read(&path).unwrap();
    let chunk = |number: u64| (HEAD + number * SEALED_CHUNK) as usize;
    let first = &sound[chunk(0)..chunk(1)];
    fs::File::options().write(true).open(&path).unwrap().write_all_at(first, HEAD + SEALED_CHUNK).unwrap();
    assert!(read(&bench, &key, None).is_err());
    // Of another file of the same tenant, at the same place.
    bench.put(&other, "text/plain", &bytes);
    let theirs = files(&bench.folder().join("objects")).into_iter().find(|file| *file != path).unwrap();
    fs::File::options().write(true).open(theirs).unwrap().write_all_at(first, HEAD).unwrap();
    assert!(read(&bench, &other, None).is_err());
    // One that was cut off, and one that was added.
    for changed in [&sound[..chunk(2)], &[&sound[..], first].concat()] {
        fs::write(&path, changed).unwrap();
        assert!(bench.wait(bench.storage.head(&key)).is_err());
    }
}

#[test]
fn a_file_of_one_tenant_is_none_of_another() {
    let bench = Bench::embedded();
    let theirs = ObjectKey::inbox(namespace(), InboxSecret([1; 32]));
    bench.put(&theirs, "text/plain", b"theirs");
    let file = the_file(bench.folder());
    let mine = vault();
    let etag = bench.put(&mine, "text/plain", b"mine").etag;
    let my_file = files(&bench.folder().join("objects")).into_iter().find(|other| *other != file).unwrap();
    fs::copy(&file, &my_file).unwrap();
    assert!(bench.wait(bench.storage.head(&mine)).is_err());
    // Nor among artifacts, whose names do not say whose they are.
    bench.wait(bench.storage.delete(&mine)).unwrap();
    let published = artifact("a.txt");
    bench.put(&published, "text/plain", b"mine");
    let my_file = files(&bench.folder().join("objects")).into_iter().find(|other| *other != file).unwrap();
    fs::remove_file(&my_file).unwrap();
    fs::hard_link(&file, &my_file).unwrap();
    assert!(bench.wait(bench.storage.read(&published, None)).is_err());
    // Nor does the broker copy it there.
    let etag_of_theirs = bench.wait(bench.storage.head(&theirs)).unwrap().unwrap().etag;
    for kind in ["text/plain", "text/html"] {
        let copied =
            bench.wait(bench.storage.copy(&theirs, &etag_of_theirs, &vault(), &content_type(kind), SMALLEST_PART));
        assert!(matches!(copied, Err(CopyError::Unavailable(_))), "{copied:?}");
    }
    assert_ne!(etag, etag_of_theirs);
}

/// What whoever can write the disk, and has no key, can make by themselves.
#[test]
fn no_file_in_the_open_passes_for_a_tenants() {
    let bench = Bench::embedded();
    let open = ObjectKey::checkpoint(namespace(), 7);
    bench.put(&open, "text/plain", CANARY);
    let made = the_file(bench.folder());
    assert!(fs::read(&made).unwrap().ends_with(CANARY));
    for key in [vault(), inbox(), artifact("a.txt")] {
        let etag = bench.put(&key, "text/plain", b"mine").etag;
        let mine = files(&bench.folder().join("objects")).into_iter().find(|other| *other != made).unwrap();
        fs::copy(&made, &mine).unwrap();
        assert!(bench.wait(bench.storage.head(&key)).is_err());
        assert!(bench.wait(bench.storage.read(&key, None)).is_err());
        let copied = bench.wait(bench.storage.copy(&key, &etag, &vault(), &content_type("text/plain"), SMALLEST_PART));
        assert!(matches!(copied, Err(CopyError::Unavailable(_))), "{copied:?}");
        bench.wait(bench.storage.delete(&key)).unwrap();
    }
    // Nor does one that is sealed pass for the broker's own.
    bench.put(&vault(), "text/plain", b"mine");
    let sealed = files(&bench.folder().join("objects")).into_iter().find(|other| *other != made).unwrap();
    fs::copy(sealed, made).unwrap();
    assert!(bench.wait(bench.storage.head(&open)).is_err());
}

/// Data keys that can be away.
struct SometimesAway(KnownKeys, AtomicBool);

#[async_trait]
impl DataKeySource for SometimesAway {
    async fn data_key(&self, tenant: TenantId) -> Result<Arc<DataKey>, Unavailable> {
        if self.1.load(Ordering::Relaxed) {
            return Err(Unavailable("the key is away".into()));
        }
        self.0.data_key(tenant).await
    }
}

#[tokio::test]
async fn without_the_key_nothing_is_read_or_written_and_everything_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let sealing: Arc<Keyring> = keyring();
    let keys = Arc::new(SometimesAway(KnownKeys(sealing.clone()), AtomicBool::new(false)));
    let clock = Arc::new(SystemClock::default());
    let storage =
        EmbeddedStorage::open(folder.path(), sealing, keys.clone(), clock, Arc::new(SystemEntropy), "http://x")
            .unwrap();
    let (kept, parts, bytes) = (vault(), inbox(), content());
    let etag = storage.put(&kept, &content_type("text/plain"), bytes.clone().into()).await.unwrap().etag;
    let upload = storage.begin_multipart(&parts, &content_type("text/plain"), false).await.unwrap();
    let contract = contract(&bytes);

    keys.1.store(true, Ordering::Relaxed);
    assert!(storage.head(&kept).await.is_err() && storage.read(&kept, None).await.is_err());
    // That there is something is seen all the same, so that it can be swept; and where nothing is, no key is wanted.
    assert!(storage.is_there(&kept).await.unwrap() && !storage.is_there(&vault()).await.unwrap());
    assert_eq!(storage.head(&vault()).await.unwrap(), None);
    assert!(storage.copy(&kept, &etag, &vault(), &content_type("text/plain"), SMALLEST_PART).await.is_err());
    assert!(matches!(storage.receive(contract.clone()).await, Err(Refused::Unavailable(_))));
    assert!(storage.begin_multipart(&parts, &content_type("text/plain"), false).await.is_err());
    assert!(storage.parts(&parts, &upload).await.is_err());
    assert!(storage.complete_multipart(&parts, &upload, &[]).await.is_err());
    storage.list(&cloakroom::objects::ObjectFolder::Vault(*super::bench::USUAL), None).await.unwrap();

    // It comes back, and all of it is as it was: the same upload is good.
    keys.1.store(false, Ordering::Relaxed);
    let mut incoming = storage.receive(contract).await.unwrap();
    incoming.write(&bytes).await.unwrap();
    incoming.finish().await.unwrap();
    assert_eq!(storage.parts(&parts, &upload).await.unwrap(), Some(Vec::new()));

    keys.1.store(true, Ordering::Relaxed);
    storage.abort_multipart(&parts, &upload).await.unwrap();
    storage.delete(&kept).await.unwrap();
    assert_eq!(files(&folder.path().join("parts")), Vec::<PathBuf>::new());
    assert_eq!(storage.head(&kept).await.unwrap(), None);
}
