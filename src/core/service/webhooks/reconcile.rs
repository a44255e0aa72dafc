//! Comparing the actual with the reported presence: after a start, after another node has failed, and where an
//! app's webhooks were changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use super::WebhookQueue;
use super::filter::{tracks_members, tracks_occupancy};
use super::grace_period::Departure;
use crate::core::error::{BusError, StorageError};
use crate::core::model::{
    App, ChannelKind, ChannelName, OccupiedChannel, OutboxEvent, OutboxEventKind, ReportedPresence,
};
use crate::core::ports::AppStore;
use crate::core::service::webhook_changes::WebhookChanges;

/// How often a node of a cluster compares all apps, where no failure of a node is reported.
const INTERVAL: Duration = Duration::from_secs(10);

/// The pause where the store or the other nodes are unavailable.
const RETRY: Duration = Duration::from_secs(1);

/// How long the comparison waits after webhooks were changed. A user who joined after the change is recorded by the join,
/// no later than this, and must not be reported as present before.
const SETTLE: Duration = Duration::from_millis(100);

/// The apps, reported presences or channels that are read at a time.
const PAGE: usize = 1000;

/// Why presence could not be compared.
#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error(transparent)]
    Store(#[from] StorageError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// The handling of a difference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Report {
    /// The webhooks receive it.
    Send,
    /// Only the reported presence changes.
    Silent,
}

/// The apps with webhooks, as of a revision of the store.
#[derive(Default)]
struct WebhookApps {
    revision: Option<u64>,
    apps: Vec<App>,
}

/// Records the differences between the actual and the reported presence.
pub struct Reconciler {
    store: Arc<dyn AppStore>,
    queue: Arc<WebhookQueue>,
    changes: Arc<WebhookChanges>,
    node_failed: Notify,
}

impl Reconciler {
    pub(in crate::core::service) fn new(
        store: Arc<dyn AppStore>,
        queue: Arc<WebhookQueue>,
        changes: Arc<WebhookChanges>,
    ) -> Self {
        Self {
            store,
            queue,
            changes,
            node_failed: Notify::new(),
        }
    }

    /// Wakes the comparison of all apps: another node has failed.
    pub(in crate::core::service) fn node_failed(&self) {
        self.node_failed.notify_one();
    }

    /// Records missed changes, until `stop` ends. A user of a failed node is checked again after the usual grace period.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let work = async {
            let mut apps = WebhookApps::default();
            while let Err(error) = self.reconcile_all(&mut apps).await {
                tracing::debug!(%error, "webhook presence not reconciled, retrying");
                sleep(RETRY).await;
            }
            let mut next = Instant::now() + INTERVAL;
            loop {
                let due = async {
                    match self.queue.single_node {
                        true => std::future::pending().await,
                        false => drop(timeout_at(next, self.node_failed.notified()).await),
                    }
                };
                tokio::select! {
                    // Frequent changes must not delay the comparison of all apps.
                    biased;
                    // A failure is repeated at the next interval.
                    () = due => {
                        let _ = self.reconcile_all(&mut apps).await;
                        next = Instant::now() + INTERVAL;
                    }
                    () = self.changes.added() => {
                        self.reconcile_each(&self.changes, Report::Silent).await;
                    }
                    () = self.queue.missed.added() => {
                        self.reconcile_each(&self.queue.missed, Report::Send).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = work => {}
            () = stop => {}
        }
    }

    async fn reconcile_all(&self, webhook_apps: &mut WebhookApps) -> Result<(), ReconcileError> {
        let revision = self.store.revision().await?;
        if webhook_apps.revision != Some(revision) {
            webhook_apps.apps.clear();
            let mut after = 0;
            loop {
                let page = self.store.list(after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.id;
                webhook_apps.apps.extend(
                    page.into_iter()
                        .filter(|app| !app.settings.webhooks.is_empty()),
                );
            }
            webhook_apps.revision = Some(revision);
        }
        for app in &webhook_apps.apps {
            // Its webhooks were set just now, and receive only later changes.
            if !self.changes.contains(&app.ident) {
                self.reconcile(app, Report::Send).await?;
            }
        }
        Ok(())
    }

    /// Users who are present when webhooks are set are added to the reported presence without an event: the webhooks receive
    /// only later changes. Where events were lost, the webhooks receive them now.
    async fn reconcile_each(&self, apps: &WebhookChanges, report: Report) {
        for ident in apps.take() {
            let Ok(Some(app)) = self.queue.apps.get(&ident).await else {
                continue;
            };
            if let Err(error) = self.reconcile(&app, report).await {
                tracing::debug!(%error, "webhook presence not reconciled, retrying");
                sleep(RETRY).await;
                apps.add(&ident);
            }
        }
    }

    /// Compares the reported presence with the members that are present, and records the difference.
    async fn reconcile(&self, app: &App, report: Report) -> Result<(), ReconcileError> {
        let reported = self.reported(app).await?;
        let present = self.present(app).await?;
        let record = |channel: &ChannelName, kind: OutboxEventKind| {
            let mut event: OutboxEvent = self.queue.event(app, channel, kind);
            if report == Report::Silent {
                event.addresses = Arc::default();
            }
            self.queue.push(event);
        };
        // Members before their channel, the order in which they leave.
        for gone in reported
            .iter()
            .rev()
            .filter(|gone| !present.contains(*gone))
        {
            let departure = Departure {
                app: app.ident.clone(),
                channel: gone.channel.clone(),
                user: gone.user.clone(),
            };
            if self.queue.has_departure(&departure) {
                continue;
            }
            match report {
                Report::Send => self.queue.add_departure(departure),
                Report::Silent => {
                    record(&gone.channel, OutboxEventKind::departed(gone.user.clone()));
                }
            }
        }
        if report == Report::Silent {
            sleep(SETTLE).await;
        }
        for new in present.difference(&reported) {
            record(&new.channel, OutboxEventKind::arrived(new.user.clone()));
        }
        Ok(())
    }

    async fn reported(&self, app: &App) -> Result<BTreeSet<ReportedPresence>, ReconcileError> {
        let mut reported = BTreeSet::new();
        loop {
            let page = self
                .queue
                .outbox
                .reported_presence(&app.ident, reported.last(), PAGE)
                .await?;
            if page.is_empty() {
                return Ok(reported);
            }
            reported.extend(page);
        }
    }

    /// The actual presence, on the channels that the outbox tracks.
    async fn present(&self, app: &App) -> Result<BTreeSet<ReportedPresence>, ReconcileError> {
        let nodes = &self.queue.nodes;
        let mut present = BTreeSet::new();
        let mut after: Option<ChannelName> = None;
        loop {
            let page = nodes
                .roster
                .channels(&app.ident, "", after.as_ref(), PAGE)
                .await?;
            let Some(last) = page.last() else {
                return Ok(present);
            };
            after = Some(last.channel.clone());
            for OccupiedChannel { channel, .. } in page {
                if channel.kind() == ChannelKind::Presence && tracks_members(app, &channel) {
                    let members = nodes.presence.members(&app.ident, &channel).await?;
                    present.extend(members.iter().map(|member| ReportedPresence {
                        channel: channel.clone(),
                        user: Some(member.user_id.clone()),
                    }));
                }
                if tracks_occupancy(app, &channel) {
                    present.insert(ReportedPresence {
                        channel,
                        user: None,
                    });
                }
            }
        }
    }
}
