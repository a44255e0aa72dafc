//! Tests of query plans: on large tables, every query that a client can cause must use its index. Needs the server of
//! `PUSHI_TEST_POSTGRES_URL`; see `tests/contract`.

use sqlx::postgres::{PgPool, Postgres};
use sqlx::{AssertSqlSafe, Executor, Row, Transaction};

use super::append::{CLAIM, INSERT};
use super::open::migrate;
use crate::outbound::storage::sql::archive::export as archive;
use crate::outbound::storage::sql::outbox::{self, log};
use crate::outbound::storage::sql::statement::MultiRowStatement;
use crate::outbound::storage::sql::{
    app_cleanup, apps, cache, events, inbox, prune, sessions, subscriptions,
};

const EXPECTED: [(&str, &str); 40] = [
    (apps::BY_IDENT, "apps_ident_key"),
    (apps::BY_KEY, "apps_public_key_key"),
    (apps::IDENT_TAKEN, "apps_ident_key"),
    (apps::KEY_TAKEN, "apps_public_key_key"),
    (apps::LIST, "apps_pkey"),
    (events::HISTORY, "events_channel_serial_key"),
    (events::REPLAY, "events_channel_serial_key"),
    (events::RECENT, "events_pkey"),
    (inbox::EVENTS, "events_channel_serial_key"),
    (inbox::INTERVALS, "subscriptions_app_user_id_channel_key"),
    (inbox::INTERVALS_EXACT, "events_channel_serial_key"),
    (prune::TOO_OLD, "events_time"),
    (cache::LAST, "cache_pkey"),
    (cache::PRUNE, "cache_expires"),
    (outbox::DUE, "outbox_queues_target"),
    (outbox::OLDEST, "outbox_notices_queue"),
    (outbox::STANDING, "outbox_marks_pkey"),
    (log::WAITING, "outbox_queues_app_address_key"),
    (log::GIVEN_UP, "outbox_deliveries_pkey"),
    (log::DELIVERIES, "outbox_deliveries_target"),
    (log::EXPIRED, "outbox_deliveries_time"),
    (sessions::GET, "sessions_pkey"),
    (sessions::END, "sessions_pkey"),
    (sessions::END_ALL, "sessions_app"),
    (sessions::PRUNE, "sessions_expires"),
    (subscriptions::OPEN, "subscriptions_app_user_id_channel_key"),
    (subscriptions::LIST, "subscriptions_pkey"),
    (subscriptions::LIST_OF_USER, "subscriptions_user"),
    (subscriptions::LIST_OF_CHANNEL, "subscriptions_channel"),
    (
        subscriptions::LIST_OF_BOTH,
        "subscriptions_app_user_id_channel_key",
    ),
    (subscriptions::CHANNELS_OF, "subscriptions_user"),
    (subscriptions::CHANNEL, "channels_pkey"),
    (subscriptions::EXTEND_INTERVAL, "intervals_pkey"),
    (
        subscriptions::DELETE,
        "subscriptions_app_user_id_channel_key",
    ),
    (archive::CHANNELS, "channels_app_name_key"),
    (archive::EVENTS, "events_pkey"),
    (archive::USERS_WITH_INTERVALS, "intervals_pkey"),
    (archive::INTERVALS, "intervals_pkey"),
    (archive::CACHED, "cache_pkey"),
    (archive::TARGETS, "targets_pkey"),
];

fn expected_of_many() -> [(&'static MultiRowStatement, &'static str); 3] {
    [
        (&events::HEADS, "channels_app_name_key"),
        (&events::POSITIONS, "events_mid_key"),
        (&prune::DELETE, "events_channel_serial_key"),
    ]
}

