//! What was sent to be stored and is not yet known to be there for good.
//!
//! An ordered insert whose answer did not come may still be carried out by the server, at any time. So before anything
//! else is appended, or judged, the same documents are inserted again: whatever comes of that, their `_id`s are taken
//! afterwards, and the first insert can change nothing any more.

use std::collections::{BTreeMap, HashMap, HashSet};

use mongodb::bson::{Document, doc};

use super::super::fault::{Stopped, classify, stopped};
use super::super::{MongoStore, Outcome, value};
use super::all;
use super::document::Place;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Position};

/// The appends of one store instance, one at a time.
#[derive(Default)]
pub(in super::super) struct Appends {
    /// Channels' newest serials, by the `_id` of their heads. Others may have appended since.
    pub(super) heads: HashMap<String, i64>,
    /// Stored, or perhaps, and not yet confirmed.
    pub(super) sent: Vec<Sent>,
    /// How many of the last of `sent` have no answer.
    pub(super) unanswered: usize,
}

/// An event that was sent.
pub(super) struct Sent {
    pub place: Place,
    pub serial: i64,
    pub id: i64,
    pub mid: String,
    pub document: Document,
}

impl Sent {
    pub fn position(&self) -> Outcome<Position> {
        let number = |number: i64| u64::try_from(number).map_err(StorageError::corrupt);
        Ok(Position {
            id: number(self.id)?,
            serial: number(self.serial)?,
        })
    }
}

/// How the last of `sent` went: so many of them were stored.
pub(super) enum Sending {
    /// All.
    Stored,
    /// Those before this one, which cannot be stored at its place.
    StoppedAt(usize),
    /// Those before this one, which cannot be stored anywhere.
    RefusedAt(usize, StorageError),
}

impl MongoStore {
    /// Inserts those that have no answer, and takes it.
    pub(super) async fn send(&self, appends: &mut Appends) -> Outcome<Sending> {
        let from = appends.sent.len().saturating_sub(appends.unanswered);
        let unanswered = appends.sent.get(from..).unwrap_or_default();
        if unanswered.is_empty() {
            return Ok(Sending::Stored);
        }
        let Err(error) = self
            .collections
            .events
            .insert_many(unanswered.iter().map(|sent| &sent.document))
            .await
        else {
            appends.unanswered = 0;
            return Ok(Sending::Stored);
        };
        match stopped(&error) {
            Stopped::Duplicate(at) if at < unanswered.len() => Ok(Sending::StoppedAt(from + at)),
            Stopped::Refused(at) if at < unanswered.len() => {
                Ok(Sending::RefusedAt(from + at, classify(error)))
            }
            _ => Err(classify(error)),
        }
    }

    /// Finds out what became of what was sent before; nothing of it changes afterwards.
    pub(super) async fn settle(&self, appends: &mut Appends) -> Outcome<()> {
        if appends.sent.is_empty() {
            return Ok(());
        }
        appends.heads.clear();
        while let Sending::StoppedAt(at) | Sending::RefusedAt(at, _) = self.send(appends).await? {
            if self.is_stored(appends.sent.get(at)).await? {
                appends.unanswered = appends.sent.len().saturating_sub(at + 1);
            } else {
                // There the first insert ends as well.
                appends.sent.truncate(at);
                appends.unanswered = 0;
            }
        }
        // That a value is taken does not say that a majority has it; once this is acknowledged, it has.
        let barrier = self.collections.state.update_one(
            doc! { "_id": "barrier" },
            doc! { "$inc": { "value": 1_i64 } },
        );
        barrier.upsert(true).await.map_err(classify)?;
        self.confirm(appends).await.map(drop)
    }

    pub(super) async fn is_stored(&self, sent: Option<&Sent>) -> Outcome<bool> {
        let Some(sent) = sent else { return Ok(false) };
        let id = doc! { "_id": sent.place.event_id(sent.serial) };
        let there = self
            .collections
            .events
            .find_one(id)
            .projection(doc! { "mid": 1 })
            .await
            .map_err(classify)?;
        Ok(there
            .is_some_and(|document| value::text(&document, "mid").is_ok_and(|mid| mid == sent.mid)))
    }

