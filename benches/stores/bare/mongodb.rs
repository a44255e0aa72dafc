use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};
use mongodb::{Client, Database};

use super::{Bare, Counters, Row};
use crate::workload::{APP, DATA, PAGE, REPLAY_CHANNEL, REPLAY_EVENTS, USER};

pub(super) struct Mongo {
    database: Database,
    number: i64,
    counters: Counters,
}

impl Mongo {
    pub(super) async fn open(url: &str, name: &str) -> Self {
        let mut options = ClientOptions::parse(url).await.unwrap();
        options.write_concern = Some(
            WriteConcern::builder()
                .w(Acknowledgment::Majority)
                .journal(true)
                .build(),
        );
        let database = Client::with_options(options).unwrap().database(name);
        let app = database
            .collection::<Document>("app")
            .find_one(doc! { "ident": APP })
            .await
            .unwrap()
            .unwrap();
        let number = app
            .get_i64("id")
            .or_else(|_| app.get_i32("id").map(i64::from))
            .unwrap();
        Self {
            database,
            number,
            counters: Counters::default(),
        }
    }

    /// The document of an event, as the adapter writes it.
    fn document(&self, row: &Row) -> Document {
        let channel = format!("room-{}", row.room);
        doc! {
            "_id": format!("{APP}/{channel}/{}", row.serial),
            "instance": APP,
            "app": self.number,
            "channel": &channel,
            "serial": row.serial,
            "id": row.id,
            "mid": &row.mid,
            "owner_id": Bson::Null,
            "timestamp": row.time as f64 / 1e6,
            "data": { "channel": &channel, "event": "message", "data": DATA },
            "created": row.time / 1_000_000,
            "modified": row.time / 1_000_000,
            "enabled": true,
            "description": Bson::Null,
            "meta": {},
        }
    }

    async fn read(&self, collection: &str, filter: Document, sort: Document, limit: i64) -> usize {
        let collection = self.database.collection::<Document>(collection);
        collection
            .find(filter)
            .sort(sort)
            .limit(limit)
            .await
            .unwrap()
            .try_collect::<Vec<_>>()
            .await
            .unwrap()
            .len()
    }
}

#[async_trait]
impl Bare for Mongo {
    async fn commit(&mut self, events: usize) {
        let (rows, rooms) = self.counters.rows(events);
        let documents: Vec<Document> = rows.iter().map(|row| self.document(row)).collect();
        self.database
            .collection::<Document>("pushievent")
            .insert_many(documents)
            .await
            .unwrap();
        let head = |room: usize| {
            let change =
                doc! { "$max": { "serial": self.counters.heads[room], "id": rows[room].id } };
            doc! { "q": { "_id": format!("{}/room-{room}", self.number) }, "u": change, "upsert": true }
        };
        let heads = (0..rooms).map(head).collect::<Vec<_>>();
        let concern = doc! { "w": "majority", "j": true };
        self.database
            .run_command(
                doc! { "update": "pushi_heads", "updates": heads, "writeConcern": concern },
            )
            .await
            .unwrap();
    }

    async fn replay(&mut self) -> usize {
        let filter = doc! { "instance": APP, "channel": REPLAY_CHANNEL, "serial": { "$gt": 0 } };
        self.read(
            "pushievent",
            filter,
            doc! { "serial": 1 },
            REPLAY_EVENTS as i64,
        )
        .await
    }

    async fn inbox(&mut self) -> usize {
        let open = doc! { "instance": APP, "user_id": USER, "start": { "$gte": 0 } };
        assert!(self.read("subscription", open, doc! {}, 0).await > 0);
        self.read(
            "pushievent",
            doc! { "instance": APP },
            doc! { "id": -1 },
            PAGE as i64,
        )
        .await
    }
}
