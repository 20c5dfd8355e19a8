//! Bytes on their way from a stream to a thread that writes them somewhere
//! slowly: a few pieces at a time, so that memory stays flat.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::objects::ByteStream;

/// How many pieces wait between the two.
const WAITING: usize = 2;

enum Piece {
    Bytes(Bytes),
    /// That was all. Without it the end of the channel is no end of the bytes: a
    /// part of an upload must never pass for the whole.
    End,
}

/// What became of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// All of it was taken.
    Whole,
    /// Whoever reads has had enough before the end.
    NotTaken,
    /// It broke off, or is not as long as was said.
    Failed(String),
}

/// The end that is read in a thread.
pub(super) struct Relayed {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    is_over: bool,
}

/// Moves the stream, which must have `size` bytes, into the relay until one of its ends is gone.
pub(super) fn relay(bytes: ByteStream, size: u64) -> (impl Future<Output = Moved> + Send, Relayed) {
    let (sender, pieces) = mpsc::channel(WAITING);
    (move_all(bytes, size, sender), Relayed { pieces, current: Bytes::new(), is_over: false })
}

async fn move_all(mut bytes: ByteStream, size: u64, sender: mpsc::Sender<Piece>) -> Moved {
    let mut left = size;
    while let Some(piece) = bytes.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(fault) => return Moved::Failed(fault.to_string()),
        };
        match left.checked_sub(piece.len() as u64) {
            None => return Moved::Failed("there are more bytes than were declared".into()),
            Some(rest) => left = rest,
        }
        if sender.send(Piece::Bytes(piece)).await.is_err() {
            return Moved::NotTaken;
        }
    }
    if left > 0 {
        return Moved::Failed("there are fewer bytes than were declared".into());
    }
    // Whoever knows the length need not wait for the end.
    let _heard = sender.send(Piece::End).await;
    Moved::Whole
}

impl Read for Relayed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.is_over {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(piece)) => self.current = piece,
                Some(Piece::End) => self.is_over = true,
                None => return Err(io::Error::other("the bytes broke off")),
            }
        }
        let taken = self.current.len().min(buffer.len());
        self.current.split_to(taken).copy_to_slice(&mut buffer[..taken]);
        Ok(taken)
    }
}
