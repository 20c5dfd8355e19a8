//! Packs files into a ZIP while it is sent.
//!
//! Stored, not deflated: most of what is large is compressed already, and the broker has better things to do. Every
//! entry ends with a data descriptor (APPNOTE 4.3.9), as sums are known only then; ZIP64 begins by itself.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use rawzip::{DataDescriptorOutput, ZipArchiveWriter, time::UtcDateTime};
use tokio::sync::mpsc;

use crate::{
    domain::{archive::ArchiveNames, instant::Instant, lifetime, object::VaultFile, path::VaultPath},
    objects::{ByteStream, ObjectKey},
};

use super::{
    super::{Broker, Error},
    ArchivePlace, Reader, Walk,
};

/// A receiver that takes nothing for longer has lost its archive: others want the place.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How many pieces wait to be sent.
const AHEAD: usize = 2;

/// For how long what was read about the reader's rights holds.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// The most files of one archive. The end of a ZIP names all of them once more, and until then they are kept.
const MOST_FILES: usize = 100_000;

/// The most bytes of their names together.
const MOST_OF_NAMES: usize = 16 << 20;

/// The most files that are named one by one as missing.
const MOST_MISSING: usize = 1_000;

/// The last entry, where something is missing.
const MISSING: &str = "MISSING.txt";

/// All that packing needs.
pub(super) struct Packing {
    pub(super) broker: Broker,
    pub(super) reader: Reader,
    pub(super) walk: Walk,
    /// What names do not repeat.
    pub(super) folder: String,
    /// Held until the last byte is handed over.
    pub(super) place: ArchivePlace,
}

/// What was to be in the archive, and is not.
#[derive(Default)]
struct Missing {
    gone: Vec<VaultPath>,
    more: usize,
    stopped: bool,
}

/// What the ZIP writer has written and nobody has sent yet. The bytes of files are not among it: they
/// are sent as they came, and the writer is only shown them, since it counts.
#[derive(Clone, Default)]
struct Written {
    unsent: Arc<Mutex<BytesMut>>,
    is_shown: Arc<AtomicBool>,
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_shown.load(Ordering::Relaxed) {
            self.unsent.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn take(&self) -> Bytes {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner).split().freeze()
    }

    fn only_shown(&self, is_shown: bool) {
        self.is_shown.store(is_shown, Ordering::Relaxed);
    }
}

/// What is passed to whoever sends it. The end is said: silence is none.
enum Piece {
    Bytes(Bytes),
    Failed(Error),
    End,
}

/// Where pieces go.
struct Outlet(mpsc::Sender<Piece>);

impl Outlet {
    async fn send(&self, piece: Piece) -> Result<(), Error> {
        let gone = |_| Error::Unavailable("the receiver of an archive has gone".into());
        let sent = tokio::time::timeout(LONGEST_PAUSE, self.0.send(piece)).await;
        sent.map_err(|_| Error::Unavailable("the receiver of an archive takes nothing".into()))?.map_err(gone)
    }

    async fn flush(&self, written: &Written) -> Result<(), Error> {
        let bytes = written.take();
        if bytes.is_empty() { Ok(()) } else { self.send(Piece::Bytes(bytes)).await }
    }
}

