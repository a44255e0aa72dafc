//! The drivers alone: the least that a store of the same rows, with the same indexes and the same durability, has to do.

mod mongodb;
mod postgres;
mod sqlite;

use async_trait::async_trait;
use pushi::config::StoreUrl;

use crate::workload::CHANNELS;

/// A connection to a database with the app and its tables.
#[async_trait]
pub trait Bare {
    /// One commit: so many events over the channels by turns, and the channels' heads.
    async fn commit(&mut self, events: usize);

    /// Reads the replayed channel; answers how many events.
    async fn replay(&mut self) -> usize;

    /// Reads the user's subscriptions with their channels, and then a page of the newest events; answers how many events.
    async fn inbox(&mut self) -> usize;
}

pub async fn open(url: StoreUrl) -> Box<dyn Bare> {
    match url {
        StoreUrl::Sqlite { path } => Box::new(sqlite::Sqlite::open(&path).await),
        StoreUrl::SqliteMemory => panic!("memory is no store to be measured"),
        StoreUrl::Postgres(url) => Box::new(postgres::Postgres::open(url.expose()).await),
        StoreUrl::Mongo { url, database } => {
            Box::new(mongodb::Mongo::open(url.expose(), &database).await)
        }
    }
}

/// A row of an event, without what is the same in each.
pub struct Row {
    /// Which of the channels.
    pub room: usize,
    pub id: i64,
    pub serial: i64,
    pub mid: String,
    pub time: i64,
}

/// Where the numbers stand that nobody else gives.
#[derive(Default)]
pub struct Counters {
    id: i64,
    pub heads: [i64; CHANNELS],
}

impl Counters {
    /// The rows of the next events, and which channels they are in.
    pub fn rows(&mut self, events: usize) -> (Vec<Row>, usize) {
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

/// A row as it is read back: id, serial, channel, mid, time, publish, owner, name, data, extra.
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

/// Selects rows as they are read back.
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

/// What the user `$2` subscribes to.
const SUBSCRIPTIONS: &str = "SELECT s.channel, s.from_serial, c.head FROM subscriptions s JOIN channels c ON c.id = s.channel \
    WHERE s.app = $1 AND s.user_id = $2";

/// The newest events of the app `$1`.
const NEWEST: &str = select!("e.app = $1 ORDER BY e.id DESC LIMIT $2");
