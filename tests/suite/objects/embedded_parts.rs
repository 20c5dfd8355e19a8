//! What the embedded storage does to its folder for uploads in parts: through
//! restarts, late writers and damage.

use std::{
    cell::Cell,
    fs::{self, OpenOptions},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    task::{Context, Poll, Waker},
    time::Duration,
};

use cloakroom::{
    clock::ManualClock,
    objects::{
        Checksum, CompleteError, MultipartId, ObjectKey, ObjectStorage, PartContract, SMALLEST_PART, StoredPart,
        embedded::{EmbeddedStorage, Refused},
    },
};
use sha2::{Digest, Sha256};

use super::{
    bench::{content_type, inbox, now, open_embedded, open_embedded_with},
    parts::{bytes, three},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The name of the folder of an upload.
fn name_of(id: &MultipartId) -> String {
    base16ct::lower::encode_string(&Sha256::digest(&id.0))
}

/// The folder of the one upload that is under way.
pub fn folder_of_upload(folder: &Path) -> Option<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder.join("parts")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(found.len() <= 1, "{found:?}");
    found.pop()
}

/// A storage without a listener, which can be closed and opened again.
struct Alone {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    storage: Option<EmbeddedStorage>,
    key: ObjectKey,
    id: MultipartId,
}

impl Alone {
    fn begun() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (storage, key) = (open_embedded(folder.path(), "http://x"), inbox());
        let id = runtime.block_on(storage.begin_multipart(&key, &content_type("text/csv"), false)).unwrap();
        Self { folder, runtime, storage: Some(storage), key, id }
    }

    fn restart(&mut self) {
        self.storage = None;
        self.storage = Some(open_embedded(self.folder.path(), "http://x"));
    }

    fn storage(&self) -> &EmbeddedStorage {
        self.storage.as_ref().unwrap()
    }

    fn contract(&self, number: u32, size: usize) -> PartContract {
        PartContract {
            key: self.key.clone(),
            upload: self.id.clone(),
            number,
            part_size: SMALLEST_PART,
            size: size as u64,
            sha256: None,
            expires_at: now(),
        }
    }

    async fn receive(&self, number: u32, bytes: &[u8]) -> Result<(), Refused> {
        let mut incoming = self.storage().receive_part(self.contract(number, bytes.len())).await?;
        for piece in bytes.chunks(100_000) {
            incoming.write(piece).await?;
        }
        incoming.finish().await.map(drop)
    }

    async fn parts(&self) -> Option<Vec<StoredPart>> {
        self.storage().parts(&self.key, &self.id).await.unwrap()
    }

    async fn complete(&self) -> Result<(), CompleteError> {
        let parts = self.parts().await.unwrap_or_default();
        self.storage().complete_multipart(&self.key, &self.id, &parts).await
    }

    fn file(&self, name: &str) -> PathBuf {
        folder_of_upload(self.folder.path()).unwrap().join(name)
    }

    /// The bytes of the object, held against the checksum in its header.
    async fn object(&self) -> Option<Vec<u8>> {
        let stream = self.storage().read(&self.key, None).await.unwrap()?;
        let bytes = futures_util::TryStreamExt::try_collect::<Vec<_>>(stream).await.unwrap().concat();
        let facts = self.storage().head(&self.key).await.unwrap().unwrap();
        assert_eq!(facts.checksum, Some(Checksum::Full(Sha256::digest(&bytes).into())));
        Some(bytes)
    }
}

#[test]
fn an_upload_survives_a_restart() {
    let (mut alone, sent) = (Alone::begun(), three());
    alone.runtime.block_on(alone.receive(3, &sent[2])).unwrap();
    alone.runtime.block_on(alone.receive(1, &sent[0])).unwrap();
    let before = alone.runtime.block_on(alone.parts());
    alone.restart();
    assert_eq!(alone.runtime.block_on(alone.parts()), before);
    assert_eq!(before.unwrap().len(), 2);
    alone.runtime.block_on(alone.receive(2, &sent[1])).unwrap();
    alone.restart();
    alone.runtime.block_on(alone.complete()).unwrap();
    alone.restart();
    alone.runtime.block_on(async {
        let facts = alone.storage().head(&alone.key).await.unwrap().unwrap();
        assert_eq!(facts.content_type, content_type("text/csv"));
        assert!(alone.object().await.unwrap() == sent.concat());
    });
    assert_eq!(folder_of_upload(alone.folder.path()), None);
}

#[test]
fn an_upload_is_a_folder_named_by_no_client() {
    let alone = Alone::begun();
    let folder = folder_of_upload(alone.folder.path()).unwrap();
    assert_eq!(folder, alone.folder.path().join("parts").join(name_of(&alone.id)));
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    for file in ["data", "parts"] {
        assert_eq!(fs::metadata(folder.join(file)).unwrap().mode() & 0o777, 0o600);
    }
    alone.runtime.block_on(alone.storage().abort_multipart(&alone.key, &alone.id)).unwrap();
    assert_eq!(folder_of_upload(alone.folder.path()), None);
}

