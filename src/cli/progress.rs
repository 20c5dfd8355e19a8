//! Progress on a terminal: a bar for each file under way, and one for all.
//!
//! Where standard error is no terminal there are no bars. What is said
//! meanwhile goes above them.

use std::io::{self, Read};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Failed, client::cleaned, remark, say};

/// What is shown while files are under way.
pub(super) struct Progress {
    bars: MultiProgress,
    total: ProgressBar,
}

/// The bar of one file. It goes when this is dropped.
pub(super) struct FileProgress {
    bar: ProgressBar,
    total: ProgressBar,
}

const BAR: &str =
    "{prefix:24} {wide_bar} {percent:>3}% of {decimal_total_bytes:9} {decimal_bytes_per_sec:>12} {eta:>4} left";

const NOTE: &str = "{prefix:24} {msg}";

fn style(template: &str) -> ProgressStyle {
    // The templates are ours; a wrong one would show as a plain bar.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸─")
}

impl Progress {
    /// For so many files with so many bytes.
    pub(super) fn new(files: usize, bytes: u64) -> Self {
        // Hidden by itself where standard error is no terminal.
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        // A single file has a bar of its own, and no use for another.
        let total = if files > 1 {
            let total = bars.add(ProgressBar::new(bytes).with_prefix(format!("{files} files")));
            total.set_style(style(BAR));
            total
        } else {
            ProgressBar::hidden()
        };
        Self { bars, total }
    }

    /// A file that is begun now.
    pub(super) fn file(&self, name: &str, bytes: u64) -> FileProgress {
        let bar = ProgressBar::new(bytes).with_prefix(shortened(name)).with_style(style(BAR));
        let bar = if self.total.is_hidden() { self.bars.add(bar) } else { self.bars.insert_before(&self.total, bar) };
        bar.tick();
        FileProgress { bar, total: self.total.clone() }
    }

    /// Prints to standard output, above the bars.
    pub(super) fn say(&self, text: impl AsRef<str>) -> Result<(), Failed> {
        self.bars.suspend(|| say(text))
    }

    /// Prints to standard error, above the bars.
    pub(super) fn remark(&self, text: impl AsRef<str>) {
        self.bars.suspend(|| remark(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.total.finish_and_clear();
    }
}

impl FileProgress {
    /// So many bytes more are done.
    pub(super) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        self.total.inc(bytes);
    }

    /// So many bytes turned out to be none: they are sent again.
    pub(super) fn take_back(&self, bytes: u64) {
        self.bar.dec(bytes);
        self.total.dec(bytes);
    }

    /// So many bytes were there before: they count as done, not as speed.
    pub(super) fn found(&self, bytes: u64) {
        self.advance(bytes);
        self.bar.reset_eta();
    }

    /// What happens now, where it is not the sending of bytes.
    pub(super) fn note(&self, text: &'static str) {
        self.bar.set_style(style(NOTE));
        self.bar.set_message(text);
    }

    /// Bytes are sent again.
    pub(super) fn resume(&self) {
        self.bar.set_style(style(BAR));
        self.bar.reset_eta();
    }

    /// Counts what is read through it, until it is dropped unfinished.
    pub(super) fn counting<R: Read>(&self, inner: R) -> Counting<'_, R> {
        Counting { inner, progress: self, counted: 0 }
    }
}

impl Drop for FileProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A reader whose bytes are counted on a bar.
pub(super) struct Counting<'a, R> {
    inner: R,
    progress: &'a FileProgress,
    counted: u64,
}

impl<R> Counting<'_, R> {
    /// Takes all of it back: it did not arrive.
    pub(super) fn undo(&mut self) {
        self.progress.take_back(self.counted);
        self.counted = 0;
    }
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.advance(read as u64);
        self.counted += read as u64;
        Ok(read)
    }
}

/// The end of a path, which tells files apart better than its beginning.
fn shortened(name: &str) -> String {
    const WIDTH: usize = 24;
    let name = cleaned(name);
    let count = name.chars().count();
    if count <= WIDTH {
        return name;
    }
    std::iter::once('…').chain(name.chars().skip(count - WIDTH + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(shortened("a/b.txt"), "a/b.txt");
        let long = shortened(&format!("{}/report.pdf", "x".repeat(90)));
        assert!(long.starts_with('…') && long.ends_with("x/report.pdf") && long.chars().count() == 24);
    }
}
