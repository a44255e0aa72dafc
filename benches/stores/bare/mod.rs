//! The bare drivers: the minimum work of a store with the same rows, indexes and durability.

mod mongodb;
mod postgres;
mod sqlite;

use async_trait::async_trait;
use pushi::config::StoreUrl;

use crate::workload::CHANNELS;

/// A connection to a database with the app and its tables.
#[async_trait]
pub(crate) trait Bare {
    /// Commits this number of events, distributed over the channels in turn, and the channels' heads.
    async fn commit(&mut self, events: usize);

    /// Reads the replayed channel; returns the number of events.
    async fn replay(&mut self) -> usize;

    /// Reads the user's subscriptions with their channels, and then a page of the newest events; returns their number.
    async fn inbox(&mut self) -> usize;
}

pub(crate) async fn open(url: StoreUrl) -> Box<dyn Bare> {
    match url {
        StoreUrl::Sqlite { path } => Box::new(sqlite::Sqlite::open(&path).await),
        StoreUrl::SqliteMemory => panic!("memory is no store to be measured"),
        StoreUrl::Postgres(url) => Box::new(postgres::Postgres::open(url.expose()).await),
        StoreUrl::Mongo { url, database } => {
            Box::new(mongodb::Mongo::open(url.expose(), &database).await)
        }
    }
}

/// The values of an event's row that differ between events.
pub(crate) struct Row {
    /// Index of the channel.
    pub room: usize,
    pub id: i64,
    pub serial: i64,
    pub mid: String,
    pub time: i64,
}

/// The last assigned ids and serials.
#[derive(Default)]
pub(crate) struct Counters {
    id: i64,
    pub heads: [i64; CHANNELS],
}

impl Counters {
    /// Returns the rows of the next events, and the number of channels they are in.
    pub(crate) fn rows(&mut self, events: usize) -> (Vec<Row>, usize) {
        let row = |place: usize| {
            let room = place % CHANNELS;
            self.heads[room] += 1;
            self.id += 1;
            Row {
                room,
                id: self.id,
                serial: self.heads[room],
                mid: format!("{:032x}", self.id),
                time: 1_795_337_089_420_001 + self.id,
            }
        };
        ((0..events).map(row).collect(), events.min(CHANNELS))
    }
}

/// A row as read: id, serial, channel, mid, time, publish, owner, name, data, extra.
type Read = (
    i64,
    i64,
    String,
    String,
    i64,
    Option<String>,
    Option<String>,
    String,
    String,
    String,
);

/// Query of rows in the form of [`Read`].
macro_rules! select {
    ($($which:expr),+) => {
        concat!(
            "SELECT e.id, e.serial, (SELECT c.name FROM channels c WHERE c.id = e.channel), ",
            "e.mid, e.time, e.publish, e.owner, e.name, e.data, e.extra FROM events e WHERE ",
            $($which),+
        )
    };
}

/// The events of the channel `$2` of the app `$1`, in order.
const REPLAY: &str = select!(
    "e.channel = (SELECT id FROM channels WHERE app = $1 AND name = $2) AND e.serial > 0 ORDER BY e.serial LIMIT $3"
);

/// The subscriptions of the user `$2` of the app `$1`.
const SUBSCRIPTIONS: &str = "SELECT s.channel, s.from_serial, c.head FROM subscriptions s JOIN channels c ON c.id = s.channel \
    WHERE s.app = $1 AND s.user_id = $2";

/// The newest events of the app `$1`.
const NEWEST: &str = select!("e.app = $1 ORDER BY e.id DESC LIMIT $2");
