//! Who may write into an upload in parts at this moment.
//!
//! The file that parts are written into becomes the published object itself.
//! So nobody may write into it from the moment it is looked at as a whole:
//! whoever writes, holds a shared lock for as long as one write takes and asks under
//! it whether the upload is open; whoever ends it, closes it under the exclusive one.
//! That is in memory; on disk, an upload has ended when its folder is gone or
//! its data has a second name.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak},
};

use tokio::sync::OwnedMutexGuard;

use super::refused::Refused;

/// At most so many parts of one upload are sent at a time: each sender holds two open files. The
/// command line sends 16 at most.
const MOST_SENDERS: usize = 32;

/// The uploads in parts that somebody works on.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Weak<Upload>>>);

/// One upload in parts.
pub(super) struct Upload {
    state: RwLock<State>,
    /// The parts that are being sent.
    sending: Mutex<HashSet<u32>>,
    ending: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It is being ended, which may fail: then it is open again.
    Ending,
    Ended,
}

/// While this lives, the upload stays open and may be written into. Hold it for one write.
pub(super) struct MayWrite<'a>(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'a, State>);

/// The one sender of a part; dropping it lets the next one try. It is to live as
/// long as any write of its own is under way.
pub(super) struct Sender {
    upload: Arc<Upload>,
    number: u32,
}

/// The one that ends an upload. Once it has closed it and is dropped, the upload has ended: in
/// doubt nobody writes, until somebody has looked at the disk.
pub(super) struct Ending {
    upload: Arc<Upload>,
    _alone: OwnedMutexGuard<()>,
}

impl Uploads {
    /// The upload that lies in the folder of this name.
    pub(super) fn named(&self, name: &str) -> Arc<Upload> {
        let mut uploads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(upload) = uploads.get(name).and_then(Weak::upgrade) {
            return upload;
        }
        uploads.retain(|_, upload| upload.strong_count() > 0);
        let upload =
            Arc::new(Upload { state: RwLock::new(State::Open), sending: Mutex::default(), ending: Arc::default() });
        uploads.insert(name.to_owned(), Arc::downgrade(&upload));
        upload
    }
}

impl Upload {
    /// Lets a sender in, unless another one sends the same part, or too many others do.
    pub(super) fn send(self: Arc<Self>, number: u32) -> Option<Sender> {
        let mut sending = self.sending();
        let entered = sending.len() < MOST_SENDERS && sending.insert(number);
        drop(sending);
        entered.then(|| Sender { upload: self, number })
    }

    fn sending(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else is ending it; nothing when somebody has.
    pub(super) async fn end(self: Arc<Self>) -> Option<Ending> {
        let alone = Arc::clone(&self.ending).lock_owned().await;
        let state = *self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state == State::Open).then(|| Ending { upload: self, _alone: alone })
    }

    fn change(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender {
    /// Busy while somebody tries to end the upload, and ended when somebody has. Blocks.
    pub(super) fn may_write(&self) -> Result<MayWrite<'_>, Refused> {
        let state = self.upload.state.read().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Open => Ok(MayWrite(state)),
            State::Ending => Err(Refused::Busy),
            State::Ended => Err(Refused::Ended),
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.upload.sending().remove(&self.number);
    }
}

impl Ending {
    /// Keeps everybody from writing, once those that do have done. Blocks.
    pub(super) fn close(&self) {
        *self.upload.change() = State::Ending;
    }

    /// It has certainly not ended.
    pub(super) fn reopen(self) {
        *self.upload.change() = State::Open;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut state = self.upload.change();
        if *state == State::Ending {
            *state = State::Ended;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_part_has_one_sender_at_a_time() {
        let uploads = Uploads::default();
        let first = uploads.named("a").send(1).unwrap();
        assert!(uploads.named("a").send(1).is_none());
        assert!(uploads.named("a").send(2).is_some());
        assert!(uploads.named("b").send(1).is_some());
        drop(first);
        assert!(uploads.named("a").send(1).is_some());
    }

    #[test]
    fn few_parts_of_an_upload_are_sent_at_a_time() {
        let uploads = Uploads::default();
        let upload = uploads.named("a");
        let mut senders: Vec<_> = (1..=32).map(|number| Arc::clone(&upload).send(number).unwrap()).collect();
        assert!(Arc::clone(&upload).send(33).is_none());
        assert!(uploads.named("b").send(33).is_some());
        senders.pop();
        assert!(upload.send(33).is_some());
    }

    #[tokio::test]
    async fn nobody_writes_once_it_is_closed() {
        let uploads = Uploads::default();
        let sender = uploads.named("a").send(1).unwrap();
        let given_up = uploads.named("a").end().await.unwrap();
        assert!(sender.may_write().is_ok());
        given_up.close();
        assert!(matches!(sender.may_write(), Err(Refused::Busy)));
        given_up.reopen();
        assert!(sender.may_write().is_ok());
        drop(uploads.named("a").end().await.unwrap());
        assert!(sender.may_write().is_ok());

        let ending = uploads.named("a").end().await.unwrap();
        ending.close();
        drop(ending);
        assert!(matches!(sender.may_write(), Err(Refused::Ended)));
        assert!(uploads.named("a").end().await.is_none());
        assert!(matches!(uploads.named("a").send(2).unwrap().may_write(), Err(Refused::Ended)));
    }

    #[tokio::test]
    async fn closing_waits_for_the_write_that_has_begun() {
        let uploads = Uploads::default();
        let sender = uploads.named("a").send(1).unwrap();
        let ending = uploads.named("a").end().await.unwrap();
        let written = sender.may_write().unwrap();
        let is_written = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                ending.close();
                assert!(is_written.load(Ordering::SeqCst));
            });
            (0..1000).for_each(|_| std::thread::yield_now());
            is_written.store(true, Ordering::SeqCst);
            drop(written);
        });
        assert!(sender.may_write().is_err());
    }
}
