//! Settling an attempt.

use mongodb::bson::{Bson, Document, doc};

use super::super::fault::classify;
use super::super::{MongoStore, Outcome, value};
use crate::core::model::{Attempt, Claim};
use crate::core::ports::{AttemptResult, ClaimUpdate, Disposition};

impl MongoStore {
    pub(super) async fn settle_attempt(
        &self,
        claim: &Claim,
        settlement: &AttemptResult,
    ) -> Outcome<bool> {
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
        if settlement.disposition != Disposition::Failed && settlement.upto != 0 {
            self.end_notices(&queue, claim, settlement, attempts)
                .await?;
        }
        let nothing = Attempt::default();
        let (attempts, last) = match settlement.disposition {
            Disposition::Delivered => (0, &nothing),
            Disposition::GivenUp | Disposition::Failed => (attempts, &settlement.attempt),
        };
        let mut change =
            doc! { "attempts": attempts, "status": status(last), "problem": problem(last) };
        match settlement.next {
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
        if let (true, ClaimUpdate::Free(due)) = (settled, settlement.next) {
            self.forget_empty(&queue, id, due.micros()).await?;
        }
        Ok(settled)
    }

    /// Logs the delivery, then takes its notices out of the queue: those that this holder has read.
    async fn end_notices(
        &self,
        queue: &Document,
        claim: &Claim,
        settlement: &AttemptResult,
        attempts: i64,
    ) -> Outcome<()> {
        let given_up = settlement.disposition == Disposition::GivenUp;
        let id = self
            .collections
            .take_ids(&self.collections.deliveries, 1)
            .await?;
        let delivery = doc! {
            "_id": format!("{}/{id}", claim.app),
            "id": id,
            "instance": claim.app.as_str(),
            "app": value::int(queue, "app")?,
            "address": &*claim.address,
            "time": settlement.at.micros(),
            "notices": value::signed(settlement.notices),
            "attempts": attempts,
            "status": status(&settlement.attempt),
            "problem": problem(&settlement.attempt),
            "given_up": i32::from(given_up),
        };
        self.collections
            .deliveries
            .insert_one(delivery)
            .await
            .map_err(classify)?;
        let upto = doc! { "$gt": 0, "$lte": value::signed(settlement.upto) };
        let ended = doc! { "queue": value::text(queue, "_id")?, "by": &*claim.holder, "id": upto };
        if given_up {
            let kept = doc! { "$set": { "delivery": id }, "$unset": { "queue": "" } };
            self.collections
                .notices
                .update_many(ended, kept)
                .await
                .map(drop)
                .map_err(classify)
        } else {
            self.collections
                .notices
                .delete_many(ended)
                .await
                .map(drop)
                .map_err(classify)
        }
    }

    /// Forgets a queue that nobody has claimed and that holds nothing; what comes into it meanwhile brings it back.
    async fn forget_empty(&self, queue: &Document, id: &str, due: i64) -> Outcome<()> {
        let holds = async || {
            Ok(self
                .collections
                .notices
                .find_one(doc! { "queue": id })
                .await
                .map_err(classify)?
                .is_some())
        };
        if holds().await? {
            return Ok(());
        }
        self.collections
            .queues
            .delete_one(doc! { "_id": id, "holder": "" })
            .await
            .map_err(classify)?;
        if holds().await? {
            let (app, address) = (
                value::text(queue, "instance")?,
                value::text(queue, "address")?,
            );
            self.make_queue(value::int(queue, "app")?, app, address, due, false)
                .await?;
        }
        Ok(())
    }
}

fn status(attempt: &Attempt) -> i32 {
    attempt.status.map_or(0, i32::from)
}

fn problem(attempt: &Attempt) -> Bson {
    attempt.problem.as_ref().map_or(Bson::Null, Bson::from)
}
