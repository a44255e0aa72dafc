use std::sync::LazyLock;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor};

use super::{Bare, Counters, NEWEST, REPLAY, Read, SUBSCRIPTIONS};
use crate::workload::{APP, CHANNELS, DATA, PAGE, REPLAY_CHANNEL, REPLAY_EVENTS, USER};

/// Rows per statement. More are slower, since SQLite searches all placeholders for each one.
const MOST: usize = 16;

static INSERT: LazyLock<[String; 2]> = LazyLock::new(|| {
    [1, MOST].map(|rows| {
        let row = |row: usize| (1..=11).map(|column| format!("?{}", row * 11 + column)).collect::<Vec<_>>().join(", ");
        let rows: Vec<String> = (0..rows).map(|place| format!("({})", row(place))).collect();
        format!("INSERT INTO events (app, id, channel, serial, mid, time, publish, owner, name, data, extra) VALUES {}", rows.join(", "))
    })
});

pub(super) struct Sqlite {
    connection: SqliteConnection,
    app: i64,
    channels: Vec<i64>,
    counters: Counters,
}

impl Sqlite {
    pub(super) async fn open(path: &str) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false);
        let options = options
            .pragma("wal_autocheckpoint", "4000")
            .pragma("cache_size", "-16384")
            .disable_statement_logging();
        let mut connection = options.connect().await.unwrap();
        let app = sqlx::query_scalar("SELECT id FROM apps WHERE ident = $1")
            .bind(APP)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let mut channels = Vec::new();
        for room in 0..CHANNELS {
            let made = "INSERT INTO channels (app, name, head) VALUES ($1, $2, 0) ON CONFLICT (app, name) DO UPDATE SET head = head RETURNING id";
            channels.push(
                sqlx::query_scalar(made)
                    .bind(app)
                    .bind(format!("room-{room}"))
                    .fetch_one(&mut connection)
                    .await
                    .unwrap(),
            );
        }
        Self {
            connection,
            app,
            channels,
            counters: Counters::default(),
        }
    }
}

#[async_trait]
impl Bare for Sqlite {
    async fn commit(&mut self, events: usize) {
        let (rows, rooms) = self.counters.rows(events);
        self.connection.execute("BEGIN IMMEDIATE").await.unwrap();
        for room in 0..rooms {
            let head = sqlx::query("UPDATE channels SET head = ?1 WHERE id = ?2")
                .bind(self.counters.heads[room])
                .bind(self.channels[room]);
            head.execute(&mut self.connection).await.unwrap();
        }
        let (full, rest) = rows.as_chunks::<MOST>();
        for chunk in full.iter().map(|chunk| &chunk[..]).chain(rest.chunks(1)) {
            let mut insert = sqlx::query(&*INSERT[usize::from(chunk.len() > 1)]);
            for row in chunk {
                insert = insert
                    .bind(self.app)
                    .bind(row.id)
                    .bind(self.channels[row.room])
                    .bind(row.serial)
                    .bind(&row.mid)
                    .bind(row.time);
                insert = insert
                    .bind(None::<&str>)
                    .bind(None::<&str>)
                    .bind("message")
                    .bind(DATA)
                    .bind("");
            }
            insert.execute(&mut self.connection).await.unwrap();
        }
        self.connection.execute("COMMIT").await.unwrap();
    }

    async fn replay(&mut self) -> usize {
        let read = sqlx::query_as::<_, Read>(REPLAY)
            .bind(self.app)
            .bind(REPLAY_CHANNEL)
            .bind(REPLAY_EVENTS as i64);
        read.fetch_all(&mut self.connection).await.unwrap().len()
    }

    async fn inbox(&mut self) -> usize {
        let open = sqlx::query_as::<_, (i64, i64, i64)>(SUBSCRIPTIONS)
            .bind(self.app)
            .bind(USER);
        assert!(
            !open
                .fetch_all(&mut self.connection)
                .await
                .unwrap()
                .is_empty()
        );
        let newest = sqlx::query_as::<_, Read>(NEWEST)
            .bind(self.app)
            .bind(PAGE as i64);
        newest.fetch_all(&mut self.connection).await.unwrap().len()
    }
}