    /// Tells the heads, and withdraws what was stored too late: where its app was deleted meanwhile, or where its serial
    /// was given before to an event that was removed. Answers what stays.
    pub(super) async fn confirm(&self, appends: &mut Appends) -> Outcome<Vec<Sent>> {
        let mut newest: BTreeMap<String, &Sent> = BTreeMap::new();
        for sent in &appends.sent {
            newest.insert(sent.place.head_id(), sent);
        }
        let (floors, numbers) = tokio::try_join!(
            self.raise_heads(&newest),
            self.numbers(appends.sent.iter().map(|sent| &sent.place.app))
        )?;
        let is_there = |place: &Place| numbers.get(&place.app) == Some(&place.number);
        let stays = |sent: &Sent| {
            is_there(&sent.place)
                && floors
                    .get(&sent.place.head_id())
                    .is_none_or(|floor| *floor < sent.serial)
        };
        let late: Vec<&Sent> = appends.sent.iter().filter(|sent| !stays(sent)).collect();
        if !late.is_empty() {
            let ids: Vec<String> = late
                .iter()
                .map(|sent| sent.place.event_id(sent.serial))
                .collect();
            let mids: Vec<&str> = late.iter().map(|sent| sent.mid.as_str()).collect();
            let events = doc! { "_id": { "$in": ids }, "mid": { "$in": mids } };
            self.collections
                .events
                .delete_many(events)
                .await
                .map_err(classify)?;
            let heads: HashSet<String> = late
                .iter()
                .filter(|sent| !is_there(&sent.place))
                .map(|sent| sent.place.head_id())
                .collect();
            let heads = doc! { "_id": { "$in": heads.into_iter().collect::<Vec<_>>() } };
            self.collections
                .heads
                .delete_many(heads)
                .await
                .map_err(classify)?;
        }
        let late: HashSet<String> = late.iter().map(|sent| sent.mid.clone()).collect();
        for sent in &appends.sent {
            if late.contains(&sent.mid) {
                appends.heads.remove(&sent.place.head_id());
            }
        }
        Ok(std::mem::take(&mut appends.sent)
            .into_iter()
            .filter(|sent| !late.contains(&sent.mid))
            .collect())
    }

    /// Writes down how far the channels are; answers up to which serial events of each may have been removed.
    async fn raise_heads(&self, newest: &BTreeMap<String, &Sent>) -> Outcome<HashMap<String, i64>> {
        let raise = |(id, sent): (&String, &&Sent)| {
            let place = &sent.place;
            let new = doc! { "instance": place.app.as_str(), "app": place.number, "channel": place.channel.as_str() };
            let change =
                doc! { "$max": { "serial": sent.serial, "id": sent.id }, "$setOnInsert": new };
            doc! { "q": { "_id": id }, "u": change, "upsert": true }
        };
        self.collections
            .update_each(&self.collections.heads, newest.iter().map(raise).collect())
            .await?;
        let ids: Vec<&String> = newest.keys().collect();
        let floors = doc! { "_id": { "$in": ids }, "floor": { "$gt": 0 } };
        let floors = all(self
            .collections
            .heads
            .find(floors)
            .projection(doc! { "floor": 1 }))
        .await?;
        floors
            .iter()
            .map(|head| {
                Ok((
                    value::text(head, "_id")?.to_owned(),
                    value::int(head, "floor")?,
                ))
            })
            .collect()
    }

    /// The numbers of those of the apps that are there.
    pub(in super::super) async fn numbers(
        &self,
        apps: impl Iterator<Item = &AppIdent>,
    ) -> Outcome<HashMap<AppIdent, i64>> {
        let idents: HashSet<&str> = apps.map(AppIdent::as_str).collect();
        let filter = doc! { "ident": { "$in": idents.into_iter().collect::<Vec<_>>() } };
        let found = all(self
            .collections
            .apps
            .find(filter)
            .projection(doc! { "ident": 1, "id": 1 }))
        .await?;
        found
            .iter()
            .map(|app| {
                Ok((
                    AppIdent::trusted(value::text(app, "ident")?),
                    value::int(app, "id")?,
                ))
            })
            .collect()
    }
}