impl Packing {
    /// Packs beside whoever sends, as far ahead as [`AHEAD`] allows.
    pub(super) fn begin(self, first: VaultFile) -> BoxStream<'static, Result<Bytes, Error>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let beside = self.broker.under_way.clone();
        beside.beside(async move {
            let outlet = Outlet(sender);
            let last = match self.pack(first, &outlet).await {
                Ok(()) => Piece::End,
                Err(fault) => {
                    tracing::info!(%fault, "an archive broke off");
                    Piece::Failed(fault)
                }
            };
            // Nobody may be waiting any more.
            let _ = outlet.send(last).await;
        });
        let pieces = stream::unfold(Some(receiver), |receiver| async {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
                Some(Piece::End) => None,
                Some(Piece::Failed(fault)) => Some((Err(fault), None)),
                None => Some((Err(Error::Internal("packing ended without an end".into())), None)),
            }
        });
        pieces.boxed()
    }

    async fn pack(mut self, first: VaultFile, outlet: &Outlet) -> Result<(), Error> {
        let written = Written::default();
        let mut zip = ZipArchiveWriter::new(written.clone());
        let (mut names, mut missing) = (ArchiveNames::default(), Missing::default());
        let mut looked_at = self.broker.now();
        let mut next = Some(first);
        let (mut count, mut of_names) = (0, 0);
        while let Some(file) = next {
            let now = self.broker.now();
            if now.since(looked_at) >= BETWEEN_LOOKS {
                self.reader = self.reader.again(&self.broker).await?;
                looked_at = now;
            }
            if self.reader.may_read(&file.path) {
                if count == MOST_FILES || of_names >= MOST_OF_NAMES {
                    missing.stopped = true;
                    break;
                }
                match self.open(file).await? {
                    Ok((file, bytes)) => {
                        count += 1;
                        let name =
                            names.name(file.path.as_str().strip_prefix(&self.folder).unwrap_or(file.path.as_str()));
                        of_names += name.len();
                        // Whoever takes it too slowly keeps a place from others.
                        let added = add(&mut zip, &written, outlet, &name, file.created_at, file.size, bytes);
                        let patience = lifetime::transfer(file.size);
                        tokio::time::timeout(patience, added).await.map_err(|_| too_slow())??;
                    }
                    Err(path) => missing.note(path),
                }
            }
            next = self.walk.next(&self.broker).await?;
        }
        if let Some(text) = missing.text() {
            let size = text.len() as u64;
            let text = stream::once(async { Ok(Bytes::from(text)) }).boxed();
            add(&mut zip, &written, outlet, &names.name(MISSING), self.broker.now(), size, text).await?;
        }
        zip.finish().map_err(not_packed)?;
        outlet.flush(&written).await?;
        drop(self.place);
        Ok(())
    }

    /// The bytes of a file: those that were listed, or those that lie under its path by now.
    async fn open(&self, listed: VaultFile) -> Result<Result<(VaultFile, ByteStream), VaultPath>, Error> {
        let namespace = self.walk.namespace();
        if let Some(bytes) = self.read(&listed).await? {
            return Ok(Ok((listed, bytes)));
        }
        match self.broker.file(namespace, &listed.path).await {
            Ok(replaced) => Ok(self.read(&replaced).await?.map(|bytes| (replaced, bytes)).ok_or(listed.path)),
            Err(Error::NotFound) => Ok(Err(listed.path)),
            Err(fault) => Err(fault),
        }
    }

    async fn read(&self, file: &VaultFile) -> Result<Option<ByteStream>, Error> {
        // A key of the vault is given to one upload's bytes and never to others.
        Ok(self.broker.objects.read(&ObjectKey::vault(self.walk.namespace(), file.object), None).await?)
    }
}

/// Adds one entry of exactly this size, or fails.
async fn add(
    zip: &mut ZipArchiveWriter<Written>,
    written: &Written,
    outlet: &Outlet,
    name: &str,
    modified: Instant,
    size: u64,
    mut bytes: ByteStream,
) -> Result<(), Error> {
    let modified = UtcDateTime::from_unix(i64::try_from(modified.as_unix_seconds()).unwrap_or(0));
    let (mut entry, _) =
        zip.new_file(name).last_modified(modified).unix_permissions(0o644).start().map_err(not_packed)?;
    outlet.flush(written).await?;
    let mut sum = crc32fast::Hasher::new();
    let mut arrived = 0;
    written.only_shown(true);
    while let Some(piece) = bytes.next().await {
        let piece = piece?;
        arrived += piece.len() as u64;
        if arrived > size {
            break;
        }
        sum.update(&piece);
        entry.write_all(&piece).map_err(|fault| Error::Internal(fault.to_string()))?;
        outlet.send(Piece::Bytes(piece)).await?;
    }
    written.only_shown(false);
    if arrived != size {
        return Err(Error::Unavailable("a file in an archive is not as long as it was listed".into()));
    }
    entry.finish(DataDescriptorOutput::new(sum.finalize(), arrived)).map(drop).map_err(not_packed)
}

fn too_slow() -> Error {
    Error::Unavailable("the receiver of an archive takes it too slowly".into())
}

fn not_packed(fault: rawzip::Error) -> Error {
    Error::Internal(format!("an archive could not be written: {fault}"))
}

