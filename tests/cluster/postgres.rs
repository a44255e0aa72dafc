//! A schema of its own for one test, in the PostgreSQL that `PUSHI_TEST_POSTGRES_URL` names.

use pushi_test_support::PostgresSchema;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

/// A schema that is dropped with the test.
pub(crate) struct Schema(PostgresSchema);

impl Schema {
    /// `None` where no URL is set; a run with `CI=true` fails then.
    pub(crate) async fn create() -> Option<Self> {
        PostgresSchema::start().await.map(Self)
    }

    /// The result of a query that counts.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// For `DATABASE_URL`.
    pub(crate) fn url(&self) -> String {
        self.0.url("")
    }
}
