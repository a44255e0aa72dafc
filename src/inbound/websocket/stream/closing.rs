//! The closing handshake.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_util::sync::CancellationToken;

use super::WebSocketStream;

/// The time that a client has to read the last frames.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// The same for a client that was closed because it did not read.
const SLOW_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The time for which, and the bytes up to which, the stream is read after the close frame:
/// dropping a socket with unread bytes resets it, and the reset can discard the close code at the
/// client.
const LINGER: Duration = Duration::from_secs(2);
const MAX_LINGER_BYTES: usize = 16 * 1024 * 1024;

/// Writes the queue and a close frame, and gives the client time to read them, until `cut_off`.
pub(crate) async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: WebSocketStream<S>,
    frame: Option<CloseFrame>,
    cut_off: &CancellationToken,
) {
    let is_slow = frame
        .as_ref()
        .is_some_and(|frame| u16::from(frame.code) == 4100);
    let limit = if is_slow {
        SLOW_FLUSH_TIMEOUT
    } else {
        FLUSH_TIMEOUT
    };
    stream.queue_close(frame);
    let flush = poll_fn(|cx| stream.poll_flush(cx));
    match cut_off.run_until_cancelled(timeout(limit, flush)).await {
        Some(Ok(Ok(()))) => {}
        Some(_) => return,
        None => {
            let unread = stream.queued();
            tracing::debug!(unread, "client cut off by the end of the drain time");
            return;
        }
    }
    let linger = async {
        if poll_fn(|cx| stream.poll_shutdown(cx)).await.is_err() {
            return;
        }
        let mut read = 0;
        while let Ok(count) = poll_fn(|cx| stream.poll_discard(cx)).await {
            read += count;
            if count == 0 || read > MAX_LINGER_BYTES {
                return;
            }
        }
    };
    cut_off.run_until_cancelled(timeout(LINGER, linger)).await;
}