impl Missing {
    fn note(&mut self, path: VaultPath) {
        if self.gone.len() < MOST_MISSING {
            self.gone.push(path);
        } else {
            self.more += 1;
        }
    }

    /// For whoever unpacks it.
    fn text(&self) -> Option<String> {
        let mut text = String::new();
        if !self.gone.is_empty() {
            text += "These files were deleted before they could be added to this archive:\r\n\r\n";
            for path in &self.gone {
                text += &format!("{path}\r\n");
            }
            if self.more > 0 {
                text += &format!("and {} more\r\n", self.more);
            }
        }
        if self.stopped {
            text += &format!(
                "This archive ends after {MOST_FILES} files, and there are more. Download them folder by folder.\r\n"
            );
        }
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Seek, SeekFrom},
        process::Command,
    };

    use super::*;

    const SIZE: u64 = (4 << 30) + 10;

    #[test]
    fn what_is_missing_is_said_within_bounds() {
        assert_eq!(Missing::default().text(), None);
        let mut missing = Missing::default();
        for number in 0..MOST_MISSING + 5 {
            missing.note(VaultPath::parse(&format!("f{number}")).unwrap());
        }
        let text = missing.text().unwrap();
        assert!(text.contains("\r\nf999\r\nand 5 more\r\n") && !text.contains("f1000"), "{text}");
        assert!(Missing { stopped: true, ..Missing::default() }.text().unwrap().contains("100000 files"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn silence_and_failure_are_no_end() {
        let (sender, mut receiver) = mpsc::channel(1);
        let outlet = Outlet(sender);
        tokio::spawn(async move {
            let written = Written::default();
            let mut zip = ZipArchiveWriter::new(written.clone());
            let short = stream::once(async { Ok(Bytes::from_static(b"123")) }).boxed();
            let fault =
                add(&mut zip, &written, &outlet, "a", Instant::from_unix_seconds(1), 4, short).await.unwrap_err();
            outlet.send(Piece::Failed(fault)).await
        });
        let mut last = None;
        while let Some(piece) = receiver.recv().await {
            last = Some(piece);
        }
        assert!(matches!(last, Some(Piece::Failed(_))));
    }

    /// Zeros, as many as do not fit into 32 bits, and a small file behind them: read by another
    /// program. What is zero is not written to disk but skipped.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_archive_beyond_4_gib_is_read_by_other_programs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.zip");
        let (sender, mut receiver) = mpsc::channel(AHEAD);
        let packed = tokio::spawn(async move {
            let (outlet, written) = (Outlet(sender), Written::default());
            let mut zip = ZipArchiveWriter::new(written.clone());
            let zeros = Bytes::from(vec![0; 1 << 20]);
            let pieces = (0..SIZE >> 20).map(move |_| Ok(zeros.clone())).chain([Ok(Bytes::from_static(&[0; 10]))]);
            let at = Instant::from_unix_seconds(1_800_000_000);
            add(&mut zip, &written, &outlet, "large 🎉.bin", at, SIZE, stream::iter(pieces).boxed()).await.unwrap();
            let small = stream::once(async { Ok(Bytes::from_static(b"small")) }).boxed();
            add(&mut zip, &written, &outlet, "small.txt", at, 5, small).await.unwrap();
            zip.finish().unwrap();
            outlet.flush(&written).await.unwrap();
        });
        let mut file = File::create(&path).unwrap();
        while let Some(piece) = receiver.recv().await {
            let Piece::Bytes(bytes) = piece else { panic!("it broke off") };
            if bytes.iter().all(|byte| *byte == 0) {
                file.seek(SeekFrom::Current(bytes.len() as i64)).unwrap();
            } else {
                file.write_all(&bytes).unwrap();
            }
        }
        packed.await.unwrap();
        let program = "import sys, zipfile\n\
             archive = zipfile.ZipFile(sys.argv[1])\n\
             print([(entry.filename, entry.file_size) for entry in archive.infolist()], archive.read('small.txt'))";
        let read = Command::new("python3").args(["-c", program]).arg(&path).output().unwrap();
        let told = String::from_utf8_lossy(&read.stdout);
        assert_eq!(told.trim(), "[('large 🎉.bin', 4294967306), ('small.txt', 5)] b'small'", "{read:?}");
    }
}
