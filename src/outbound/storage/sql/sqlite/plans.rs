//! Tests of query plans: every query that a client can cause must use its index. The number of rows is irrelevant, because
//! without ANALYZE SQLite does not consider it.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use super::open::{connect_options, migrate};
use super::{SqliteOptions, append, due as batches};
use crate::outbound::storage::sql::archive::export as archive;
use crate::outbound::storage::sql::outbox::{self, log};
use crate::outbound::storage::sql::statement::MultiRowStatement;
use crate::outbound::storage::sql::{
    app_cleanup, apps, cache, due, events, inbox, prune, sessions, subscriptions, targets,
};

/// Statements, each with the expected step for the table that may be large.
const EXPECTED: [(&str, &str); 51] = [
    (
        apps::BY_IDENT,
        "SEARCH apps USING INDEX sqlite_autoindex_apps_1 (ident=?)",
    ),
    (
        apps::BY_KEY,
        "SEARCH apps USING INDEX sqlite_autoindex_apps_2 (public_key=?)",
    ),
    (
        apps::IDENT_TAKEN,
        "SEARCH apps USING COVERING INDEX sqlite_autoindex_apps_1 (ident=?)",
    ),
    (
        apps::KEY_TAKEN,
        "SEARCH apps USING INDEX sqlite_autoindex_apps_2 (public_key=?)",
    ),
    (
        apps::LIST,
        "SEARCH apps USING INTEGER PRIMARY KEY (rowid>?)",
    ),
    (
        events::HISTORY,
        "SEARCH e USING INDEX sqlite_autoindex_events_2 (channel=? AND serial<?)",
    ),
    (
        events::REPLAY,
        "SEARCH e USING INDEX sqlite_autoindex_events_2 (channel=? AND serial>? AND serial<?)",
    ),
    (
        events::RECENT,
        "SEARCH e USING INDEX sqlite_autoindex_events_1 (app=? AND id<?)",
    ),
    (
        inbox::EVENTS,
        "SEARCH e USING INDEX sqlite_autoindex_events_2 (channel=? AND serial>? AND serial<?)",
    ),
    (
        prune::TOO_OLD,
        "SEARCH events USING INDEX events_time (time<?)",
    ),
    (
        cache::LAST,
        "SEARCH c USING PRIMARY KEY (app=? AND channel=?)",
    ),
    (
        cache::PRUNE,
        "SEARCH cache USING INDEX cache_expires (expires<?)",
    ),
    (
        outbox::DUE,
        "SEARCH q USING INDEX outbox_queues_target (target=? AND due<?)",
    ),
    (
        outbox::DUE_TARGETS,
        "SEARCH q USING INDEX outbox_queues_target (target=? AND due<?)",
    ),
    (
        outbox::OLDEST,
        "SEARCH n USING INDEX outbox_notices_queue (queue=?)",
    ),
    (
        outbox::OLDEST_SIZES,
        "SEARCH n USING INDEX outbox_notices_queue (queue=?)",
    ),
    (
        outbox::BYTES,
        "SEARCH outbox_notices USING INDEX outbox_notices_app (app=?)",
    ),
    (
        outbox::STANDING,
        "SEARCH outbox_marks USING PRIMARY KEY (app=? AND (channel,user_id)>(?,?))",
    ),
    (
        outbox::DEPTH,
        "SEARCH outbox_notices USING COVERING INDEX outbox_notices_delivery (delivery=?)",
    ),
    (
        log::WAITING,
        "SEARCH q USING INDEX sqlite_autoindex_outbox_queues_1 (app=?)",
    ),
    (
        log::GIVEN_UP,
        "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)",
    ),
    (
        log::DELIVERIES,
        "SEARCH outbox_deliveries USING INDEX outbox_deliveries_target (app=? AND target=? AND id<?)",
    ),
    (
        log::EXPIRED,
        "SEARCH outbox_deliveries USING COVERING INDEX outbox_deliveries_time (given_up=? AND time<?)",
    ),
    (sessions::GET, "SEARCH s USING PRIMARY KEY (hash=?)"),
    (sessions::END, "SEARCH sessions USING PRIMARY KEY (hash=?)"),
    (
        sessions::END_ALL,
        "SEARCH sessions USING INDEX sessions_app (app=?)",
    ),
    (
        sessions::PRUNE,
        "SEARCH sessions USING INDEX sessions_expires (expires<?)",
    ),
    (
        subscriptions::OPEN,
        "SEARCH s USING INDEX sqlite_autoindex_subscriptions_2 (app=? AND user_id=? AND channel=?)",
    ),
    (
        subscriptions::LIST,
        "SEARCH s USING INDEX sqlite_autoindex_subscriptions_1 (app=? AND id>?)",
    ),
    (
        subscriptions::LIST_OF_USER,
        "SEARCH s USING INDEX subscriptions_user (app=? AND user_id=? AND id>?)",
    ),
    (
        subscriptions::LIST_OF_CHANNEL,
        "SEARCH s USING INDEX subscriptions_channel (channel=? AND id>?)",
    ),
    (
        subscriptions::LIST_OF_BOTH,
        "SEARCH s USING INDEX sqlite_autoindex_subscriptions_2 (app=? AND user_id=? AND channel=?)",
    ),
    (
        subscriptions::CHANNELS_OF,
        "SEARCH s USING INDEX subscriptions_user (app=? AND user_id=?)",
    ),
    (
        subscriptions::CHANNEL,
        "SEARCH channels USING INTEGER PRIMARY KEY (rowid=?)",
    ),
    (
        subscriptions::EXTEND_INTERVAL,
        "SEARCH intervals USING PRIMARY KEY (app=? AND user_id=? AND channel=?)",
    ),
    (
        subscriptions::DELETE,
        "SEARCH subscriptions USING INDEX sqlite_autoindex_subscriptions_2 (app=? AND user_id=? AND channel=?)",
    ),
    (
        archive::CHANNELS,
        "SEARCH channels USING INDEX sqlite_autoindex_channels_1 (app=? AND name>?)",
    ),
    (
        archive::EVENTS,
        "SEARCH e USING INDEX sqlite_autoindex_events_1 (app=? AND id>?)",
    ),
    (
        archive::USERS_WITH_INTERVALS,
        "SEARCH intervals USING PRIMARY KEY (app=? AND user_id>?)",
    ),
    (
        archive::INTERVALS,
        "SEARCH v USING PRIMARY KEY (app=? AND user_id>? AND user_id<?)",
    ),
    (
        archive::CACHED,
        "SEARCH cache USING PRIMARY KEY (app=? AND channel>?)",
    ),
    (
        archive::TARGETS,
        "SEARCH targets USING PRIMARY KEY (app=? AND id>?)",
    ),
    (
        targets::LIST_OF_CHANNEL,
        "SEARCH targets USING INDEX targets_channel (app=? AND kind=? AND (channel,id)>(?,?) AND channel<?)",
    ),
    (
        targets::LIST_OF_KEY,
        "SEARCH targets USING INDEX targets_p256dh (app=? AND kind=? AND (p256dh,id)>(?,?) AND p256dh<?)",
    ),
    (targets::NEWEST, "SEARCH targets USING PRIMARY KEY (app=?)"),
    (
        due::NEXT_APP,
        "SEARCH due_batches USING PRIMARY KEY (app>?)",
    ),
    (
        batches::CLAIM,
        "SEARCH e USING INDEX sqlite_autoindex_events_1 (app=? AND id>? AND id<?)",
    ),
    (
        batches::ALLOCATE,
        "SEARCH due_batches USING PRIMARY KEY (app=?)",
    ),
    (
        batches::CLOSE,
        "SEARCH due_batches USING PRIMARY KEY (app=? AND first=?)",
    ),
    (due::ANY, "SEARCH due_publishes USING PRIMARY KEY (app=?)"),
    (
        due::CLAIM,
        "SEARCH due_publishes USING PRIMARY KEY (app=? AND event=?)",
    ),
];

