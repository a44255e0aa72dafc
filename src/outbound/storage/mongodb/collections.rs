//! The collections, and operations that several modules share.

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{ReturnDocument, WriteConcern};
use mongodb::{Client, Collection, Database};

use super::error::{DUPLICATE, classify, upsert};
use super::events::MANY;
use super::value;
use crate::core::error::StorageError;
use crate::core::model::TargetKind;
use crate::outbound::storage::StorageResult;

/// The original's collections and our own (`pushi_…`).
#[derive(Clone)]
pub(super) struct Collections {
    database: Database,
    /// The original's: apps.
    pub apps: Collection<Document>,
    /// The original's: persisted events. Ours have `_id` `<ident>/<channel>/<serial>` and a `serial`.
    pub events: Collection<Document>,
    /// The original's: open subscriptions. Those that were adopted have a `start`.
    pub subscriptions: Collection<Document>,
    /// The original's: the recipients of events. Those that were read here have an `event_id`.
    pub associations: Collection<Document>,
    /// The original's: the last id of each collection, in `seq`.
    counters: Collection<Document>,
    /// Channels' heads, which outlive their events; `_id` `<app>/<channel>`. A head is too low if its writer has crashed.
    pub heads: Collection<Document>,
    /// Intervals (`start`, `end`] of ended subscriptions.
    pub intervals: Collection<Document>,
    /// The last events of cache channels; `_id` as of a head.
    pub cache: Collection<Document>,
    /// Webhook queues, one for each address of an app; `_id` `<app>/<address>`.
    pub queues: Collection<Document>,
    /// Queued webhook events, and those of deliveries that were given up.
    pub notices: Collection<Document>,
    /// The presence last reported to webhooks; the channel itself has an empty user.
    pub marks: Collection<Document>,
    /// The delivery log.
    pub deliveries: Collection<Document>,
    /// Sessions; `_id` is the hash in hex.
    pub sessions: Collection<Document>,
    /// Reservations of unique values; `_id` is `<field>/<value>`.
    pub claims: Collection<Document>,
    /// Documents that applications insert, to be published.
    pub rows: Collection<Document>,
    /// Those that could not be published.
    pub rejected_rows: Collection<Document>,
    /// The revision, the write barrier, and pending removals.
    pub state: Collection<Document>,
}

impl Collections {
    pub(super) fn new(database: Database) -> Self {
        let named = |name: &str| database.collection(name);
        Self {
            apps: named("app"),
            events: named("pushievent"),
            subscriptions: named("subscription"),
            associations: named("association"),
            counters: named("counters"),
            heads: named("pushi_heads"),
            intervals: named("pushi_intervals"),
            cache: named("pushi_cache"),
            queues: named("pushi_queues"),
            notices: named("pushi_notices"),
            marks: named("pushi_marks"),
            deliveries: named("pushi_deliveries"),
            sessions: named("pushi_sessions"),
            claims: named("pushi_claims"),
            rows: named("pushi_publish"),
            rejected_rows: named("pushi_publish_failed"),
            state: named("pushi_state"),
            database,
        }
    }

    pub(super) fn client(&self) -> &Client {
        self.database.client()
    }

    /// The original's collections of targets.
    pub(super) fn targets(&self) -> [Collection<Document>; 4] {
        TargetKind::NAMES.map(|(kind, _)| self.targets_of(kind))
    }

    pub(super) fn targets_of(&self, kind: TargetKind) -> Collection<Document> {
        self.database.collection(kind.name())
    }

    /// Makes every id of `collection` that is allocated from now on greater than `id`.
    pub(super) async fn advance_ids(
        &self,
        collection: &Collection<Document>,
        id: i64,
    ) -> StorageResult<()> {
        let counter = doc! { "q": { "_id": format!("{}:id", collection.name()) }, "u": { "$max": { "seq": id } }, "upsert": true };
        self.bulk_update(&self.counters, vec![counter]).await
    }

