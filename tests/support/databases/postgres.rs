use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::{block_on_new_thread, server_url, unique_name};

/// A schema in the database that `PUSHI_TEST_POSTGRES_URL` names.
pub struct PostgresSchema {
    url: String,
    name: String,
}

impl PostgresSchema {
    /// A new, empty one; `None` where no server was named.
    pub async fn start() -> Option<Self> {
        let (url, name) = (server_url("PUSHI_TEST_POSTGRES_URL")?, unique_name());
        change(
            &url,
            format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"),
        )
        .await;
        Some(Self { url, name })
    }

    /// The URL, with further parameters.
    pub fn url(&self, more: &str) -> String {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        format!(
            "{}{mark}options[search_path]={}&application_name={}{more}",
            self.url, self.name, self.name
        )
    }
}

impl Drop for PostgresSchema {
    fn drop(&mut self) {
        let Self { url, name } = self;
        // Connections that are still open would block the drop.
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
        );
        block_on_new_thread(change(url, format!("{end}; DROP SCHEMA {name} CASCADE")));
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