/// The same for multi-row statements.
fn expected_of_many() -> [(&'static MultiRowStatement, &'static str); 7] {
    [
        (
            &events::HEADS,
            "SEARCH channels USING INDEX sqlite_autoindex_channels_1 (app=? AND name=?)",
        ),
        (
            &events::POSITIONS,
            "SEARCH events USING INDEX sqlite_autoindex_events_3 (mid=?)",
        ),
        (
            &due::EVENTS,
            "SEARCH e USING INDEX sqlite_autoindex_events_1 (app=? AND id=?)",
        ),
        (
            &due::FINISH,
            "SEARCH due_publishes USING PRIMARY KEY (app=? AND event=?)",
        ),
        (
            &append::CLAIM,
            "SEARCH apps USING COVERING INDEX sqlite_autoindex_apps_1 (ident=?)",
        ),
        (
            &append::NEWEST,
            "SEARCH channels USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            &prune::DELETE,
            "SEARCH events USING COVERING INDEX sqlite_autoindex_events_2 (channel=? AND serial=?)",
        ),
    ]
}

/// A migrated database in memory.
struct Database(SqliteConnection);

impl Database {
    async fn new() -> Self {
        let options = SqliteOptions {
            path: None,
            timeout: Duration::from_secs(5),
            readers: 1,
        };
        let mut connection = connect_options(&options).connect().await.unwrap();
        migrate(&mut connection).await.unwrap();
        Self(connection)
    }

