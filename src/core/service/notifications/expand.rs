//! Putting a notification for each target of a publish into the outbox.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{sleep, timeout};

use super::pages::TargetPages;
use super::queue::TransientPublish;
use super::{NotificationQueue, NotificationRules, RenderEvent};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, DuePublish, NewEvent, Notification, OutboxEvent, OutboxEventKind, Position, Timestamp,
};
use crate::core::ports::{Clock, Stores};
use crate::core::service::webhooks::OutboxSpace;
use crate::core::service::work_in_progress::while_working;

/// The jobs at the same time, each for the stored or for the other publishes of one app, and those that use the store at the same
/// time, without those that wait for their turn.
const JOBS: usize = 64;
const CONCURRENT: usize = 3;

/// The publishes of one app that are processed together, and the notifications that are read and written together, about: a
/// publisher waits for one write at most.
const BATCH: usize = 32;
const WRITTEN: usize = 256;

/// How long a claim lasts. It is extended with every page, and where less than half of it is left.
const CLAIM: Duration = Duration::from_secs(20);

/// How often the store is polled, for events that another process has left.
const POLL: Duration = Duration::from_secs(1);

/// The pause after a failure of the store, and where the app has no space in the outbox.
const RETRY: Duration = Duration::from_secs(1);

/// How long a shutdown waits for the pages in progress, and for events that are not stored.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// Puts notifications into the outbox, each app in its turn.
pub struct NotificationExpander {
    stores: Stores,
    clock: Arc<dyn Clock>,
    queue: Arc<NotificationQueue>,
    rules: NotificationRules,
    render: RenderEvent,
    space: Mutex<OutboxSpace>,
    permits: Semaphore,
    /// The name of this node in the claims.
    holder: String,
}

/// A publish whose targets are being read.
struct Work {
    event: Arc<NewEvent>,
    position: Option<Position>,
    publish: Arc<str>,
    /// `None`: the event is not stored.
    due: Option<DuePublish>,
    claimed_until: Timestamp,
    pages: TargetPages,
    /// Whether a page was read.
    has_begun: bool,
}

impl Work {
    fn stored(due: DuePublish, claimed_until: Timestamp) -> Self {
        Self {
            event: Arc::new(due.event.new.clone()),
            position: Some(due.event.position),
            publish: Arc::clone(&due.publish),
            pages: TargetPages::new(&due.app, &due.event.new.channel, due.cursor.as_deref()),
            due: Some(due),
            claimed_until,
            has_begun: false,
        }
    }

    fn transient(transient: TransientPublish) -> Self {
        let TransientPublish { event, publish } = transient;
        Self {
            pages: TargetPages::new(&event.app, &event.channel, None),
            event,
            position: None,
            publish,
            due: None,
            claimed_until: Timestamp::default(),
            has_begun: false,
        }
    }
}

/// What is processed together.
enum Job {
    Stored(AppIdent),
    /// Events that are not stored.
    Transient(AppIdent),
}

/// The apps that have a job of a kind, at most [`JOBS`].
#[derive(Default)]
struct BusyApps {
    stored: Vec<AppIdent>,
    transient: Vec<AppIdent>,
}

impl BusyApps {
    fn ended(&mut self, job: &Job) {
        let (apps, ended) = match job {
            Job::Stored(app) => (&mut self.stored, app),
            Job::Transient(app) => (&mut self.transient, app),
        };
        apps.retain(|app| app != ended);
    }
}

impl NotificationExpander {
    pub(in crate::core::service) fn new(
        stores: &Stores,
        clock: Arc<dyn Clock>,
        queue: Arc<NotificationQueue>,
        rules: NotificationRules,
        render: RenderEvent,
        outbox_bytes: u64,
        holder: String,
    ) -> Self {
        Self {
            stores: stores.clone(),
            clock,
            queue,
            rules,
            render,
            // Half of it: notifications wait where the outbox is full, and web hooks are lost.
            space: Mutex::new(OutboxSpace::new(outbox_bytes / 2)),
            permits: Semaphore::new(CONCURRENT),
            holder,
        }
    }

