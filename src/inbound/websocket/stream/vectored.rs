//! Vectored writes of large frames: their parts are written from the memory where they are kept.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// The most parts in one write; Linux accepts 1,024.
const MAX_SLICES: usize = 128;

/// The unwritten rest of frames, in parts that other connections may share. No part is empty.
#[derive(Default)]
pub(super) struct VectoredFrames(VecDeque<Bytes>);

impl VectoredFrames {
    /// Appends parts.
    pub(super) fn extend(&mut self, parts: impl IntoIterator<Item = Bytes>) {
        self.0
            .extend(parts.into_iter().filter(|part| !part.is_empty()));
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