    async fn plan(&mut self, sql: &str) -> Vec<String> {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
            .fetch_all(&mut self.0)
            .await
            .unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    async fn check(&mut self, sql: &str, expected: &str) {
        let plan = self.plan(sql).await;
        assert!(plan.iter().any(|step| step == expected), "{sql}\n{plan:#?}");
        assert!(
            !plan
                .iter()
                .any(|step| is_scan(step) || step.contains("TEMP B-TREE")),
            "{sql}\n{plan:#?}"
        );
    }
}

/// Whether a step reads a whole table or subquery; the rows that the statement itself contains do not count.
fn is_scan(step: &str) -> bool {
    let values =
        step.ends_with(" VALUES CLAUSE") || ["SCAN CONSTANT ROW", "SCAN given"].contains(&step);
    (step.starts_with("SCAN ") && !values) || step.contains("AUTOMATIC")
}

#[tokio::test]
async fn every_read_uses_its_index() {
    let mut database = Database::new().await;
    for (sql, expected) in EXPECTED {
        database.check(sql, expected).await;
    }
    for (many, expected) in expected_of_many() {
        for (sql, _) in many.chunks(&[(); 21]) {
            database.check(sql, expected).await;
        }
    }
}

#[tokio::test]
async fn an_inbox_sorts_only_a_users_intervals() {
    let mut database = Database::new().await;
    let found = [
        "SEARCH s USING INDEX subscriptions_user (app=? AND user_id=?)",
        "SEARCH v USING PRIMARY KEY (app=? AND user_id=?)",
        "SEARCH channels USING INDEX sqlite_autoindex_channels_1 (app=? AND name=?)",
    ];
    let lookup =
        "SEARCH e USING INDEX sqlite_autoindex_events_2 (channel=? AND serial>? AND serial<?)";
    for (sql, also) in [
        (inbox::INTERVALS, None),
        (inbox::INTERVALS_EXACT, Some(lookup)),
    ] {
        let plan = database.plan(sql).await;
        for expected in found.into_iter().chain(also) {
            assert!(
                plan.iter().any(|step| step == expected),
                "{expected}\n{plan:#?}"
            );
        }
        // `i` is the subquery of the intervals.
        assert!(
            !plan.iter().any(|step| is_scan(step) && step != "SCAN i"),
            "{plan:#?}"
        );
    }
}

/// Retention, which no client can cause, reads every channel, and of events only the index.
#[tokio::test]
async fn a_scan_is_detected() {
    let plan = Database::new().await.plan(prune::TOO_MANY).await;
    let events = "SEARCH e USING COVERING INDEX sqlite_autoindex_events_2 (channel=? AND serial<?)";
    assert!(is_scan(&plan[0]) && plan[1] == events, "{plan:#?}");
}

#[tokio::test]
async fn the_cleanup_of_deleted_apps_uses_indexes() {
    let mut database = Database::new().await;
    for sql in app_cleanup::DELETE_BATCH {
        let plan = database.plan(sql).await;
        assert!(
            plan[0].starts_with("SEARCH ") && !plan.iter().any(|step| is_scan(step)),
            "{sql}\n{plan:#?}"
        );
    }
}
