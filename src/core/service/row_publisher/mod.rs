//! Publishing rows that applications insert into the store in transactions of their own.
//!
//! [`RowPublisher::run`] reads committed rows in the order of their ids, in turn by app, and hands them to the append queue. The
//! commit that stores an event removes its row, so a row becomes an event exactly once, whatever fails and however many nodes
//! try. One entry of the queue has all rows of an app in a round: where one of its commits fails, nothing later of it is stored,
//! so no event overtakes an earlier one. A row that cannot be published is moved aside with the reason.
//!
//! Of several nodes, the one with the lease publishes. That saves work in vain and is not needed to be correct.

mod event;
mod state;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

pub use self::event::ReadExtra;
use self::event::RowEvent;
pub use self::state::RowState;
use self::state::StateCell;
use super::append_queue::{AppendQueue, InsertedRow, PendingAppend, ReplyTo};
use super::id_sequence::IdSequence;
use super::{AppCache, NotificationQueue};
use crate::core::auth::{self, RandomError};
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, Limits, Mid, NewEvent, Position};
use crate::core::ports::{Bus, Clock, Metrics, OldestRow, PublishRows, RowId, RowLimit, Source};

/// The apps of one round.
const APPS: usize = 16;

/// The rows of an app in one round, and the bytes of their texts: about those of one commit.
const ROWS: usize = 500;
const BYTES: usize = 512 * 1024;

/// The largest row where the body of a request has no limit.
const MAX_ROW_BYTES: usize = 16 << 20;

/// The lease, and the time before its end from which on it is renewed.
const LEASE: Duration = Duration::from_secs(5);
const RENEW: Duration = Duration::from_secs(3);

/// The pause of a node while another one has the lease.
const STANDBY: Duration = Duration::from_secs(1);

/// The pause where all rows must wait, or the store is unavailable.
const RETRY: Duration = Duration::from_millis(100);

/// What [`RowPublisher`] uses.
pub(super) struct RowParts {
    pub rows: Arc<dyn PublishRows>,
    pub apps: Arc<AppCache>,
    pub appends: Arc<AppendQueue>,
    pub notifications: Arc<NotificationQueue>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<dyn Metrics>,
    pub limits: Limits,
    pub read_extra: ReadExtra,
    pub enabled: bool,
    pub single_node: bool,
}

/// Publishes rows. In memory there are the rows of one round: of 17 apps, each 500 rows or 512 KiB, or one larger row.
pub struct RowPublisher {
    parts: RowParts,
    holder: String,
    mids: IdSequence,
    state: StateCell,
}

/// The result of an entry of the append queue.
type Queued = oneshot::Receiver<Result<Vec<Position>, StorageError>>;

/// Where the rounds are.
#[derive(Default)]
struct Progress {
    /// The last app of the round before.
    after: String,
    /// The end of the lease.
    held_until: Option<Instant>,
}

/// How a round ended.
enum Round {
    /// There are no rows.
    Idle,
    /// Rows were published or rejected; there may be more.
    Done,
    /// Another node has the lease.
    Standby,
    /// All rows must wait, for the store or the bus.
    Blocked,
}

impl RowPublisher {
    pub(super) fn new(parts: RowParts) -> Result<Self, RandomError> {
        let state = StateCell::new(parts.enabled);
        Ok(Self {
            parts,
            holder: auth::random_hex::<8>()?,
            mids: IdSequence::new()?,
            state,
        })
    }

    /// The state as of now.
    pub(super) fn state(&self) -> RowState {
        self.state.get(self.parts.clock.now())
    }

