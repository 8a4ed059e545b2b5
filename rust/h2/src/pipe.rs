//! The connection in memory that the crate reads from and writes to.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets that were fed and not read yet, and octets that were written and not taken yet.
#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) input: Bytes,
    pub(crate) output: Vec<u8>,
}

/// One end of the pipe for the crate, another for the connection around it.
#[derive(Clone, Default)]
pub(crate) struct Io(Arc<Mutex<Pipe>>);

impl Io {
    /// The pipe itself. No lock is held while another is taken, so that this never waits.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // There is never an end here: what the end means is decided a stream at a time, in `connection`.
        let mut pipe = self.lock();
        let count = buffer.remaining().min(pipe.input.len());
        if count == 0 {
            return Poll::Pending;
        }
        buffer.put_slice(&pipe.input[..count]);
        pipe.input.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().output.extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
