//! Reading events, and where they stand.

use std::collections::{BTreeSet, HashMap};

use mongodb::bson::{Bson, Document, doc};

use super::super::{MongoStore, Outcome, value};
use super::document::{Place, event_of, position_of};
use super::{MANY, all};
use crate::core::model::{AppIdent, ChannelName, Event, Mid, Position};

impl MongoStore {
    /// Where each event stands, in order; `None` for those that are not stored.
    pub(super) async fn read_positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> Outcome<Vec<Option<Position>>> {
        let mut found: HashMap<String, Position> = HashMap::with_capacity(mids.len());
        for mids in mids.chunks(MANY) {
            let mids: Vec<&str> = mids.iter().map(|mid| &*mid.0).collect();
            let filter =
                doc! { "mid": { "$in": mids }, "instance": app.as_str(), "serial": { "$gt": 0 } };
            let events = self
                .collections
                .events
                .find(filter)
                .projection(doc! { "mid": 1, "id": 1, "serial": 1 });
            for document in all(events).await? {
                found.insert(
                    value::text(&document, "mid")?.to_owned(),
                    position_of(&document)?,
                );
            }
        }
        Ok(mids.iter().map(|mid| found.get(&*mid.0).copied()).collect())
    }

    pub(super) async fn read_history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: usize,
    ) -> Outcome<Vec<Event>> {
        let before = before.map_or(i64::MAX, value::signed);
        self.read_channel(app, channel, doc! { "$gt": 0, "$lt": before }, -1, limit)
            .await
    }

    pub(super) async fn read_replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> Outcome<Vec<Event>> {
        self.read_channel(
            app,
            channel,
            doc! { "$gt": value::signed(after), "$lte": value::signed(upto) },
            1,
            limit,
        )
        .await
    }

    pub(super) async fn read_recent(&self, app: &AppIdent, limit: usize) -> Outcome<Vec<Event>> {
        self.read_events(
            app,
            doc! { "instance": app.as_str() },
            doc! { "id": -1 },
            limit,
        )
        .await
    }

    /// Events of a channel with serials that fit, in the order of `direction`.
    pub(in super::super) async fn read_channel(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        serials: Document,
        direction: i32,
        limit: usize,
    ) -> Outcome<Vec<Event>> {
        let place = Place {
            app: app.clone(),
            number: 0,
            channel: channel.clone(),
        };
        if !self.numbered.believed(&place) {
            match self.app_number(app).await? {
                Some(number) => {
                    self.number(&[Place {
                        number,
                        ..place.clone()
                    }])
                    .await?
                }
                None => return Ok(Vec::new()),
            }
        }
        let filter =
            doc! { "instance": app.as_str(), "channel": channel.as_str(), "serial": serials };
        self.read_events(app, filter, doc! { "serial": direction }, limit)
            .await
    }

    /// Events of an app that fit, each with its serial.
    pub(in super::super) async fn read_events(
        &self,
        app: &AppIdent,
        filter: Document,
        sort: Document,
        limit: usize,
    ) -> Outcome<Vec<Event>> {
        // MongoDB reads a limit of 0 as none.
        if limit == 0 {
            return Ok(Vec::new());
        }
        loop {
            let found = self
                .collections
                .events
                .find(filter.clone())
                .sort(sort.clone())
                .limit(value::signed(limit));
            let found = all(found).await?;
            let without =
                |document: &&Document| matches!(document.get("serial"), None | Some(Bson::Null));
            let channels = found
                .iter()
                .filter(without)
                .map(|document| value::text(document, "channel"));
            let channels: BTreeSet<ChannelName> = channels
                .map(|name| name.map(ChannelName::trusted))
                .collect::<Outcome<_>>()?;
            if channels.is_empty() {
                return found
                    .iter()
                    .map(|document| event_of(app, document))
                    .collect();
            }
            let Some(number) = self.app_number(app).await? else {
                return Ok(Vec::new());
            };
            let places: Vec<Place> = channels
                .into_iter()
                .map(|channel| Place {
                    app: app.clone(),
                    number,
                    channel,
                })
                .collect();
            for places in places.chunks(MANY) {
                self.numbered.forget(places);
                self.number(places).await?;
            }
        }
    }
}
