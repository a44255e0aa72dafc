//! Comparing who is there with who was told to be there: after a start, after the death of another node, and where an app's
//! webhooks have changed.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{Place, concerns_channel, concerns_members};
use crate::core::error::{BusError, StorageError};
use crate::core::model::{
    App, AppIdent, ChannelKind, ChannelName, OccupiedChannel, OutboxEvent, OutboxEventKind,
    ReportedPresence,
};
use crate::core::service::Service;

/// How often a node that is not alone looks for what a dead one has left, where nobody says that one has died.
const ROUND: Duration = Duration::from_secs(10);

/// How long to wait where the store or the other nodes are away.
const RETRY: Duration = Duration::from_secs(1);

/// Who is seen there may have come after the webhooks were set: then that is told by whoever let them in, no later than this,
/// and must not be taken for remembered by then.
const NOTICED: Duration = Duration::from_millis(100);

/// Apps, marks or channels that are read at a time.
const PAGE: usize = 1000;

/// Why it could not be compared.
#[derive(Debug, thiserror::Error)]
enum ReviewError {
    #[error(transparent)]
    Store(#[from] StorageError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// The apps with webhooks, as of a revision of the store.
#[derive(Default)]
struct Concerned {
    revision: Option<u64>,
    apps: Vec<App>,
}

impl Service {
    /// Finds what was missed, until `stop` ends. A place that a node left without a word (it was killed) is looked at once
    /// more after the same patience as any other.
    pub async fn review(&self, stop: impl Future<Output = ()>) {
        let work = async {
            let mut concerned = Concerned::default();
            while let Err(error) = self.review_all(&mut concerned).await {
                tracing::debug!(%error, "what webhooks were told cannot be compared now");
                sleep(RETRY).await;
            }
            loop {
                let round = async {
                    match self.rules.webhooks.alone {
                        true => std::future::pending().await,
                        false => drop(timeout(ROUND, self.hooks.gone.notified()).await),
                    }
                };
                tokio::select! {
                    () = self.hooks.review.notified() => self.review_changed().await,
                    // What fails is done in the next round.
                    () = round => drop(self.review_all(&mut concerned).await),
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop => {}
        }
    }

    async fn review_all(&self, concerned: &mut Concerned) -> Result<(), ReviewError> {
        let revision = self.ports.stores.apps.revision().await?;
        if concerned.revision != Some(revision) {
            concerned.apps.clear();
            let mut after = 0;
            loop {
                let page = self.ports.stores.apps.list(after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.id;
                concerned.apps.extend(
                    page.into_iter()
                        .filter(|app| !app.settings.webhooks.is_empty()),
                );
            }
            concerned.revision = Some(revision);
        }
        for app in &concerned.apps {
            self.compare(app, true).await?;
        }
        Ok(())
    }

    /// Whoever is there when webhooks are set is remembered without a word: they are told of what happens from then on.
    async fn review_changed(&self) {
        let changed: HashSet<AppIdent> = std::mem::take(&mut *self.hooks.changed.lock());
        for ident in changed {
            let Ok(Some(app)) = self.app_by_ident(&ident).await else {
                continue;
            };
            if let Err(error) = self.compare(&app, false).await {
                tracing::debug!(%error, "what webhooks were told cannot be compared now");
                sleep(RETRY).await;
                self.hooks.changed(&ident);
            }
        }
    }

    /// Compares what was told with what is; `told`: the webhooks are told of the difference.
    async fn compare(&self, app: &App, told: bool) -> Result<(), ReviewError> {
        let marks = self.marks(app).await?;
        let there = self.there(app).await?;
        // Members before their channel, as they leave.
        for mark in marks.iter().rev().filter(|mark| !there.contains(*mark)) {
            let place = Place {
                app: app.ident.clone(),
                channel: mark.channel.clone(),
                user: mark.user.clone(),
            };
            if self.hooks.is_leaving(&place) {
                continue;
            }
            if told {
                self.hooks.leaves(place);
            } else {
                let what = mark
                    .user
                    .clone()
                    .map_or(OutboxEventKind::Vacated, OutboxEventKind::MemberRemoved);
                self.hooks.gather(OutboxEvent {
                    addresses: Vec::new(),
                    ..self.happening(app, &mark.channel, what)
                });
            }
        }
        if !told {
            sleep(NOTICED).await;
        }
        for mark in there.difference(&marks) {
            let what = mark
                .user
                .clone()
                .map_or(OutboxEventKind::Occupied, OutboxEventKind::MemberAdded);
            let mut happening = self.happening(app, &mark.channel, what);
            if !told {
                happening.addresses.clear();
            }
            self.hooks.gather(happening);
        }
        Ok(())
    }

    /// Who is there by what the webhooks were told.
    async fn marks(&self, app: &App) -> Result<BTreeSet<ReportedPresence>, ReviewError> {
        let mut marks = BTreeSet::new();
        loop {
            let page = self
                .ports
                .stores
                .outbox
                .standing(&app.ident, marks.last(), PAGE)
                .await?;
            if page.is_empty() {
                return Ok(marks);
            }
            marks.extend(page);
        }
    }

    /// Who is there, as far as the webhooks are concerned.
    async fn there(&self, app: &App) -> Result<BTreeSet<ReportedPresence>, ReviewError> {
        let mut there = BTreeSet::new();
        let mut after: Option<ChannelName> = None;
        loop {
            let page = self
                .ports
                .nodes
                .roster
                .channels(&app.ident, "", after.as_ref(), PAGE)
                .await?;
            let Some(last) = page.last() else {
                return Ok(there);
            };
            after = Some(last.channel.clone());
            for OccupiedChannel { channel, .. } in page {
                if channel.kind() == ChannelKind::Presence && concerns_members(app, &channel) {
                    let members = self
                        .ports
                        .nodes
                        .presence
                        .members(&app.ident, &channel)
                        .await?;
                    there.extend(members.iter().map(|member| ReportedPresence {
                        channel: channel.clone(),
                        user: Some(member.user_id.clone()),
                    }));
                }
                if concerns_channel(app, &channel) {
                    there.insert(ReportedPresence {
                        channel,
                        user: None,
                    });
                }
            }
        }
    }
}
