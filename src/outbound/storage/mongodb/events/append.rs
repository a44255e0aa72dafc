//! Appending. A serial is claimed by the insert of its event, whose `_id` holds it: where somebody else was quicker, the
//! insert stops, and what is left tries again behind it.

use std::collections::{HashMap, HashSet, VecDeque};

use mongodb::bson::doc;

use super::super::{MongoStore, Outcome, value};
use super::attempt::{Appends, Sending, Sent};
use super::document::{Place, document_of};
use super::{MANY, all};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, NewEvent, Position};

/// Bytes of events in one insert, roughly: far below what a message to the server may hold.
const MOST_BYTES: usize = 8 << 20;

/// Heads that are remembered; beyond it, all are read again.
const MOST_HEADS: usize = 100_000;

/// A batch on its way.
struct Batch<'a> {
    events: &'a [NewEvent],
    answers: Vec<Option<Result<Position, StorageError>>>,
    /// What has no place yet, in order: which event, and its app's number.
    waiting: VecDeque<(usize, i64)>,
    /// What has one that is not confirmed, by `mid`.
    placed: HashMap<String, (usize, i64)>,
}

impl MongoStore {
    /// Stores events in order. An error means each of them, perhaps.
    pub(super) async fn append_batch(
        &self,
        appends: &mut Appends,
        events: &[NewEvent],
    ) -> Outcome<Vec<Result<Position, StorageError>>> {
        self.settle(appends).await?;
        let mut batch = self.admit(events).await?;
        while !batch.waiting.is_empty() {
            while !batch.waiting.is_empty() {
                self.send_some(appends, &mut batch).await?;
            }
            for sent in self.confirm(appends).await? {
                if let Some((index, _)) = batch.placed.remove(&sent.mid) {
                    batch.answer(index, sent.position());
                }
            }
            self.admit_again(&mut batch).await?;
        }
        let lost = || {
            Err(StorageError::unavailable(
                "it is not known what became of an event",
            ))
        };
        Ok(batch
            .answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(lost))
            .collect())
    }

    /// Answers what cannot be stored anyway; the rest waits.
    async fn admit<'a>(&self, events: &'a [NewEvent]) -> Outcome<Batch<'a>> {
        let (numbers, there) = tokio::try_join!(
            self.numbers(events.iter().map(|event| &event.app)),
            self.mids_there(events)
        )?;
        let answers = events.iter().map(|_| None).collect();
        let mut batch = Batch {
            events,
            answers,
            waiting: VecDeque::new(),
            placed: HashMap::new(),
        };
        for (index, event) in events.iter().enumerate() {
            match numbers.get(&event.app) {
                None => batch.answer(index, Err(StorageError::NotFound)),
                Some(_) if there.contains(&*event.mid.0) => {
                    batch.answer(index, Err(StorageError::Conflict("mid")))
                }
                Some(number) => batch.waiting.push_back((index, *number)),
            }
        }
        Ok(batch)
    }

    /// What was withdrawn waits again, unless its app is gone.
    async fn admit_again(&self, batch: &mut Batch<'_>) -> Outcome<()> {
        if batch.placed.is_empty() {
            return Ok(());
        }
        let mut again: Vec<(usize, i64)> =
            std::mem::take(&mut batch.placed).into_values().collect();
        again.sort_unstable();
        let numbers = self
            .numbers(batch.events.iter().map(|event| &event.app))
            .await?;
        for (index, number) in again {
            if batch
                .events
                .get(index)
                .and_then(|event| numbers.get(&event.app))
                == Some(&number)
            {
                batch.waiting.push_back((index, number));
            } else {
                batch.answer(index, Err(StorageError::NotFound));
            }
        }
        Ok(())
    }

    /// Sends the first of what waits; each of them that was stored, or never can be, waits no longer.
    async fn send_some(&self, appends: &mut Appends, batch: &mut Batch<'_>) -> Outcome<()> {
        let chunk = batch.chunk();
        let sent = self.place(appends, batch.events, &chunk).await?;
        let before = appends.sent.len();
        appends.unanswered = sent.len();
        appends.sent.extend(sent);
        let stored = match self.send(appends).await? {
            Sending::Stored => appends.sent.len() - before,
            Sending::RefusedAt(at, error) => {
                appends.stop_at(at);
                let stored = at - before;
                if let Some((index, _)) = batch.waiting.remove(stored) {
                    batch.answer(index, Err(error));
                }
                stored
            }
            Sending::StoppedAt(at) => {
                let own = self.is_stored(appends.sent.get(at)).await?;
                appends.stop_at(at + usize::from(own));
                let stored = appends.sent.len() - before;
                let next = chunk
                    .get(stored)
                    .and_then(|(index, _)| batch.events.get(*index));
                let taken = !own
                    && !self
                        .mids_there(next.map(std::slice::from_ref).unwrap_or_default())
                        .await?
                        .is_empty();
                if let Some((index, _)) = taken.then(|| batch.waiting.remove(stored)).flatten() {
                    batch.answer(index, Err(StorageError::Conflict("mid")));
                }
                stored
            }
        };
        for (sent, entry) in appends
            .sent
            .iter()
            .skip(before)
            .zip(batch.waiting.drain(..stored))
        {
            batch.placed.insert(sent.mid.clone(), entry);
            appends.heads.insert(sent.place.head_id(), sent.serial);
        }
        Ok(())
    }

    /// Gives events their serials and then their ids, so that ids grow with the serials of a channel over all writers.
    async fn place(
        &self,
        appends: &mut Appends,
        events: &[NewEvent],
        chunk: &[(usize, i64)],
    ) -> Outcome<Vec<Sent>> {
        let chunk: Vec<(&NewEvent, Place)> = chunk
            .iter()
            .filter_map(|(index, number)| events.get(*index).map(|event| (event, *number)))
            .map(|(event, number)| {
                (
                    event,
                    Place {
                        app: event.app.clone(),
                        number,
                        channel: event.channel.clone(),
                    },
                )
            })
            .collect();
        self.learn_heads(appends, &chunk).await?;
        let count = value::signed(chunk.len());
        let first = self
            .collections
            .take_ids(&self.collections.events, count)
            .await?
            - count
            + 1;
        let mut heads: HashMap<String, i64> = HashMap::new();
        let mut sent = Vec::with_capacity(chunk.len());
        for ((event, place), id) in chunk.into_iter().zip(first..) {
            let head_id = place.head_id();
            let known = appends.heads.get(&head_id).copied().unwrap_or(0);
            let serial = heads.entry(head_id).or_insert(known);
            *serial += 1;
            let document = document_of(event, &place, *serial, id);
            sent.push(Sent {
                place,
                serial: *serial,
                id,
                mid: event.mid.to_string(),
                document,
            });
        }
        Ok(sent)
    }

    /// Reads the heads that are not known.
    async fn learn_heads(
        &self,
        appends: &mut Appends,
        chunk: &[(&NewEvent, Place)],
    ) -> Outcome<()> {
        if appends.heads.len() > MOST_HEADS {
            appends.heads.clear();
        }
        let mut apps: HashMap<(&AppIdent, i64), HashSet<&ChannelName>> = HashMap::new();
        for (_, place) in chunk {
            if !appends.heads.contains_key(&place.head_id()) || !self.numbered.believed(place) {
                apps.entry((&place.app, place.number))
                    .or_default()
                    .insert(&place.channel);
            }
        }
        for ((app, number), channels) in apps {
            let channels: Vec<ChannelName> = channels.into_iter().cloned().collect();
            for (channel, head) in self.read_heads(app, number, &channels).await? {
                let place = Place {
                    app: app.clone(),
                    number,
                    channel,
                };
                appends.heads.insert(place.head_id(), head.serial);
            }
        }
        Ok(())
    }

    /// Which of the events' `mid`s are taken, in any app.
    async fn mids_there(&self, events: &[NewEvent]) -> Outcome<HashSet<String>> {
        let mut there = HashSet::new();
        for events in events.chunks(MANY) {
            let mids: Vec<&str> = events.iter().map(|event| &*event.mid.0).collect();
            let found = self
                .collections
                .events
                .find(doc! { "mid": { "$in": mids } })
                .projection(doc! { "mid": 1 });
            for document in all(found).await? {
                there.insert(value::text(&document, "mid")?.to_owned());
            }
        }
        Ok(there)
    }
}

impl Batch<'_> {
    fn answer(&mut self, index: usize, answer: Result<Position, StorageError>) {
        if let Some(place) = self.answers.get_mut(index) {
            *place = Some(answer);
        }
    }

    /// The first of what waits that fits into one insert; at least one.
    fn chunk(&self) -> Vec<(usize, i64)> {
        let mut bytes = 0;
        let fits = |(at, (index, _)): &(usize, &(usize, i64))| {
            let payload = self.events.get(*index).map(|event| &event.payload);
            // What is in `extra` is there twice.
            bytes += payload.map_or(0, |payload| {
                payload.data.len() + 2 * payload.extra.len() + 1000
            });
            *at == 0 || bytes < MOST_BYTES
        };
        self.waiting
            .iter()
            .take(MANY)
            .enumerate()
            .take_while(fits)
            .map(|(_, entry)| *entry)
            .collect()
    }
}

impl Appends {
    /// The insert ended there; what comes after was not stored and has no place.
    fn stop_at(&mut self, at: usize) {
        // Somebody else appended where this one was to be.
        if let Some(sent) = self.sent.get(at) {
            self.heads.remove(&sent.place.head_id());
        }
        self.sent.truncate(at);
        self.unanswered = 0;
    }
}
