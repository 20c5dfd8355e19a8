//! Scanners: real child processes and a real listener. Whatever is no clear answer is no verdict.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use cloakroom::{
    domain::ids::UploadId,
    objects::{self, ByteStream, ContentType},
    scanner::{CommandScanner, HttpScanner, ScanRequest, Scanner, Unavailable, Verdict},
};
use futures_util::{StreamExt, stream};
use tempfile::TempDir;

use crate::program::process::until;

mod commands;
mod services;

/// Long enough for anything that ends by itself.
const AGES: Duration = Duration::from_secs(120);

/// For what is to run into it.
const MOMENT: Duration = Duration::from_millis(300);

const PIECE: usize = 64 * 1024;

fn about(size: u64) -> ScanRequest {
    let content_type = ContentType::parse("text/x-test").unwrap();
    ScanRequest { id: UploadId::from_bytes([7; 16]), size, content_type, sha256: Some([9; 32]) }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Scans this stream, which is said to have so many bytes.
fn scan_stream(scanner: &dyn Scanner, size: u64, bytes: ByteStream) -> Result<Verdict, Unavailable> {
    let runtime = runtime();
    let verdict = runtime.block_on(scanner.scan(&about(size), bytes));
    // A thread that still reads the answer of nobody is not waited for.
    runtime.shutdown_background();
    verdict
}

fn scan(scanner: &dyn Scanner, bytes: &[u8]) -> Result<Verdict, Unavailable> {
    let pieces: Vec<_> = bytes.chunks(7).map(|piece| Ok(piece.to_vec().into())).collect();
    scan_stream(scanner, bytes.len() as u64, stream::iter(pieces).boxed())
}

/// So many pieces of 64 KiB, made as they are asked for, and how many were.
fn pieces(count: usize) -> (ByteStream, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let piece = move |number: usize| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(vec![number as u8; PIECE].into())
    };
    (stream::iter((0..count).map(piece)).boxed(), made)
}

/// A stream that breaks off after these bytes.
fn broken(bytes: &'static [u8]) -> ByteStream {
    let fault = objects::Unavailable("as planned by the test".into());
    stream::iter([Ok(bytes.into()), Err(fault)]).boxed()
}

fn infected(signature: &str) -> Result<Verdict, Unavailable> {
    Ok(Verdict::Infected { signature: signature.into() })
}

#[track_caller]
fn assert_unavailable(verdict: Result<Verdict, Unavailable>, words: &str) {
    let fault = verdict.unwrap_err().to_string();
    assert!(fault.contains(words), "{words}: {fault}");
}
