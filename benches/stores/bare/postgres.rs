use std::str::FromStr;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Executor};

use super::{Bare, Counters, NEWEST, REPLAY, Read, Row, SUBSCRIPTIONS};
use crate::workload::{APP, CHANNELS, DATA, PAGE, REPLAY_CHANNEL, REPLAY_EVENTS, USER};

const HEADS: &str = "UPDATE channels c SET head = n.head FROM unnest($1::bigint[], $2::bigint[]) n(id, head) WHERE c.id = n.id";
const INSERT: &str = "INSERT INTO events (app, id, channel, serial, mid, time, publish, owner, name, data, extra) \
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::text[], \
    $9::text[], $10::text[], $11::text[])";

pub(super) struct Postgres {
    connection: PgConnection,
    app: i64,
    channels: Vec<i64>,
    counters: Counters,
}

impl Postgres {
    pub(super) async fn open(url: &str) -> Self {
        let mut connection = PgConnectOptions::from_str(url)
            .unwrap()
            .disable_statement_logging()
            .connect()
            .await
            .unwrap();
        let app = sqlx::query_scalar("SELECT id FROM apps WHERE ident = $1")
            .bind(APP)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let mut channels = Vec::new();
        for room in 0..CHANNELS {
            let made = "INSERT INTO channels (app, name, head) VALUES ($1, $2, 0) \
                ON CONFLICT (app, name) DO UPDATE SET head = channels.head RETURNING id";
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
impl Bare for Postgres {
    async fn commit(&mut self, events: usize) {
        let (rows, rooms) = self.counters.rows(events);
        let ints = |value: &dyn Fn(&Row) -> i64| rows.iter().map(value).collect::<Vec<i64>>();
        let same = |value: &'static str| vec![value; rows.len()];
        self.connection.execute("BEGIN").await.unwrap();
        let heads = sqlx::query(HEADS)
            .bind(&self.channels[..rooms])
            .bind(&self.counters.heads[..rooms]);
        heads.execute(&mut self.connection).await.unwrap();
        let insert = sqlx::query(INSERT)
            .bind(ints(&|_| self.app))
            .bind(ints(&|row| row.id))
            .bind(ints(&|row| self.channels[row.room]));
        let insert = insert
            .bind(ints(&|row| row.serial))
            .bind(rows.iter().map(|row| &*row.mid).collect::<Vec<_>>());
        let insert = insert
            .bind(ints(&|row| row.time))
            .bind(vec![None::<&str>; rows.len()])
            .bind(vec![None::<&str>; rows.len()]);
        let insert = insert.bind(same("message")).bind(same(DATA)).bind(same(""));
        insert.execute(&mut self.connection).await.unwrap();
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
