//! Serials for what the original wrote, in the order of its ids. Each is claimed by a document of its own with the `_id`
//! that an event of ours would have, so that nodes that number and nodes that append never give the same one twice.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document, doc};
use parking_lot::Mutex;

use super::super::fault::{Stopped, classify, stopped};
use super::super::{MongoStore, Outcome, value};
use super::document::{Place, numbers_of};
use super::{MANY, all};

/// How long it is believed that the original wrote nothing more to a channel.
const BELIEVED: Duration = Duration::from_secs(1);

/// So many channels are remembered; beyond it, all are looked at again.
const REMEMBERED: usize = 100_000;

/// When channels were found to have a serial for each event.
#[derive(Default)]
pub(in super::super) struct Numbered(Mutex<HashMap<String, Instant>>);

impl Numbered {
    /// Whether the app's channel needs not be looked at now; no matter which number the app has.
    pub(super) fn believed(&self, place: &Place) -> bool {
        self.0
            .lock()
            .get(&place.event_id(0))
            .is_some_and(|since| since.elapsed() < BELIEVED)
    }

    /// Lets channels be looked at again.
    pub(super) fn forget(&self, places: &[Place]) {
        let mut numbered = self.0.lock();
        for place in places {
            numbered.remove(&place.event_id(0));
        }
    }

    fn remember(&self, places: &[&Place], since: Instant) {
        let mut numbered = self.0.lock();
        if numbered.len() + places.len() > REMEMBERED {
            numbered.clear();
        }
        numbered.extend(places.iter().map(|place| (place.event_id(0), since)));
    }
}

impl MongoStore {
    /// Sees to it that every event of the channels has a serial; at most [`MANY`].
    pub(super) async fn number(&self, places: &[Place]) -> Outcome<()> {
        let unsure: Vec<&Place> = places
            .iter()
            .filter(|place| !self.numbered.believed(place))
            .collect();
        let Some(first) = unsure.first() else {
            return Ok(());
        };
        let begun = Instant::now();
        let channels: Vec<&str> = unsure.iter().map(|place| place.channel.as_str()).collect();
        let without = doc! { "instance": first.app.as_str(), "channel": { "$in": channels }, "serial": Bson::Null };
        loop {
            let found = self
                .collections
                .events
                .find_one(without.clone())
                .projection(doc! { "channel": 1 });
            let Some(found) = found.await.map_err(classify)? else {
                break;
            };
            let channel = value::text(&found, "channel")?;
            let Some(place) = unsure
                .iter()
                .find(|place| place.channel.as_str() == channel)
            else {
                break;
            };
            self.number_some(place).await?;
        }
        self.numbered.remember(&unsure, begun);
        Ok(())
    }

    /// Numbers the oldest events of a channel that have no serial. Where somebody else gives serials at the same time,
    /// some or all of them are left for the next round.
    async fn number_some(&self, place: &Place) -> Outcome<()> {
        // The head comes first: what then is found without a serial gets a higher one, by whomever.
        let head = self
            .numbered_heads(std::slice::from_ref(place))
            .await?
            .first()
            .copied()
            .unwrap_or_default()
            .serial;
        let filter = doc! { "instance": place.app.as_str(), "channel": place.channel.as_str(), "serial": Bson::Null };
        let old = self
            .collections
            .events
            .find(filter)
            .sort(doc! { "id": 1 })
            .limit(value::signed(MANY));
        let old = all(old.projection(doc! { "mid": 1, "id": 1 })).await?;
        let mut claimed = self.claimed_before(place, &old).await?;
        let claims = claims(place, head, &old, &claimed)?;
        if !claims.is_empty() {
            let stored = match self.collections.events.insert_many(&claims).await {
                Ok(_) => claims.len(),
                Err(error) => match stopped(&error) {
                    Stopped::Duplicate(at) => at,
                    _ => return Err(classify(error)),
                },
            };
            for claim in claims.iter().take(stored) {
                claimed.insert(
                    value::text(claim, "mid")?.to_owned(),
                    value::int(claim, "numbers")?,
                );
            }
            // An event was removed whose serial was claimed again.
            let floor = self.floor(place).await?;
            if floor > head {
                let stale: Vec<String> = (head + 1..=floor)
                    .map(|serial| place.event_id(serial))
                    .take(stored)
                    .collect();
                let stale =
                    doc! { "_id": { "$in": stale }, "instance": numbers_of(place.app.as_str()) };
                return self
                    .collections
                    .events
                    .delete_many(stale)
                    .await
                    .map(drop)
                    .map_err(classify);
            }
        }
        let numbered = |event: &Document| {
            let serial = *claimed.get(value::maybe_text(event, "mid").ok()??)?;
            let one = doc! { "_id": event.get("_id")?.clone(), "serial": Bson::Null };
            Some(doc! { "q": one, "u": { "$set": { "serial": serial } } })
        };
        self.collections
            .update_each(
                &self.collections.events,
                old.iter().filter_map(numbered).collect(),
            )
            .await
    }

    /// Serials that were claimed for events whose numbering was not finished, by `mid`.
    async fn claimed_before(
        &self,
        place: &Place,
        old: &[Document],
    ) -> Outcome<HashMap<String, i64>> {
        let mids = old
            .iter()
            .map(|event| value::text(event, "mid"))
            .collect::<Outcome<Vec<_>>>()?;
        let claims = doc! { "mid": { "$in": mids }, "instance": numbers_of(place.app.as_str()) };
        let found = all(self.collections.events.find(claims)).await?;
        found
            .iter()
            .map(|claim| {
                Ok((
                    value::text(claim, "mid")?.to_owned(),
                    value::int(claim, "numbers")?,
                ))
            })
            .collect()
    }

    /// Up to which serial events of a channel may have been removed.
    async fn floor(&self, place: &Place) -> Outcome<i64> {
        let head = self
            .collections
            .heads
            .find_one(doc! { "_id": place.head_id() })
            .await
            .map_err(classify)?;
        Ok(head
            .map(|head| value::maybe_int(&head, "floor"))
            .transpose()?
            .flatten()
            .unwrap_or(0))
    }
}

/// Claims the serials after `head` for those of `old` that have none.
fn claims(
    place: &Place,
    head: i64,
    old: &[Document],
    claimed: &HashMap<String, i64>,
) -> Outcome<Vec<Document>> {
    let mut claims = Vec::new();
    let mut serial = head;
    for event in old {
        let mid = value::text(event, "mid")?;
        if !claimed.contains_key(mid) {
            serial += 1;
            let (instance, id) = (numbers_of(place.app.as_str()), value::int(event, "id")?);
            claims.push(doc! { "_id": place.event_id(serial), "instance": instance, "mid": mid, "id": id, "numbers": serial });
        }
    }
    Ok(claims)
}
