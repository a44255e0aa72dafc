//! Reading the heads of channels that begin to be watched.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Resequencer;
use super::backfill::{
    BACKFILL_TIMEOUT, GAP_TIMEOUT, HEAD_TIMEOUT, HEADS_PER_QUERY, MISSED_PER_QUERY,
};
use super::sequence::Expected;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Timestamp};
use crate::core::ports::BusSink;

/// How long before the watch an event may have been published that was stored after it. Only where the head is read late:
/// then commits take long, too.
const COMMIT_WINDOW: Duration = Duration::from_secs(5);

/// A channel that begins to be watched.
pub(super) struct HeadRequest {
    app: AppIdent,
    channel: ChannelName,
    /// When it began to be watched, by the wall clock and by the timer.
    watched: Timestamp,
    since: Instant,
    /// Notified once the head is read or could not be read.
    done: Option<oneshot::Sender<()>>,
}

impl Resequencer {
    /// Waits until the channel's head is read, or could not be read.
    pub(super) async fn wait_for_head(&self, app: &AppIdent, channel: &ChannelName) {
        let (done, read) = oneshot::channel();
        self.head_requests.lock().push(HeadRequest {
            app: app.clone(),
            channel: channel.clone(),
            watched: self.clock.now(),
            since: Instant::now(),
            done: Some(done),
        });
        self.head_requested.notify_one();
        // An unavailable store does not prevent a subscription.
        let _ = timeout(HEAD_TIMEOUT, read).await;
    }

    /// Reads the heads of channels that begin to be watched, all that are requested by then together. Those that could not be
    /// read are read again: until then the events of the channel are held.
    pub(super) async fn read_heads(&self) {
        let mut failed: Vec<HeadRequest> = Vec::new();
        loop {
            let requested = self.head_requested.notified();
            if failed.is_empty() {
                requested.await;
            } else {
                let _ = timeout(GAP_TIMEOUT, requested).await;
            }
            let mut apps: HashMap<AppIdent, Vec<HeadRequest>> = HashMap::new();
            let requests = std::mem::take(&mut *self.head_requests.lock());
            for request in std::mem::take(&mut failed).into_iter().chain(requests) {
                apps.entry(request.app.clone()).or_default().push(request);
            }
            for (app, requests) in apps {
                let mut requests = requests.into_iter().peekable();
                while requests.peek().is_some() {
                    let page = requests.by_ref().take(HEADS_PER_QUERY).collect();
                    failed.extend(self.read_page_of_heads(&app, page).await);
                }
            }
        }
    }

    /// Reads the heads of a page of channels; returns the requests that have to be repeated.
    async fn read_page_of_heads(
        &self,
        app: &AppIdent,
        requests: Vec<HeadRequest>,
    ) -> Vec<HeadRequest> {
        let channels: Vec<ChannelName> = requests
            .iter()
            .map(|request| request.channel.clone())
            .collect();
        let heads = match self.events.heads(app, &channels).await {
            Ok(heads) => heads,
            Err(error) => {
                tracing::warn!(error = error.chain(), "channel heads could not be read");
                Vec::new()
            }
        };
        let heads = heads.into_iter().map(Some).chain(std::iter::repeat(None));
        let mut failed = Vec::new();
        for (mut request, head) in requests.into_iter().zip(heads) {
            let is_read = match head {
                Some(head) => self.set_head(&request, head).await,
                None => false,
            };
            if let Some(done) = request.done.take() {
                // The watch may have timed out.
                let _ = done.send(());
            }
            if !is_read && self.is_repeated(&request) {
                failed.push(request);
            }
        }
        failed
    }

    /// Sets a channel's head; `false`: the store is unavailable.
    async fn set_head(&self, request: &HeadRequest, head: u64) -> bool {
        let (app, channel) = (&request.app, &request.channel);
        let late = self
            .shards
            .read(app, channel, |sequence| {
                sequence
                    .head_missed
                    .filter(|_| sequence.expected == Expected::HeadPending)
            })
            .flatten();
        let Some(watched) = late else {
            self.update(app, channel, |sequence, ready| {
                sequence.set_head(head, ready)
            });
            return true;
        };
        self.set_late_head(app, channel, head, watched)
            .await
            .is_ok()
    }

    /// Sets the head of a channel that has been watched for a time: what was stored since then is delivered, because it may
    /// have been sent already, or missed.
    async fn set_late_head(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        head: u64,
        watched: Timestamp,
    ) -> Result<(), StorageError> {
        let since = watched.minus(COMMIT_WINDOW);
        let mut events = self
            .events
            .history(app, channel, None, MISSED_PER_QUERY)
            .await?;
        let later = events
            .iter()
            .take_while(|event| event.new.timestamp > since);
        let count = later.count();
        events.truncate(count);
        let head = events
            .last()
            .map_or(head, |first| first.position.serial - 1);
        self.update(app, channel, |sequence, ready| {
            sequence.set_head(head, ready)
        });
        // Oldest first.
        for event in events.into_iter().rev() {
            self.deliver(self.to_message(event));
        }
        Ok(())
    }

    /// Whether a head that could not be read is read again. Where events have been held for too long, they are released.
    fn is_repeated(&self, request: &HeadRequest) -> bool {
        let mut is_pending = false;
        self.update(&request.app, &request.channel, |sequence, ready| {
            is_pending = sequence.expected == Expected::HeadPending;
            sequence.head_missed.get_or_insert(request.watched);
            if request.since.elapsed() > BACKFILL_TIMEOUT && sequence.first_held().is_some() {
                is_pending = false;
                return sequence.set_head_unknown(ready);
            }
            false
        });
        is_pending
    }
}
