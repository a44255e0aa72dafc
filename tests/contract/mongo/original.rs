//! The database as the original server writes it.

use mongodb::IndexModel;
use mongodb::bson::{Bson, Document, doc, oid::ObjectId};
use mongodb::options::IndexOptions;
use pushi::core::model::{AppIdent, Event, NewEvent};
use pushi::core::ports::{ReadLimit, Stores};

use crate::fixture::Mongo;
use crate::samples::{NOW, channel, event};

/// Writes as the original does.
pub(super) struct Original {
    pub database: mongodb::Database,
}

impl Original {
    pub(super) const APP: &str = "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8";

    /// One that has run on the database, with its indexes and an app.
    pub(super) async fn on<const OTHER: bool>(database: &Mongo<OTHER>) -> Self {
        let original = Self {
            database: database.database().await,
        };
        for (name, members) in [
            ("pushievent", ["mid", "id"]),
            ("subscription", ["event", "id"]),
        ] {
            for member in members {
                for direction in [1, -1] {
                    let sparse = IndexOptions::builder().sparse(true).build();
                    let index = IndexModel::builder()
                        .keys(doc! { member: direction })
                        .options(sparse)
                        .build();
                    original
                        .database
                        .collection::<Document>(name)
                        .create_index(index)
                        .await
                        .unwrap();
                }
            }
        }
        let app = doc! { "ident": Self::APP, "key": "the-key", "secret": "the-secret", "name": "Old", "apn_sandbox": Bson::Null };
        original.store("app", app).await;
        original
    }

    pub(super) async fn store(&self, name: &str, more: Document) -> i64 {
        let counter = doc! { "_id": format!("{name}:id") };
        let counters = self.database.collection::<Document>("counters");
        let counted = counters
            .find_one_and_update(counter.clone(), doc! { "$inc": { "seq": 1 } })
            .upsert(true)
            .await
            .unwrap();
        let id = counted.map_or(0, |counted| seq(&counted)) + 1;
        let mut document = doc! { "_id": ObjectId::new(), "id": i32::try_from(id).unwrap(), "instance": Self::APP, "enabled": true };
        document.extend(doc! { "created": 1_700_000_000, "modified": 1_700_000_000, "description": Bson::Null, "meta": Bson::Null });
        document.extend(more);
        self.database
            .collection::<Document>(name)
            .insert_one(document)
            .await
            .unwrap();
        id
    }

    pub(super) async fn publish(&self, name: &str, text: &str, users: &[&str]) {
        let mid = ObjectId::new().to_hex();
        let data = doc! { "channel": name, "event": "message", "data": text, "persist": true, "colour": "red", "n": [1, 2.5] };
        let event = doc! { "mid": &mid, "channel": name, "owner_id": Bson::Null, "timestamp": 1_700_000_000.25, "data": data };
        self.store("pushievent", event).await;
        for user in users {
            self.store("association", doc! { "mid": &mid, "user_id": *user })
                .await;
        }
    }

    pub(super) async fn subscribe(&self, user: &str, name: &str) {
        self.store("subscription", doc! { "user_id": user, "event": name })
            .await;
    }
}

pub(super) fn seq(counter: &Document) -> i64 {
    counter
        .get_i64("seq")
        .or_else(|_| counter.get_i32("seq").map(i64::from))
        .unwrap()
}

pub(super) fn ident() -> AppIdent {
    AppIdent::trusted(Original::APP)
}

pub(super) async fn history(stores: &Stores, name: &str) -> Vec<Event> {
    stores
        .events
        .replay(&ident(), &channel(name), 0, 1000, ReadLimit::events(1000))
        .await
        .unwrap()
}

/// An event of the original's app.
pub(super) fn ours(name: &str, text: &str) -> NewEvent {
    let app = pushi::core::model::App {
        id: 1,
        ident: ident(),
        name: String::new(),
        description: None,
        key: String::new(),
        secret: pushi::core::model::Secret::new(""),
        previous_secret: None,
        push: Default::default(),
        settings: Default::default(),
        created: NOW,
        modified: NOW,
    };
    event(&app, name, text)
}
