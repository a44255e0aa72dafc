//! Writing what was noticed into the outbox.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{PATIENCE, Place};
use crate::core::model::{AppIdent, ChannelName, OutboxEvent, OutboxEventKind, UserId};
use crate::core::service::Service;

/// Happenings in one commit, and places that are looked at together.
const BATCH: usize = 1000;

/// How long to wait before asking a store again that was away.
const RETRY: Duration = Duration::from_secs(1);

/// Who is on a channel now.
enum Present {
    Anybody(bool),
    Users(HashSet<UserId>),
}

impl Present {
    fn holds(&self, place: &Place) -> bool {
        match (self, &place.user) {
            (Self::Users(users), Some(user)) => users.contains(user),
            (Self::Anybody(is_occupied), _) => *is_occupied,
            (Self::Users(users), None) => !users.is_empty(),
        }
    }
}

impl Service {
    /// Writes what gathers into the outbox, at once, until `stop` ends and nothing is left. Who left a moment ago then is still
    /// remembered as there: the next start looks whether they are.
    pub async fn record(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut stopping = false;
        loop {
            self.judge_leavers().await;
            let batch = self.take_gathered();
            if !batch.is_empty() {
                let put = async {
                    while let Err(error) = self.ports.stores.outbox.put(&batch).await {
                        tracing::warn!(
                            error = error.chain(),
                            "what webhooks are to be told waits for the store"
                        );
                        sleep(RETRY).await;
                    }
                };
                tokio::select! {
                    biased;
                    () = put => {}
                    () = &mut stop, if !stopping => {
                        // What was begun may be done or not: it can be put again.
                        self.give_back(batch);
                        stopping = true;
                        continue;
                    }
                    () = sleep(RETRY), if stopping => {
                        tracing::error!(count = batch.len(), "the store is away: webhooks are not told of what happened last");
                        return;
                    }
                }
                self.hooks.put.notify_one();
                self.look_again(&batch).await;
                continue;
            }
            if stopping {
                return;
            }
            let next = self.hooks.gathered.lock().leaving.next();
            let due = async {
                match next {
                    Some(then) => sleep_until(then).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.hooks.filled.notified() => {}
                () = due => {}
                () = &mut stop => stopping = true,
            }
        }
    }

    fn take_gathered(&self) -> Vec<OutboxEvent> {
        let mut gathered = self.hooks.gathered.lock();
        let lost = std::mem::take(&mut gathered.lost);
        let count = gathered.happenings.len().min(BATCH);
        let batch = gathered.happenings.drain(..count).collect();
        drop(gathered);
        if lost > 0 {
            tracing::error!(
                lost,
                "the store was away for too long: webhooks are not told of all that happened"
            );
        }
        batch
    }

    fn give_back(&self, batch: Vec<OutboxEvent>) {
        let mut gathered = self.hooks.gathered.lock();
        for happening in batch.into_iter().rev() {
            gathered.happenings.push_front(happening);
        }
    }

    /// Looks whether those who left have come back in time; what is to be told of the others gathers.
    async fn judge_leavers(&self) {
        let places = self
            .hooks
            .gathered
            .lock()
            .leaving
            .take(Instant::now(), BATCH);
        // Asked once a channel: many may have left the same.
        let mut present: HashMap<(AppIdent, ChannelName, bool), Option<Present>> = HashMap::new();
        for place in places {
            let key = (
                place.app.clone(),
                place.channel.clone(),
                place.user.is_some(),
            );
            let known = match present.remove(&key) {
                Some(known) => known,
                None => self.present_at(&place).await,
            };
            match (&known, self.app_by_ident(&place.app).await) {
                (_, Ok(None)) => {}
                (Some(known), Ok(Some(app))) if !known.holds(&place) => {
                    let what = place
                        .user
                        .clone()
                        .map_or(OutboxEventKind::Vacated, OutboxEventKind::MemberRemoved);
                    self.hooks
                        .gather(self.happening(&app, &place.channel, what));
                }
                (Some(_), Ok(Some(_))) => {}
                (None, _) | (_, Err(_)) => self
                    .hooks
                    .gathered
                    .lock()
                    .leaving
                    .add(place, Instant::now() + PATIENCE),
            }
            present.insert(key, known);
        }
    }

    /// `None`: it cannot be said now.
    async fn present_at(&self, place: &Place) -> Option<Present> {
        if place.user.is_none() {
            let occupancy = self
                .ports
                .nodes
                .roster
                .occupancy(&place.app, &place.channel)
                .await
                .ok()?;
            return Some(Present::Anybody(occupancy.subscriptions > 0));
        }
        let members = self
            .ports
            .nodes
            .presence
            .members(&place.app, &place.channel)
            .await
            .ok()?;
        Some(Present::Users(
            members
                .iter()
                .map(|member| member.user_id.clone())
                .collect(),
        ))
    }

    /// Somebody may have come, on another node, after it was looked and before it was put that nobody is there; the other
    /// node's word was no news then.
    async fn look_again(&self, batch: &[OutboxEvent]) {
        if self.rules.webhooks.alone {
            return;
        }
        for happening in batch {
            let Some((user, false)) = happening.what.standing() else {
                continue;
            };
            let place = Place {
                app: happening.app.clone(),
                channel: happening.channel.clone(),
                user: user.cloned(),
            };
            let (Some(known), Ok(Some(app))) = (
                self.present_at(&place).await,
                self.app_by_ident(&place.app).await,
            ) else {
                continue;
            };
            if known.holds(&place) {
                let what = place
                    .user
                    .map_or(OutboxEventKind::Occupied, OutboxEventKind::MemberAdded);
                self.hooks
                    .gather(self.happening(&app, &place.channel, what));
            }
        }
    }
}