    /// Processes publishes as they are due, until `stop` ends.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        if !self.rules.enabled {
            return stop.await;
        }
        // Where the store is unavailable, the claims of the previous run expire by themselves.
        let _ = self.stores.due.release_due(&self.holder).await;
        tokio::select! {
            () = self.process() => {}
            () = self.queue.follow() => {}
            () = stop => {}
        }
        // Events that are not stored are known to this node only.
        let rest = async {
            while let Some((_, transient)) = self.queue.pop_some(BATCH, &[]) {
                self.expand(transient.into_iter().map(Work::transient).collect())
                    .await;
            }
        };
        let _ = timeout(SHUTDOWN_GRACE, rest).await;
        if !self.queue.is_empty() {
            tracing::warn!("shutdown: notifications of events that are not stored lost");
        }
        let _ = self.stores.due.release_due(&self.holder).await;
    }

    async fn process(&self) {
        let mut jobs = FuturesUnordered::new();
        let mut busy = BusyApps::default();
        let mut last: Option<AppIdent> = None;
        loop {
            let mut found = false;
            while jobs.len() < JOBS
                && let Some((app, transient)) = self.queue.pop_some(BATCH, &busy.transient)
            {
                found = true;
                busy.transient.push(app.clone());
                let work = transient.into_iter().map(Work::transient).collect();
                jobs.push(self.job(Job::Transient(app), work));
            }
            let turn = (busy.stored.clone(), last.clone());
            let claim = self.claim(turn, JOBS.saturating_sub(jobs.len()));
            for (app, claimed) in while_working(&mut jobs, |done| busy.ended(&done), claim).await {
                found = true;
                busy.stored.push(app.clone());
                last = Some(app.clone());
                let until = self.clock.now().plus(CLAIM);
                let work = claimed.into_iter().map(|due| Work::stored(due, until));
                let work = work.collect();
                jobs.push(self.job(Job::Stored(app), work));
            }
            if found && jobs.len() < JOBS {
                continue;
            }
            tokio::select! {
                Some(done) = jobs.next() => busy.ended(&done),
                () = self.queue.recorded.notified(), if jobs.len() < JOBS => {}
                () = sleep(POLL) => {}
            }
        }
    }

    /// The due publishes by app.
    async fn claim(
        &self,
        (busy, last): (Vec<AppIdent>, Option<AppIdent>),
        apps: usize,
    ) -> Vec<(AppIdent, Vec<DuePublish>)> {
        if apps == 0 {
            return Vec::new();
        }
        let now = self.clock.now();
        let due = &self.stores.due;
        let (turn, until) = ((&*busy, last.as_ref()), now.plus(CLAIM));
        let claim = due.claim_due(&self.holder, now, until, turn, apps, BATCH);
        let claimed = self.queue.pacing.call(claim).await;
        let claimed = claimed.unwrap_or_else(|error| {
            tracing::debug!(error = error.chain(), "due publishes not claimed");
            Vec::new()
        });
        let mut by_app: Vec<(AppIdent, Vec<DuePublish>)> = Vec::new();
        for due in claimed {
            match by_app.last_mut().filter(|(app, _)| *app == due.app) {
                Some((_, of_app)) => of_app.push(due),
                None => by_app.push((due.app.clone(), vec![due])),
            }
        }
        by_app
    }

    async fn job(&self, job: Job, work: Vec<Work>) -> Job {
        self.expand(work).await;
        job
    }

    /// Processes publishes of one app to their end.
    async fn expand(&self, mut work: Vec<Work>) {
        while !work.is_empty() {
            match self.expand_page(&mut work).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::debug!(error = error.chain(), "targets not read, retrying");
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Puts the next page of the first publishes into the outbox, and removes those that have no more.
    async fn expand_page(&self, work: &mut Vec<Work>) -> Result<(), StorageError> {
        let mut events = Vec::new();
        let mut finished = Vec::new();
        let mut failure = None;
        let mut read = 0;
        let permit = self.permits.acquire().await;
        for (at, work) in work.iter_mut().enumerate() {
            if read >= WRITTEN {
                break;
            }
            let addresses = match work.pages.next(&self.stores).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            };
            if addresses.is_empty() {
                finished.push(at);
                continue;
            }
            read += addresses.len();
            work.has_begun = true;
            let frame = (self.render)(&work.event, work.position);
            events.push(OutboxEvent {
                app: work.event.app.clone(),
                channel: work.event.channel.clone(),
                at: work.event.timestamp,
                kind: OutboxEventKind::Notification(Notification {
                    event: Arc::clone(&work.event.payload.event),
                    frame: frame.into(),
                    mid: Arc::clone(&work.event.mid.0),
                    publish: Arc::clone(&work.publish),
                }),
                addresses: addresses.into(),
            });
        }
        drop(permit);
        if !events.is_empty() {
            self.put(&mut events, work).await;
        }
        let mut done = Vec::with_capacity(finished.len());
        for at in finished.into_iter().rev() {
            done.extend(work.remove(at).due);
        }
        if !done.is_empty() {
            // Where it fails, the publish is processed again when the claim expires, and the outbox skips what it has.
            let finish = self.stores.due.finish_due(&done);
            self.queue.pacing.call(finish).await?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// Writes notifications, as soon as the app has space for them.
    async fn put(&self, events: &mut Vec<OutboxEvent>, work: &mut [Work]) {
        loop {
            let mut rejected = {
                let mut space = self.space.lock().await;
                space.reject(&*self.stores.outbox, events).await
            };
            while !events.is_empty() {
                let mut count = 0;
                let written = events.iter().take_while(|event| {
                    let is_within = count < WRITTEN;
                    count += event.addresses.len();
                    is_within
                });
                let written = written.count();
                let put = self.stores.outbox.put(&events[..written]);
                let pacing = &self.queue.pacing;
                match pacing.call_with_permit(&self.permits, put).await {
                    Ok(()) => {
                        events.drain(..written);
                        self.queue.notify_sender();
                    }
                    Err(error) => {
                        tracing::warn!(error = error.chain(), "notifications not stored, retrying");
                        break;
                    }
                }
            }
            if work.iter().any(|work| work.due.is_none()) {
                // Nothing in the store has them, and their memory is bounded.
                for event in rejected.drain(..) {
                    self.queue.lose(&event.app);
                }
            }
            events.append(&mut rejected);
            let is_done = events.is_empty();
            self.extend(work, is_done).await;
            if is_done {
                return;
            }
            sleep(RETRY).await;
        }
    }

    /// Records how far the publishes have come, and extends the claims.
    async fn extend(&self, work: &mut [Work], advanced: bool) {
        for work in work {
            let Some(due) = &mut work.due else { continue };
            let cursor = match work.has_begun && advanced {
                // A publish with few targets is finished next.
                true if work.pages.cursor().is_none() => continue,
                true => work.pages.cursor(),
                false => due.cursor.clone(),
            };
            let now = self.clock.now();
            if cursor == due.cursor && now.plus(CLAIM / 2) < work.claimed_until {
                continue;
            }
            let until = now.plus(CLAIM);
            let advance = self.stores.due.advance_due(due, cursor.as_deref(), until);
            if self.queue.pacing.call(advance).await.is_ok() {
                (due.cursor, work.claimed_until) = (cursor, until);
            }
        }
    }
}
