//! Recording the result of a delivery attempt.

use mongodb::bson::{Bson, Document, doc};

use super::put::target_of;

use crate::core::model::{Attempt, Claim, TargetKind};
use crate::core::ports::{AttemptResult, ClaimUpdate, Disposition};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::error::classify;
use crate::outbound::storage::mongodb::events::all;
use crate::outbound::storage::mongodb::{MongoStore, value};

impl MongoStore {
    pub(super) async fn settle_attempt(
        &self,
        claim: &Claim,
        result: &AttemptResult,
    ) -> StorageResult<bool> {
        let held = doc! { "instance": claim.app.as_str(), "address": &*claim.address, "holder": &*claim.holder };
        let Some(queue) = self
            .collections
            .queues
            .find_one(held)
            .await
            .map_err(classify)?
        else {
            return Ok(false);
        };
        let attempts = value::int(&queue, "attempts")?.saturating_add(1);
        if result.disposition != Disposition::Failed && result.upto != 0 {
            self.finish_events(&queue, claim, result, attempts).await?;
        }
        let no_attempt = Attempt::default();
        let (attempts, last) = match result.disposition {
            Disposition::Delivered => (0, &no_attempt),
            Disposition::GivenUp | Disposition::Discarded if is_target(claim) => {
                (0, &result.attempt)
            }
            Disposition::GivenUp | Disposition::Discarded | Disposition::Failed => {
                (attempts, &result.attempt)
            }
        };
        let mut change =
            doc! { "attempts": attempts, "status": status(last), "problem": problem(last) };
        match result.next {
            ClaimUpdate::Hold(until) => change.extend(doc! { "held_until": until.micros() }),
            ClaimUpdate::Free(due) => {
                change.extend(doc! { "due": due.micros(), "held_until": 0_i64, "holder": "" })
            }
        }
        let id = value::text(&queue, "_id")?;
        let own = doc! { "_id": id, "holder": &*claim.holder };
        let settled = self
            .collections
            .queues
            .update_one(own, doc! { "$set": change })
            .await
            .map_err(classify)?
            .matched_count
            == 1;
        if let (true, ClaimUpdate::Free(due)) = (settled, result.next) {
            self.delete_if_empty(&queue, id, due.micros()).await?;
        }
        Ok(settled)
    }

    /// Writes the log entry, and then removes the events that this holder has read from the queue.
    async fn finish_events(
        &self,
        queue: &Document,
        claim: &Claim,
        result: &AttemptResult,
        attempts: i64,
    ) -> StorageResult<()> {
        let given_up = result.disposition != Disposition::Delivered;
        let is_each = is_target(claim) && result.disposition != Disposition::GivenUp;
        // Those that are given up are replayed together.
        let entries = if is_each {
            value::signed(result.events).max(1)
        } else {
            1
        };
        let deliveries = &self.collections.deliveries;
        let id = self.collections.allocate_ids(deliveries, entries).await?;
        let app_id = value::int(queue, "app")?;
        let entry = |id: i64, events: u64| {
            doc! {
                "_id": format!("{}/{id}", claim.app),
                "id": id,
                "instance": claim.app.as_str(),
                "app": app_id,
                "address": &*claim.address,
                "time": result.at.micros(),
                "notices": value::signed(events),
                "attempts": attempts,
                "status": status(&result.attempt),
                "problem": problem(&result.attempt),
                "given_up": i32::from(given_up),
            }
        };
        let upto = doc! { "$gt": 0, "$lte": value::signed(result.upto) };
        let ended = doc! { "queue": value::text(queue, "_id")?, "by": &*claim.holder, "id": upto };
        let notices = &self.collections.notices;
        let mut logged = Vec::new();
        if is_target(claim) {
            let newest = notices.find(ended.clone()).sort(doc! { "id": -1 });
            let newest = newest.projection(doc! { "channel": 1, "event": 1, "time": 1 });
            let newest = all(newest.limit(entries)).await?;
            for (notice, id) in newest.iter().zip((1..=id).rev()) {
                let events = if is_each { 1 } else { result.events };
                let mut delivery = entry(id, events);
                delivery.insert("target", target_of(&claim.address));
                for (member, of) in [
                    ("channel", "channel"),
                    ("event", "event"),
                    ("created", "time"),
                ] {
                    delivery.insert(member, notice.get(of).cloned().unwrap_or(Bson::Null));
                }
                logged.push(delivery);
            }
        }
        if logged.is_empty() {
            logged.push(entry(id, result.events));
        }
        deliveries.insert_many(logged).await.map_err(classify)?;
        if result.disposition == Disposition::GivenUp {
            let kept = doc! { "$set": { "delivery": id }, "$unset": { "queue": "" } };
            notices.update_many(ended, kept).await.map(drop)
        } else if is_target(claim) {
            // Its `_id` stays, so that a concurrent call cannot queue it again.
            let sent = doc! {
                "$set": { "delivery": id, "sent": true, "bytes": 0_i64 },
                "$unset": { "queue": "", "id": "", "by": "", "seq": "", "event": "", "data": "" },
            };
            notices.update_many(ended, sent).await.map(drop)
        } else {
            notices.delete_many(ended).await.map(drop)
        }
        .map_err(classify)
    }

    /// Deletes a queue that is empty and not claimed, and creates it again if an event was added concurrently.
    pub(super) async fn delete_if_empty(
        &self,
        queue: &Document,
        id: &str,
        due: i64,
    ) -> StorageResult<()> {
        let has_events = async || {
            Ok(self
                .collections
                .notices
                .find_one(doc! { "queue": id })
                .await
                .map_err(classify)?
                .is_some())
        };
        if has_events().await? {
            return Ok(());
        }
        self.collections
            .queues
            .delete_one(doc! { "_id": id, "holder": "" })
            .await
            .map_err(classify)?;
        if has_events().await? {
            let (app, address) = (
                value::text(queue, "instance")?,
                value::text(queue, "address")?,
            );
            self.ensure_queue(value::int(queue, "app")?, app, address, due, false)
                .await?;
        }
        Ok(())
    }
}

fn is_target(claim: &Claim) -> bool {
    TargetKind::of_outbox_address(&claim.address).is_some()
}

fn status(attempt: &Attempt) -> i32 {
    attempt.status.map_or(0, i32::from)
}

fn problem(attempt: &Attempt) -> Bson {
    attempt.problem.as_ref().map_or(Bson::Null, Bson::from)
}
