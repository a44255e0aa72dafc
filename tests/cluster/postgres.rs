//! A schema of its own for one test, in the PostgreSQL that `PUSHI_TEST_POSTGRES_URL` names.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

/// A schema that is dropped with the test.
pub struct Schema {
    url: String,
    name: String,
}

impl Schema {
    /// `None` where no URL is set; a run with `CI=true` fails then.
    pub async fn create() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Ok(url) = std::env::var("PUSHI_TEST_POSTGRES_URL") else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "PUSHI_TEST_POSTGRES_URL names no server"
            );
            return None;
        };
        let name = format!(
            "cluster_{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        change(
            &url,
            format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"),
        )
        .await;
        Some(Self { url, name })
    }

    /// What a query answers that counts.
    pub async fn count(&self, sql: &'static str) -> i64 {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// For `DATABASE_URL`.
    pub fn url(&self) -> String {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        format!(
            "{}{mark}options[search_path]={}&application_name={}",
            self.url, self.name, self.name
        )
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let Self { url, name } = self;
        // A node that was killed may still have a connection.
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
        );
        let change = change(url, format!("{end}; DROP SCHEMA {name} CASCADE"));
        // A runtime cannot be waited for from within another one's thread.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(change)
            });
        });
    }
}

async fn change(url: &str, sql: String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection
        .execute("SET client_min_messages = error")
        .await
        .unwrap();
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
}
