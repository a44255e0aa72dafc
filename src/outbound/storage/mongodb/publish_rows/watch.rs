//! Watching for documents that applications insert.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::change_stream::ChangeStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// The interval of polling where the server has no change streams: it is no replica set.
const POLL: Duration = Duration::from_millis(250);

/// The same beside a change stream, as a safety net.
const WATCHED_POLL: Duration = Duration::from_secs(1);

/// The pause after a change stream that failed.
const RETRY: Duration = Duration::from_secs(30);

/// The change stream of `pushi_publish`, opened by the first call.
#[derive(Default)]
pub(crate) struct RowWatch(Mutex<State>);

#[derive(Default)]
struct State {
    stream: Option<ChangeStream<Document>>,
    /// No new stream before this time.
    retry: Option<Instant>,
}

impl RowWatch {
    /// Waits for an insert, at most for the polling interval.
    pub(super) async fn inserted(&self, rows: &Collection<Document>) {
        let mut state = self.0.lock().await;
        let Some(stream) = &mut state.stream else {
            if state.retry.is_some_and(|retry| retry > Instant::now()) {
                return sleep(POLL).await;
            }
            let inserts = [
                doc! { "$match": { "operationType": "insert" } },
                doc! { "$project": { "_id": 1 } },
            ];
            match timeout(WATCHED_POLL, rows.watch().pipeline(inserts)).await {
                // Documents may have been inserted before.
                Ok(Ok(stream)) => state.stream = Some(stream.with_type()),
                _ => {
                    state.retry = Some(Instant::now() + RETRY);
                    sleep(POLL).await;
                }
            }
            return;
        };
        let mut next = timeout(WATCHED_POLL, stream.next()).await.ok();
        // What has arrived besides is for the same documents.
        while let Some(Some(Ok(_))) = next {
            next = stream.next().now_or_never();
        }
        if matches!(next, Some(None | Some(Err(_)))) {
            state.stream = None;
            state.retry = Some(Instant::now() + RETRY);
        }
    }
}