#[test]
fn a_late_writer_does_not_touch_the_object() {
    let alone = Alone::begun();
    alone.runtime.block_on(async {
        let (sent, late) = (bytes(600_000, 1), bytes(600_000, 2));
        alone.receive(1, &sent).await.unwrap();
        // Both came before the completion; one of them has nothing to write left but its slot.
        let mut first = alone.storage().receive_part(alone.contract(1, late.len())).await.unwrap();
        first.write(&late[..100]).await.unwrap();
        let beyond = alone.storage().receive_part(alone.contract(2, 0)).await.unwrap();
        alone.complete().await.unwrap();
        assert!(matches!(first.write(&late[100..]).await, Err(Refused::Ended)));
        assert!(matches!(beyond.finish().await, Err(Refused::Ended)));
        assert!(alone.object().await.unwrap() == sent);
        assert!(matches!(alone.receive(1, &late).await, Err(Refused::Ended)));
        assert_eq!(alone.parts().await, None);
    });
    assert_eq!(folder_of_upload(alone.folder.path()), None);
}

#[test]
fn a_late_writer_does_not_bring_back_what_was_aborted() {
    let alone = Alone::begun();
    alone.runtime.block_on(async {
        let late = bytes(600_000, 2);
        let mut incoming = alone.storage().receive_part(alone.contract(1, late.len())).await.unwrap();
        incoming.write(&late[..300_000]).await.unwrap();
        alone.storage().abort_multipart(&alone.key, &alone.id).await.unwrap();
        assert!(matches!(incoming.write(&late[300_000..]).await, Err(Refused::Ended)));
        assert_eq!((alone.parts().await, alone.object().await), (None, None));
    });
    assert_eq!(folder_of_upload(alone.folder.path()), None);
}

#[test]
fn a_completion_that_fails_lets_senders_go_on() {
    let alone = Alone::begun();
    alone.runtime.block_on(async {
        let sent = bytes(600_000, 1);
        let mut incoming = alone.storage().receive_part(alone.contract(1, sent.len())).await.unwrap();
        incoming.write(&sent[..300_000]).await.unwrap();
        assert!(matches!(alone.complete().await, Err(CompleteError::Changed)));
        incoming.write(&sent[300_000..]).await.unwrap();
        incoming.finish().await.unwrap();
        alone.complete().await.unwrap();
        assert!(alone.object().await.unwrap() == sent);
    });
}

/// Whatever the order in which they meet, the object is one that was sent, whole.
#[test]
fn writers_race_completions() {
    for round in 0..10_u32 {
        let alone = Alone::begun();
        let (one, other) = (bytes(700_000, round), bytes(700_000, round + 1000));
        // A few times, since a part that is being sent again cannot be completed.
        let written = Cell::new(false);
        let writer = async {
            for sent in [&one, &other, &one, &other] {
                match alone.receive(1, sent).await {
                    Ok(()) | Err(Refused::Busy | Refused::Ended) => {}
                    Err(fault) => panic!("{fault}"),
                }
            }
            written.set(true);
        };
        let completer = async {
            while !written.get() {
                match alone.complete().await {
                    Ok(()) => return,
                    Err(CompleteError::Changed) => tokio::task::yield_now().await,
                    Err(CompleteError::Unavailable(fault)) => panic!("{fault}"),
                }
            }
        };
        alone.runtime.block_on(async {
            futures_util::future::join(writer, completer).await;
            // Each try to complete it may have cut a sender short, but none for good.
            if alone.object().await.is_none() {
                alone.receive(1, &one).await.unwrap();
                alone.complete().await.unwrap();
            }
            let object = alone.object().await.unwrap();
            assert!(object == one || object == other);
        });
    }
}

#[test]
fn a_part_that_breaks_off_does_not_count_nor_does_the_one_before_it() {
    let mut alone = Alone::begun();
    let (sent, other) = (bytes(600_000, 1), bytes(600_000, 2));
    alone.runtime.block_on(async {
        alone.receive(1, &sent).await.unwrap();
        // Nothing was written yet: the earlier part is what it was.
        drop(alone.storage().receive_part(alone.contract(1, other.len())).await.unwrap());
        assert_eq!(alone.parts().await.unwrap().len(), 1);

        let mut incoming = alone.storage().receive_part(alone.contract(1, other.len())).await.unwrap();
        assert!(matches!(alone.receive(1, &sent).await, Err(Refused::Busy)));
        incoming.write(&other[..300_000]).await.unwrap();
        assert!(matches!(incoming.finish().await, Err(Refused::Size)));
        assert_eq!(alone.parts().await, Some(Vec::new()));
    });
    alone.restart();
    assert_eq!(alone.runtime.block_on(alone.parts()), Some(Vec::new()));
    alone.runtime.block_on(async {
        alone.receive(1, &sent).await.unwrap();
        alone.complete().await.unwrap();
        assert!(alone.object().await.unwrap() == sent);
    });
}