    /// Allocates `count` ids of `collection` from the counter that the original uses; returns the last.
    pub(super) async fn allocate_ids(
        &self,
        collection: &Collection<Document>,
        count: i64,
    ) -> StorageResult<i64> {
        let counter = self.advance_counter(collection, "seq", count).await?;
        value::int(&counter, "seq")
    }

    /// Allocates `count` ids of events; returns the last, and how often the data of an app had been removed by then.
    pub(super) async fn allocate_event_ids(&self, count: i64) -> StorageResult<(i64, i64)> {
        let counter = self.advance_counter(&self.events, "seq", count).await?;
        let removals = value::maybe_int(&counter, "removals")?;
        Ok((value::int(&counter, "seq")?, removals.unwrap_or(0)))
    }

    /// Lets every append from now on know that the data of an app is removed.
    pub(super) async fn count_removal(&self) -> StorageResult<()> {
        let counter = self.advance_counter(&self.events, "removals", 1).await;
        counter.map(drop)
    }

    async fn advance_counter(
        &self,
        collection: &Collection<Document>,
        member: &str,
        count: i64,
    ) -> StorageResult<Document> {
        let counter = doc! { "_id": format!("{}:id", collection.name()) };
        let counter = upsert(|| {
            let take = doc! { "$inc": { member: count } };
            let taken = self.counters.find_one_and_update(counter.clone(), take);
            let taken = taken.upsert(true);
            taken.return_document(ReturnDocument::After)
        });
        Ok(counter.await?.unwrap_or_default())
    }

    /// Allocates one id.
    pub(super) async fn allocate_id(
        &self,
        collection: &Collection<Document>,
    ) -> StorageResult<u64> {
        let id = self.allocate_ids(collection, 1).await?;
        u64::try_from(id).map_err(StorageError::corrupt)
    }

    /// Sends updates in order, with few commands. After an error any of them may have been applied, so each must be
    /// idempotent.
    pub(super) async fn bulk_update(
        &self,
        collection: &Collection<Document>,
        updates: Vec<Document>,
    ) -> StorageResult<()> {
        self.counted_update(collection, updates).await.map(drop)
    }

    /// [`Collections::bulk_update`]; returns the number of updates that matched a document or inserted one.
    pub(super) async fn counted_update(
        &self,
        collection: &Collection<Document>,
        updates: Vec<Document>,
    ) -> StorageResult<usize> {
        let mut matched = 0;
        for updates in updates.chunks(MANY) {
            let mut command =
                doc! { "update": collection.name(), "updates": updates, "ordered": true };
            if let Some(concern) = self.database.write_concern().map(write_concern_document) {
                command.insert("writeConcern", concern);
            }
            loop {
                let done = self
                    .database
                    .run_command(command.clone())
                    .await
                    .map_err(classify)?;
                // A concurrent call inserted the same document: retry.
                if first_write_error(&done) != Some(DUPLICATE) {
                    if done.contains_key("writeErrors") || done.contains_key("writeConcernError") {
                        return Err(StorageError::unavailable(
                            "the server did not apply all updates",
                        ));
                    }
                    matched += usize::try_from(value::int(&done, "n")?).unwrap_or(0);
                    break;
                }
            }
        }
        Ok(matched)
    }
}

fn first_write_error(answer: &Document) -> Option<i32> {
    let first = answer
        .get_array("writeErrors")
        .ok()?
        .first()?
        .as_document()?;
    value::int(first, "code").ok()?.try_into().ok()
}

/// Encodes a write concern for a command.
fn write_concern_document(concern: &WriteConcern) -> Document {
    use mongodb::options::Acknowledgment;

    let mut document = Document::new();
    match &concern.w {
        Some(Acknowledgment::Nodes(nodes)) => drop(document.insert("w", i64::from(*nodes))),
        Some(Acknowledgment::Majority) => drop(document.insert("w", "majority")),
        Some(Acknowledgment::Custom(tag)) => drop(document.insert("w", tag)),
        _ => {}
    }
    if let Some(journal) = concern.journal {
        document.insert("j", journal);
    }
    if let Some(limit) = concern.w_timeout {
        document.insert("wtimeout", Bson::Int64(value::signed(limit.as_millis())));
    }
    document
}