    /// Publishes rows until `stop` ends; rows that are in the append queue then are still published.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        if !self.parts.enabled {
            return;
        }
        tokio::select! {
            () = self.publish() => {}
            () = stop => {}
        }
        if !self.parts.single_node {
            // Where it fails, the lease expires.
            let _ = self.parts.rows.release(&self.holder).await;
        }
    }

    async fn publish(&self) {
        let mut progress = Progress::default();
        loop {
            match self.round(&mut progress).await {
                Ok(Round::Idle) => self.parts.rows.inserted().await,
                Ok(Round::Done) => {}
                Ok(Round::Standby) => sleep(STANDBY).await,
                Ok(Round::Blocked) => sleep(RETRY).await,
                Err(error) => {
                    if self.state.failed() {
                        tracing::warn!(
                            error = error.chain(),
                            "rows of pushi_publish cannot be read, retrying"
                        );
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn round(&self, progress: &mut Progress) -> Result<Round, StorageError> {
        let oldest = self.parts.rows.oldest().await?;
        self.state
            .read(oldest.as_ref().map(|oldest| oldest.created));
        let Some(OldestRow { app: first, .. }) = oldest else {
            return Ok(Round::Idle);
        };
        if !self.hold(progress).await? {
            return Ok(Round::Standby);
        }
        let mut queued = Vec::new();
        let taken = self.take_turns(&first, progress, &mut queued).await;
        let mut done = matches!(taken, Ok(true));
        // Also after a failure: rows in the queue must not be read again.
        for result in queued {
            done |= matches!(result.await, Ok(Ok(_)));
        }
        match taken {
            Err(error) => Err(error),
            Ok(_) if done => Ok(Round::Done),
            Ok(_) => Ok(Round::Blocked),
        }
    }

    /// Takes rows of the app with the oldest one, and of those whose turn it is; returns whether some were rejected. The commit
    /// of the first ones begins meanwhile.
    async fn take_turns(
        &self,
        first: &str,
        progress: &mut Progress,
        queued: &mut Vec<Queued>,
    ) -> Result<bool, StorageError> {
        let mut rejected = self.take(first, queued).await?;
        let apps = self.parts.rows.apps(&progress.after, APPS).await?;
        progress.after = apps.last().cloned().unwrap_or_default();
        for app in apps.iter().filter(|app| *app != first) {
            rejected |= self.take(app, queued).await?;
        }
        Ok(rejected)
    }

    /// Whether this node has the lease, which a single node does not need.
    async fn hold(&self, progress: &mut Progress) -> Result<bool, StorageError> {
        let now = Instant::now();
        if self.parts.single_node || progress.held_until.is_some_and(|until| until > now + RENEW) {
            return Ok(true);
        }
        progress.held_until = None;
        let time = self.parts.clock.now();
        let until = time.plus(LEASE);
        let held = self.parts.rows.hold(&self.holder, time, until).await?;
        progress.held_until = held.then_some(now + LEASE);
        Ok(held)
    }

    /// Puts the oldest rows of an app into the append queue, and moves those aside that cannot be published; returns whether
    /// there were any of these.
    async fn take(&self, name: &str, queued: &mut Vec<Queued>) -> Result<bool, StorageError> {
        let row_bytes = match usize::try_from(self.parts.limits.body_bytes) {
            Ok(0) | Err(_) => MAX_ROW_BYTES,
            Ok(limit) => limit,
        };
        let limit = RowLimit {
            rows: ROWS,
            bytes: BYTES,
            row_bytes,
        };
        let rows = self.parts.rows.rows(name, limit).await?;
        let Some(app) = self.app(name).await? else {
            let reason = "there is no app with this id or key: create it, or correct app";
            let rejected = rows.into_iter().map(|row| (row.id, reason.to_owned()));
            return self.reject(rejected.collect()).await;
        };
        if self.parts.bus.is_full(&app.ident) {
            return Ok(false);
        }
        let mut entry = PendingAppend {
            events: Vec::with_capacity(rows.len()),
            except: None,
            persist: true,
            mark: None,
            repeatable: false,
            rows: Vec::with_capacity(rows.len()),
            reply_to: ReplyTo::Rest,
        };
        let mut rejected = Vec::new();
        for row in rows {
            match RowEvent::read(
                row.content,
                &self.parts.limits,
                row_bytes,
                self.parts.read_extra,
            ) {
                Ok(event) => self.add(&app, row.id, row.mid, event, &mut entry),
                Err(reason) => rejected.push((row.id, reason)),
            }
        }
        let has_rejected = self.reject(rejected).await?;
        if !entry.events.is_empty() {
            let persisted: Vec<bool> = entry.rows.iter().map(|row| row.persist).collect();
            let (sender, receiver) = oneshot::channel();
            entry.reply_to = ReplyTo::Request(sender);
            if self.parts.appends.enqueue_rows(&app.ident, entry).is_ok() {
                queued.push(receiver);
                for persist in persisted {
                    self.parts.metrics.published(Source::Row, persist);
                }
            }
        }
        Ok(has_rejected)
    }

    /// The app that rows name by its id or its key.
    async fn app(&self, name: &str) -> Result<Option<Arc<App>>, StorageError> {
        let Ok(ident) = AppIdent::parse(name) else {
            return self.parts.apps.get_by_key(name).await;
        };
        match self.parts.apps.get(&ident).await? {
            Some(app) => Ok(Some(app)),
            None => self.parts.apps.get_by_key(name).await,
        }
    }

    fn add(
        &self,
        app: &App,
        id: RowId,
        mid: Option<Mid>,
        row: RowEvent,
        entry: &mut PendingAppend,
    ) {
        let event = Arc::new(NewEvent {
            app: app.ident.clone(),
            mid: mid.unwrap_or_else(|| self.new_mid()),
            channel: row.channel,
            owner_id: None,
            timestamp: self.parts.clock.now(),
            publish: None,
            payload: row.payload,
        });
        let mark = self.parts.notifications.mark(std::slice::from_ref(&event));
        entry.events.push(event);
        entry.rows.push(InsertedRow {
            id,
            persist: row.persist,
            mark,
        });
    }

    /// Moves rows aside; returns whether there were any.
    async fn reject(&self, rejected: Vec<(RowId, String)>) -> Result<bool, StorageError> {
        let Some((_, reason)) = rejected.first() else {
            return Ok(false);
        };
        let reason = reason.clone();
        let now = self.parts.clock.now();
        self.parts.rows.reject(&rejected, now).await?;
        let count = rejected.len() as u64;
        self.parts.metrics.rows_rejected(count);
        tracing::warn!(
            rows = count,
            reason,
            "rows cannot be published and were moved to pushi_publish_failed"
        );
        self.state.rejected(count, reason);
        Ok(true)
    }

    fn new_mid(&self) -> Mid {
        Mid(self.mids.next().into())
    }
}