/// A request may be given up while its bytes are on their way to the disk.
#[test]
fn the_next_sender_waits_for_the_last_write_of_the_one_before() {
    let mut alone = Alone::begun();
    alone.runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (sent, other) = (bytes(600_000, 1), bytes(600_000, 2));
    alone.runtime.block_on(async {
        let mut incoming = alone.storage().receive_part(alone.contract(1, other.len())).await.unwrap();
        // The one thread that writes is busy, so that the write waits.
        let (go_on, wait) = mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || wait.recv());
        let mut write = Box::pin(incoming.write(&other[..300_000]));
        let mut context = Context::from_waker(Waker::noop());
        assert!(write.as_mut().poll(&mut context).is_pending());
        drop(write);
        drop(incoming);
        let next = Box::pin(alone.receive(1, &sent)).as_mut().poll(&mut context);
        assert!(matches!(next, Poll::Ready(Err(Refused::Busy))));
        drop(go_on);
        let _ = busy.await.unwrap();
        while matches!(alone.receive(1, &sent).await, Err(Refused::Busy)) {
            tokio::task::yield_now().await;
        }
        alone.complete().await.unwrap();
        assert!(alone.object().await.unwrap() == sent);
    });
}

#[test]
fn a_shorter_object_has_no_bytes_of_a_longer_part() {
    let alone = Alone::begun();
    alone.runtime.block_on(async {
        alone.receive(1, &bytes(600_000, 1)).await.unwrap();
        alone.receive(1, b"short").await.unwrap();
        alone.complete().await.unwrap();
        assert_eq!(alone.object().await.unwrap(), b"short");
    });
}

#[test]
fn a_torn_or_damaged_slot_is_no_part() {
    let damages: [fn(&mut fs::File); 3] = [
        |file| file.set_len(512 + 79).unwrap(),
        |file| file.write_all_at(b"x", 512 + 40).unwrap(),
        |file| file.write_all_at(&[0; 80], 512).unwrap(),
    ];
    for damage in damages {
        let mut alone = Alone::begun();
        alone.runtime.block_on(alone.receive(1, b"x")).unwrap();
        let named = alone.runtime.block_on(alone.parts()).unwrap();
        damage(&mut OpenOptions::new().write(true).open(alone.file("parts")).unwrap());
        alone.restart();
        alone.runtime.block_on(async {
            assert_eq!(alone.parts().await, Some(Vec::new()));
            let completed = alone.storage().complete_multipart(&alone.key, &alone.id, &named).await;
            assert!(matches!(completed, Err(CompleteError::Changed)), "{completed:?}");
            alone.receive(1, b"x").await.unwrap();
            alone.complete().await.unwrap();
        });
    }
}

#[test]
fn damaged_bytes_are_found_before_they_are_an_object_and_asked_for_again() {
    let damages: [fn(&mut fs::File); 2] =
        [|file| file.write_all_at(b"x", 512 + 300_000).unwrap(), |file| file.set_len(512 + 300_000).unwrap()];
    for damage in damages {
        let alone = Alone::begun();
        let sent = bytes(600_000, 1);
        alone.runtime.block_on(async {
            alone.receive(1, &sent).await.unwrap();
            damage(&mut OpenOptions::new().write(true).open(alone.file("data")).unwrap());
            let completed = alone.complete().await;
            assert!(matches!(completed, Err(CompleteError::Changed)), "{completed:?}");
            assert_eq!((alone.parts().await, alone.object().await), (Some(Vec::new()), None));
            alone.receive(1, &sent).await.unwrap();
            alone.complete().await.unwrap();
            assert!(alone.object().await.unwrap() == sent);
        });
    }
}

/// The object has its name, and the folder of the upload is still there.
#[test]
fn a_crash_right_after_publishing_leaves_the_object_alone() {
    let mut alone = Alone::begun();
    let published = alone.folder.path().join("published");
    alone.runtime.block_on(alone.receive(1, b"x")).unwrap();
    fs::hard_link(alone.file("data"), &published).unwrap();
    let before = fs::read(&published).unwrap();
    alone.runtime.block_on(async {
        assert_eq!(alone.parts().await, None);
        assert!(matches!(alone.receive(1, b"y").await, Err(Refused::Ended)));
        assert!(matches!(alone.complete().await, Err(CompleteError::Changed)));
    });
    alone.restart();
    assert_eq!(folder_of_upload(alone.folder.path()), None);
    assert!(matches!(alone.runtime.block_on(alone.receive(1, b"y")), Err(Refused::Ended)));
    assert_eq!(fs::read(&published).unwrap(), before);
}

