//! Many files at a time: some may fail, the others go on.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{Failed, progress::Progress};

/// Does the work for each item and its number, several at a time, and answers what failed.
pub(super) fn each<T: Sync>(
    items: &[T],
    jobs: usize,
    work: impl Fn(usize, &T) -> Result<(), String> + Sync,
) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return };
            if let Err(fault) = work(number, item) {
                faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            scope.spawn(worker);
        }
    });
    let mut faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
    faults.sort();
    faults
}

/// Names each file that failed, and fails if there is one.
///
/// # Errors
/// With the only fault of an only file, or with how many there were.
pub(super) fn verdict(progress: &Progress, mut faults: Vec<String>, count: usize, what: &str) -> Result<(), Failed> {
    match (faults.len(), count) {
        (0, _) => Ok(()),
        (1, 1) => Err(faults.remove(0).into()),
        (failed, _) => {
            faults.iter().for_each(|fault| progress.remark(fault));
            Err(format!("{failed} of {count} files were not {what}").into())
        }
    }
}
