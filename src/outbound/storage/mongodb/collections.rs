//! The collections, and what is asked of them again and again.

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{ReturnDocument, WriteConcern};
use mongodb::{Client, Collection, Database};

use super::events::MANY;
use super::fault::{DUPLICATE, classify};
use super::{Outcome, value};
use crate::core::error::StorageError;
use crate::core::model::TargetKind;

/// The collections of the original, and those beside them.
#[derive(Clone)]
pub(super) struct Collections {
    database: Database,
    /// The original's: apps.
    pub apps: Collection<Document>,
    /// The original's: persisted events. Ours have `_id` `<ident>/<channel>/<serial>` and a `serial`.
    pub events: Collection<Document>,
    /// The original's: open subscriptions. Those that were seen here have a `start`.
    pub subscriptions: Collection<Document>,
    /// The original's: who was to get which event. Those that were read here have an `event_id`.
    pub associations: Collection<Document>,
    /// The original's: the newest number of each collection, in `seq`.
    counters: Collection<Document>,
    /// Channels' heads, which outlive their events: `_id` `<ident>/<channel>`. They may be behind where a writer died.
    pub heads: Collection<Document>,
    /// What ended subscriptions keep in an inbox: (`start`, `end`].
    pub intervals: Collection<Document>,
    /// The last events of cache channels; `_id` as of a head.
    pub cache: Collection<Document>,
    /// What webhooks are to be told: a queue for each address of an app, `_id` `<number>/<address>`.
    pub queues: Collection<Document>,
    /// What waits in them, or was given up with a delivery.
    pub notices: Collection<Document>,
    /// Who is where, as far as webhooks were told; the channel itself has an empty user.
    pub marks: Collection<Document>,
    /// What became of deliveries.
    pub deliveries: Collection<Document>,
    /// Sessions; `_id` is the hash in hex.
    pub sessions: Collection<Document>,
    /// Values that only one app may have; `_id` is `<what>/<value>`.
    pub claims: Collection<Document>,
    /// The revision, locks, and what is still to be removed.
    pub state: Collection<Document>,
}

impl Collections {
    /// Of a database.
    pub fn of(database: Database) -> Self {
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
            state: named("pushi_state"),
            database,
        }
    }

    /// The connections.
    pub fn client(&self) -> &Client {
        self.database.client()
    }

    /// The original's collections of targets, which go with their app.
    pub fn targets(&self) -> [Collection<Document>; 4] {
        TargetKind::NAMES.map(|(kind, _)| self.targets_of(kind))
    }

    /// Those of one kind.
    pub fn targets_of(&self, kind: TargetKind) -> Collection<Document> {
        self.database.collection(kind.name())
    }

    /// Sees to it that the numbers that are taken for `collection` from now on are above `id`.
    pub async fn reach_id(&self, collection: &Collection<Document>, id: i64) -> Outcome<()> {
        let counter = doc! { "q": { "_id": format!("{}:id", collection.name()) }, "u": { "$max": { "seq": id } }, "upsert": true };
        self.update_each(&self.counters, vec![counter]).await
    }

    /// Takes `count` numbers for documents of `collection`, shared with the original; answers the last.
    pub async fn take_ids(&self, collection: &Collection<Document>, count: i64) -> Outcome<i64> {
        let counter = doc! { "_id": format!("{}:id", collection.name()) };
        let taken = self
            .counters
            .find_one_and_update(counter, doc! { "$inc": { "seq": count } });
        let taken = taken
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await
            .map_err(classify)?;
        value::int(&taken.unwrap_or_default(), "seq")
    }

    /// Takes one number.
    pub async fn take_id(&self, collection: &Collection<Document>) -> Outcome<u64> {
        let id = self.take_ids(collection, 1).await?;
        u64::try_from(id).map_err(StorageError::corrupt)
    }

    /// Makes many changes of one collection, in order, in one command; each is done or, at an error, perhaps. Each must be
    /// one that can be made twice.
    pub async fn update_each(
        &self,
        collection: &Collection<Document>,
        updates: Vec<Document>,
    ) -> Outcome<()> {
        for updates in updates.chunks(MANY) {
            let mut command =
                doc! { "update": collection.name(), "updates": updates, "ordered": true };
            if let Some(concern) = self.database.write_concern().map(written) {
                command.insert("writeConcern", concern);
            }
            loop {
                let done = self
                    .database
                    .run_command(command.clone())
                    .await
                    .map_err(classify)?;
                // Somebody else inserted the same at the same time.
                if first_write_error(&done) != Some(DUPLICATE) {
                    if done.contains_key("writeErrors") || done.contains_key("writeConcernError") {
                        return Err(StorageError::unavailable(
                            "the server did not make all of several changes",
                        ));
                    }
                    break;
                }
            }
        }
        Ok(())
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

/// A write concern as a command carries it.
fn written(concern: &WriteConcern) -> Document {
    use mongodb::options::Acknowledgment;

    let mut written = Document::new();
    match &concern.w {
        Some(Acknowledgment::Nodes(nodes)) => drop(written.insert("w", i64::from(*nodes))),
        Some(Acknowledgment::Majority) => drop(written.insert("w", "majority")),
        Some(Acknowledgment::Custom(tag)) => drop(written.insert("w", tag)),
        _ => {}
    }
    if let Some(journal) = concern.journal {
        written.insert("j", journal);
    }
    if let Some(limit) = concern.w_timeout {
        written.insert("wtimeout", Bson::Int64(value::signed(limit.as_millis())));
    }
    written
}
