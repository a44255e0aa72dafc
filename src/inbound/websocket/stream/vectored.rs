//! Vectored writes of a large frame: its parts are written from the memory where they are kept.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// The most parts in one write; Linux accepts 1,024.
const MAX_SLICES: usize = 128;

/// The unwritten rest of a frame, in parts that other connections may share. No part is empty.
pub(super) struct VectoredFrame(VecDeque<Bytes>);

impl VectoredFrame {
    pub(super) fn new(parts: Vec<Bytes>) -> Self {
        Self(parts.into_iter().filter(|part| !part.is_empty()).collect())
    }

    /// The number of unwritten bytes.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Writes the rest; ready once everything is written.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.0.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = slices
                .iter_mut()
                .zip(&self.0)
                .map(|(slice, part)| *slice = IoSlice::new(part))
                .count();
            let slices = slices.get(..count).unwrap_or_default();
            let written = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, slices))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.0.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.0.pop_front();
        }
    }
}
