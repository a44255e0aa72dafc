//! Writing what happened into the queues.

use mongodb::bson::{Bson, Document, doc};

use super::super::events::all;
use super::super::fault::{classify, is_duplicate};
use super::super::{MongoStore, Outcome, value};
use super::notice::{queue_id, said};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, OutboxEvent, UserId};

impl MongoStore {
    pub(super) async fn put_happenings(&self, happenings: &[OutboxEvent]) -> Outcome<()> {
        let numbers = self
            .numbers(happenings.iter().map(|happening| &happening.app))
            .await?;
        for happening in happenings {
            if let Some(number) = numbers.get(&happening.app).copied() {
                match happening.what.presence() {
                    Some((user, is_there)) => {
                        self.put_mark(number, happening, user, is_there).await?
                    }
                    None => {
                        self.announce(number, &happening.app, &self.news(happening).await?)
                            .await?
                    }
                }
            }
        }
        Ok(())
    }

    /// Changes who is there, and announces it where that is new.
    async fn put_mark(
        &self,
        number: i64,
        happening: &OutboxEvent,
        user: Option<&UserId>,
        is_there: bool,
    ) -> Outcome<()> {
        let marks = &self.collections.marks;
        let user = user.map_or("", UserId::as_str);
        let id = format!("{number}/{}\n{user}", happening.channel);
        loop {
            let found = marks
                .find_one(doc! { "_id": &id })
                .await
                .map_err(classify)?;
            if let Some(unfinished) = found.as_ref().filter(|mark| mark.contains_key("news")) {
                self.finish(number, &happening.app, unfinished).await?;
                continue;
            }
            if found.is_some() == is_there {
                return Ok(());
            }
            let news = self.news(happening).await?;
            let changed = if is_there {
                let place = doc! { "instance": happening.app.as_str(), "app": number, "channel": happening.channel.as_str(), "user_id": user };
                let mut mark = doc! { "_id": &id, "there": 1, "news": &news };
                mark.extend(place);
                match marks.insert_one(mark).await {
                    Err(error) if is_duplicate(&error) => false,
                    inserted => inserted.map(|_| true).map_err(classify)?,
                }
            } else {
                let there = doc! { "_id": &id, "there": 1, "news": Bson::Null };
                let gone = doc! { "$set": { "there": 0, "news": &news } };
                marks
                    .update_one(there, gone)
                    .await
                    .map_err(classify)?
                    .matched_count
                    == 1
            };
            if changed {
                return self
                    .finish(
                        number,
                        &happening.app,
                        &doc! { "_id": id, "there": i32::from(is_there), "news": news },
                    )
                    .await;
            }
        }
    }

    /// Announces what a mark still carries. A mark of who is gone goes with it.
    async fn finish(&self, number: i64, app: &AppIdent, mark: &Document) -> Outcome<()> {
        let news = mark.get_document("news").map_err(StorageError::corrupt)?;
        self.announce(number, app, news).await?;
        let same =
            doc! { "_id": value::text(mark, "_id")?, "news.token": value::text(news, "token")? };
        let marks = &self.collections.marks;
        if value::maybe_bool(mark, "there")?.unwrap_or(false) {
            marks
                .update_one(same, doc! { "$unset": { "news": "" } })
                .await
                .map(drop)
                .map_err(classify)
        } else {
            marks.delete_one(same).await.map(drop).map_err(classify)
        }
    }

    /// What is to be announced, and to whom; with a name of its own, so that it is announced once.
    async fn news(&self, happening: &OutboxEvent) -> Outcome<Document> {
        let mut token = [0; 16];
        getrandom::fill(&mut token)
            .map_err(|error| StorageError::unavailable(error.to_string()))?;
        let addresses: Vec<&str> = happening
            .addresses
            .iter()
            .map(|address| &**address)
            .collect();
        Ok(
            doc! { "token": data_encoding::HEXLOWER.encode(&token), "addresses": addresses, "said": said(happening) },
        )
    }

    /// Writes notices that are not there yet; then their queues, so that who forgets an empty queue finds them.
    async fn announce(&self, number: i64, app: &AppIdent, news: &Document) -> Outcome<()> {
        let corrupt = StorageError::corrupt;
        let (token, said) = (
            value::text(news, "token")?,
            news.get_document("said").map_err(corrupt)?,
        );
        let addresses: Vec<&str> = news
            .get_array("addresses")
            .map_err(corrupt)?
            .iter()
            .filter_map(Bson::as_str)
            .collect();
        if addresses.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = (0..addresses.len())
            .map(|n| format!("{token}/{n}"))
            .collect();
        let there = all(self
            .collections
            .notices
            .find(doc! { "_id": { "$in": &ids } })
            .projection(doc! { "_id": 1 }))
        .await?;
        let there = there
            .iter()
            .map(|notice| value::text(notice, "_id"))
            .collect::<Outcome<Vec<_>>>()?;
        let missing: Vec<(&String, &str)> = ids
            .iter()
            .zip(addresses.iter().copied())
            .filter(|(id, _)| !there.contains(&id.as_str()))
            .collect();
        let count = value::signed(missing.len());
        let first = self
            .collections
            .take_ids(&self.collections.notices, count)
            .await?
            - count
            + 1;
        for ((id, address), seq) in missing.into_iter().zip(first..) {
            let mut notice = said.clone();
            notice.extend(doc! { "_id": id, "instance": app.as_str(), "app": number, "queue": queue_id(number, address), "seq": seq });
            notice.insert("since", value::int(said, "time")?);
            match self.collections.notices.insert_one(notice).await {
                Err(error) if is_duplicate(&error) => {}
                inserted => drop(inserted.map_err(classify)?),
            }
        }
        for address in addresses {
            self.make_queue(
                number,
                app.as_str(),
                address,
                value::int(said, "time")?,
                false,
            )
            .await?;
        }
        Ok(())
    }

    /// Makes a queue that is due, where there is none; with `at_once`, one that is there becomes due, too.
    pub(super) async fn make_queue(
        &self,
        number: i64,
        app: &str,
        address: &str,
        due: i64,
        at_once: bool,
    ) -> Outcome<()> {
        let mut new = doc! { "instance": app, "app": number, "address": address, "holder": "", "held_until": 0_i64 };
        new.extend(doc! { "attempts": 0_i64, "status": 0, "problem": Bson::Null });
        let change = if at_once {
            doc! { "$set": { "due": due }, "$setOnInsert": new }
        } else {
            new.insert("due", due);
            doc! { "$setOnInsert": new }
        };
        let update =
            doc! { "q": { "_id": queue_id(number, address) }, "u": change, "upsert": true };
        self.collections
            .update_each(&self.collections.queues, vec![update])
            .await
    }
}
