//! The measured stores and their databases.

use pushi::config::StoreUrl;
use pushi::core::model::Secret;
use pushi_test_support::{MongoDatabase, PostgresSchema, server_url};
use tempfile::TempDir;

/// A kind of store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
    Mongo,
}

/// A separate database, deleted on drop.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres(PostgresSchema),
    Mongo(MongoDatabase),
}

impl Store {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mongo => "MongoDB",
        }
    }

    /// Whether the server that it needs, if any, is configured.
    pub(crate) fn is_there(self) -> bool {
        match self {
            Self::Sqlite => true,
            Self::Postgres => server_url("PUSHI_TEST_POSTGRES_URL").is_some(),
            Self::Mongo => server_url("PUSHI_TEST_MONGO_URL").is_some(),
        }
    }

    /// Creates an empty database.
    pub(crate) async fn database(self) -> Database {
        match self {
            Self::Sqlite => Database::Sqlite(TempDir::new().unwrap()),
            Self::Postgres => Database::Postgres(PostgresSchema::start().await.unwrap()),
            Self::Mongo => {
                Database::Mongo(MongoDatabase::start("PUSHI_TEST_MONGO_URL").await.unwrap())
            }
        }
    }
}

impl Database {
    /// The URL as the configuration represents it.
    pub(crate) fn url(&self) -> StoreUrl {
        match self {
            Self::Sqlite(folder) => StoreUrl::Sqlite {
                path: folder.path().join("pushi.db").display().to_string(),
            },
            Self::Postgres(schema) => StoreUrl::Postgres(Secret::new(schema.url(""))),
            Self::Mongo(database) => StoreUrl::Mongo {
                url: Secret::new(&*database.url),
                database: database.name.clone(),
            },
        }
    }
}
