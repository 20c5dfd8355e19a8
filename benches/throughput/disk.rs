//! What the disk does: a page is written and made durable, again and again. A commit cannot be faster than that, but many of them
//! can share one.

use std::{
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use crate::{data_directory, spread::Spread};

/// Microseconds to write 4 KiB and have them on the disk, where data directories of this program are.
pub(crate) fn write_and_sync(span: Duration) -> Spread {
    let (_folder, file) = data_directory();
    let mut file = File::create(file).unwrap();
    let (started, mut taken) = (Instant::now(), Vec::new());
    while taken.is_empty() || started.elapsed() < span {
        let begun = Instant::now();
        file.write_all(&[b'x'; 4_096]).unwrap();
        file.sync_data().unwrap();
        taken.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Spread::of(&taken)
}
