//! A crossing before a storage: uploads are counted once the storage has taken
//! them, and held back after so many.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::relaying::relay;

#[derive(Default)]
struct State {
    /// The address of the storage.
    behind: String,
    /// How many uploads may still enter.
    admitted: usize,
    /// How many the storage has taken.
    taken: usize,
    /// How many wait.
    held: usize,
}

pub struct Crossing {
    pub url: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Crossing {
    /// Lets everything pass. It stands until the tests end.
    pub fn start() -> Self {
        let state = Arc::new((Mutex::new(State { admitted: usize::MAX, ..State::default() }), Condvar::new()));
        let shared = state.clone();
        let url = relay(move |arriving| {
            let (state, opened) = &*shared;
            let mut now = state.lock().unwrap();
            let is_upload = arriving.line.starts_with("PUT ");
            if is_upload && now.admitted == 0 {
                now.held += 1;
                drop(opened.wait_while(now, |now| now.admitted == 0).unwrap());
                return arriving.break_off();
            }
            now.admitted -= usize::from(is_upload);
            let behind = now.behind.clone();
            drop(now);
            arriving.pass(&behind, |status| {
                state.lock().unwrap().taken += usize::from(is_upload && status == "200");
            })
        });
        Self { url, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    pub fn lead_to(&self, behind: &str) {
        self.state().behind = behind.trim_start_matches("http://").into();
    }

    /// From now on so many uploads pass; the next one waits.
    pub fn admit(&self, uploads: usize) {
        let mut state = self.state();
        (state.admitted, state.taken) = (uploads, 0);
    }

    /// How many uploads the storage has taken since.
    pub fn taken(&self) -> usize {
        self.state().taken
    }

    /// Whether as many as were admitted have been taken, and another one waits.
    pub fn is_closed(&self) -> bool {
        let state = self.state();
        state.admitted == 0 && state.held > 0
    }

    /// Breaks off the uploads that wait, and lets all that come later pass.
    pub fn open(&self) {
        let mut state = self.state();
        (state.admitted, state.held) = (usize::MAX, 0);
        self.state.1.notify_all();
    }
}
