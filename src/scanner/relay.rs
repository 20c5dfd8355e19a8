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

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use futures_util::{FutureExt, stream};

    use super::*;

    #[test]
    fn no_more_is_fetched_than_may_wait() {
        let fetched = Arc::new(AtomicUsize::new(0));
        let counter = fetched.clone();
        let piece = move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(Bytes::from_static(b"piece"))
        };
        let (moving, mut relayed) = relay(stream::iter((0..1_000).map(piece)).boxed(), 5_000);
        let mut moving = pin!(moving);
        let mut buffer = [0; 5];
        for read in 0..1_000 {
            // Moved as far as it goes.
            let moved = moving.as_mut().now_or_never();
            assert!(fetched.load(Ordering::SeqCst) <= read + WAITING + 1, "after {read}");
            assert_eq!(moved.is_some(), read + WAITING > 1_000, "after {read}");
            relayed.read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"piece");
            if moved.is_some() {
                break;
            }
        }
    }

    #[test]
    fn an_end_that_was_not_said_is_no_end() {
        let (moving, mut relayed) = relay(stream::iter([Ok(Bytes::from_static(b"half"))]).boxed(), 8);
        assert!(matches!(moving.now_or_never(), Some(Moved::Failed(_))));
        assert!(relayed.read_to_end(&mut Vec::new()).is_err());

        let (moving, mut relayed) = relay(stream::iter([Ok(Bytes::from_static(b"whole"))]).boxed(), 5);
        assert_eq!(moving.now_or_never(), Some(Moved::Whole));
        assert_eq!(relayed.read_to_end(&mut Vec::new()).unwrap(), 5);

        let (moving, relayed) = relay(stream::iter([Ok(Bytes::from_static(b"whole"))]).boxed(), 5);
        drop(relayed);
        assert_eq!(moving.now_or_never(), Some(Moved::NotTaken));
    }
}