#[test]
fn a_crash_before_the_first_answer_leaves_nothing() {
    let missing: [&[&str]; 4] = [&["data", "parts"], &["parts"], &["data"], &[]];
    for names in missing {
        let mut alone = Alone::begun();
        for name in names {
            fs::remove_file(alone.file(name)).unwrap();
        }
        alone.restart();
        assert_eq!(folder_of_upload(alone.folder.path()).is_some(), names.is_empty(), "{names:?}");
        assert_eq!(alone.runtime.block_on(alone.parts()).is_some(), names.is_empty());
    }
}

#[test]
fn what_nobody_can_complete_any_more_is_removed_by_a_start() {
    for (days, stays) in [(9, true), (11, false)] {
        let mut alone = Alone::begun();
        alone.runtime.block_on(alone.receive(1, b"x")).unwrap();
        age(&alone.file("parts"), days);
        alone.restart();
        assert_eq!(alone.runtime.block_on(alone.parts()).is_some(), stays, "{days}");
        assert_eq!(folder_of_upload(alone.folder.path()).is_some(), stays, "{days}");
    }
}

/// Makes a file look as if it had been written days ago.
fn age(file: &Path, days: u32) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    let then = file.metadata().unwrap().modified().unwrap() - days * DAY;
    file.set_modified(then).unwrap();
}

#[test]
fn what_nobody_can_complete_any_more_is_removed_once_a_day() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(now())));
    let storage = open_embedded_with(folder.path(), "http://x", clock.clone());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let key = inbox();
    let begin = || runtime.block_on(storage.begin_multipart(&key, &content_type("text/csv"), false)).unwrap();
    let [left, taken_up, fresh] = [begin(), begin(), begin()];
    let path = |id: &MultipartId| folder.path().join("parts").join(name_of(id));
    let is_there = |id| runtime.block_on(storage.parts(&key, id)).unwrap().is_some();
    let contract = |upload: &MultipartId| PartContract {
        key: key.clone(),
        upload: upload.clone(),
        number: 1,
        part_size: SMALLEST_PART,
        size: 600_000,
        sha256: None,
        expires_at: now().plus(2 * DAY),
    };
    // Somebody comes back after all, and has come in with nothing written; another one is writing.
    let mut late = runtime.block_on(storage.receive_part(contract(&left))).unwrap();
    let mut writing = runtime.block_on(storage.receive_part(contract(&taken_up))).unwrap();
    age(&path(&left).join("parts"), 11);
    age(&path(&taken_up).join("parts"), 11);
    runtime.block_on(writing.write(&[7; 300_000])).unwrap();
    // One that is being made has no slots yet.
    let being_made = folder.path().join("parts/being-made");
    fs::create_dir(&being_made).unwrap();

    begin();
    assert!(is_there(&left), "not before a day has passed");
    clock.advance(DAY);
    begin();
    assert!(!path(&left).exists());
    assert!(matches!(runtime.block_on(late.write(&[7; 600_000])), Err(Refused::Ended)));
    assert!(is_there(&fresh) && is_there(&taken_up) && being_made.exists());
    runtime.block_on(writing.write(&[7; 300_000])).unwrap();
    runtime.block_on(writing.finish()).unwrap();
}

#[test]
fn parts_have_the_size_that_was_agreed_but_for_the_last() {
    let alone = Alone::begun();
    let sent = bytes(SMALLEST_PART, 1);
    alone.runtime.block_on(async {
        alone.receive(1, &sent[1..]).await.unwrap();
        alone.receive(2, b"x").await.unwrap();
        assert!(matches!(alone.complete().await, Err(CompleteError::Changed)));
        alone.receive(1, &sent).await.unwrap();
        alone.receive(3, b"x").await.unwrap();
        assert!(matches!(alone.complete().await, Err(CompleteError::Changed)));
        alone.receive(2, &sent).await.unwrap();
        let larger = PartContract { part_size: SMALLEST_PART + 1, ..alone.contract(3, 1) };
        let mut incoming = alone.storage().receive_part(larger).await.unwrap();
        incoming.write(b"x").await.unwrap();
        incoming.finish().await.unwrap();
        assert!(matches!(alone.complete().await, Err(CompleteError::Changed)));
        alone.receive(3, b"x").await.unwrap();
        alone.complete().await.unwrap();
        assert!(alone.object().await.unwrap() == [&sent[..], &sent, b"x"].concat());
    });
}