/// 2,000 apps. One of them has 20,000 subscriptions and 20,000 channels, of which 600 contain 60,000 events.
const FILL: &str = "
    INSERT INTO apps (ident, public_key, name, secret, push, settings, created, modified)
        SELECT 'app-' || n, 'key-' || n, '', '', '{}', '{}', 0, 0 FROM generate_series(1, 2000) n;
    INSERT INTO channels (app, name, head) SELECT 1 + n / 600 * n, 'room-' || n, 100 FROM generate_series(1, 20000) n;
    INSERT INTO events (app, id, channel, serial, mid, time, name, data, extra)
        SELECT 1, n, 1 + n % 600, 1 + n / 600, md5(n::text), n, 'message', '', '' FROM generate_series(0, 59999) n;
    INSERT INTO subscriptions (app, id, user_id, channel, from_serial, created)
        SELECT 1, n, 'user-' || n % 1000, 1 + n / 1000, 1, 0 FROM generate_series(0, 19999) n;
    INSERT INTO intervals (app, user_id, channel, from_serial, upto_serial)
        SELECT 1, 'user-' || n % 1000, 1 + n / 1000, 0, 1 FROM generate_series(0, 19999) n;
    INSERT INTO sessions (hash, app, expires) SELECT sha256(n::text::bytea), 1 + n % 2000, n FROM generate_series(1, 5000) n;
    INSERT INTO cache (app, channel, mid, name, data, time, serial, expires)
        SELECT 1, 'cache-' || n, '', '', '', 0, 0, n FROM generate_series(1, 5000) n;
    INSERT INTO targets (app, id, kind, channel, address, created)
        SELECT 1, n, 'web', '', '', 0 FROM generate_series(1, 5000) n;
    INSERT INTO outbox_queues (app, address, due, holder, held_until, attempts, status)
        SELECT 1 + n % 2000, n::text, n, '', 0, 0, 0 FROM generate_series(1, 5000) n;
    INSERT INTO outbox_notices (app, queue, delivery, channel, kind, count, time, since)
        SELECT 1 + n % 2000, 1 + n % 5000, n % 4 / 3 * n, '', 'cache_miss', 0, 0, 0 FROM generate_series(1, 20000) n;
    INSERT INTO outbox_marks (app, channel, user_id) SELECT 1 + n % 20, n::text, '' FROM generate_series(1, 20000) n;
    INSERT INTO outbox_deliveries (app, address, time, notices, attempts, status, given_up)
        SELECT 1 + n % 2000, '', n, 1, 1, 200, n % 2 FROM generate_series(1, 20000) n;
    ANALYZE";

/// A schema in a transaction that is never committed.
struct Database(Transaction<'static, Postgres>);

impl Database {
    /// `None` without a server.
    async fn new() -> Option<Self> {
        let Ok(url) = std::env::var("PUSHI_TEST_POSTGRES_URL") else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "PUSHI_TEST_POSTGRES_URL names no server"
            );
            return None;
        };
        let mut transaction = PgPool::connect(&url).await.unwrap().begin().await.unwrap();
        transaction
            .execute("CREATE SCHEMA plans; SET LOCAL search_path = plans")
            .await
            .unwrap();
        migrate(&mut transaction, "").await.unwrap();
        for sql in FILL.split(';') {
            transaction.execute(sql).await.unwrap();
        }
        transaction
            .execute("SET LOCAL plan_cache_mode = force_generic_plan")
            .await
            .unwrap();
        Some(Self(transaction))
    }

    async fn plan(&mut self, sql: &str) -> String {
        let count = (1..).take_while(|n| sql.contains(&format!("${n}"))).count();
        // Types that PostgreSQL cannot infer from the statement; the adapter sends them with the values.
        let kind = if sql.contains("VALUES") {
            "bigint"
        } else {
            "unknown"
        };
        let (kinds, values) = (vec![kind; count].join(", "), vec!["NULL"; count].join(", "));
        (*self.0)
            .execute(AssertSqlSafe(format!("PREPARE query ({kinds}) AS {sql}")))
            .await
            .unwrap();
        let rows = (*self.0)
            .fetch_all(AssertSqlSafe(format!("EXPLAIN EXECUTE query ({values})")))
            .await
            .unwrap();
        (*self.0).execute("DEALLOCATE query").await.unwrap();
        rows.iter()
            .map(|row| row.get::<String, _>(0) + "\n")
            .collect()
    }

    async fn check(&mut self, sql: &str, expected: &str) {
        let plan = self.plan(sql).await;
        assert!(
            plan.contains(&format!(" {expected} ")),
            "{expected}\n{sql}\n{plan}"
        );
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
        // These sort the rows of one user or one app, which were found through indexes, or a single row.
        let sorts = [
            inbox::INTERVALS,
            inbox::INTERVALS_EXACT,
            subscriptions::CHANNELS_OF,
            subscriptions::LIST_OF_BOTH,
            log::WAITING,
        ];
        assert!(
            !plan.contains("Sort") || sorts.contains(&sql),
            "{sql}\n{plan}"
        );
    }
}

#[tokio::test]
async fn every_read_uses_its_index() {
    let Some(mut database) = Database::new().await else {
        return;
    };
    for (sql, expected) in EXPECTED {
        database.check(sql, expected).await;
    }
    for (many, expected) in expected_of_many() {
        for (sql, _) in many.chunks(&[(); 21]) {
            database.check(sql, expected).await;
        }
    }
    // These sort their input.
    for (sql, expected) in [(&INSERT, " channels_pkey "), (&CLAIM, " apps_ident_key ")] {
        let plan = database.plan(sql).await;
        assert!(
            plan.contains(expected) && !plan.contains("Seq Scan"),
            "{plan}"
        );
    }
    database
        .check(app_cleanup::DELETE_BATCH[0], "events_pkey")
        .await;
}
