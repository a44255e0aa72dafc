//! URLs of the database and of the bus.
//!
//! The crate `url` is not used here: it rejects `sqlite:` URLs with a relative path, the
//! comma-separated hosts of MongoDB and the node list of a Redis cluster. The drivers parse the
//! rest of each URL.

use percent_encoding::percent_decode_str;

use crate::core::model::Secret;

/// The address of the database. URLs of servers are secrets, because they may contain a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A SQLite file.
    Sqlite {
        /// The path as given, relative to the working directory if not absolute.
        path: String,
    },
    /// A SQLite database in memory, lost when the process ends.
    SqliteMemory,
    /// A PostgreSQL server: the whole URL.
    Postgres(Secret),
    /// A MongoDB server.
    Mongo {
        /// The whole URL.
        url: Secret,
        /// The database: the URL's path, else the configured one.
        database: String,
    },
}

impl StoreUrl {
    /// The accepted formats, for error texts.
    pub const EXPECTED: &str =
        "sqlite://PATH, sqlite::memory:, postgres://…, mongodb://… or mongodb+srv://…";
    /// The accepted formats of [`StoreUrl::parse_mongo`], for error texts.
    pub const EXPECTED_MONGO: &str = "mongodb://… or mongodb+srv://…";

    /// Parses a URL; `None` if its format is not accepted. `database` is the database of a MongoDB
    /// URL without a path.
    pub fn parse(text: &str, database: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("sqlite", ":memory:" | "//:memory:") => Some(Self::SqliteMemory),
            ("sqlite", rest) => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                // Query options are not supported, and taking them as part of the file name would
                // be a surprise.
                (!path.is_empty() && !path.contains(['?', '\0'])).then(|| Self::Sqlite {
                    path: path.to_owned(),
                })
            }
            ("postgres" | "postgresql", rest) if has_host(rest) => {
                Some(Self::Postgres(Secret::new(text)))
            }
            _ => Self::parse_mongo(text, database),
        }
    }

    /// Parses a URL that must be one of MongoDB.
    pub fn parse_mongo(text: &str, database: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        if !matches!(scheme, "mongodb" | "mongodb+srv") || !has_host(rest) {
            return None;
        }
        let path = rest
            .trim_start_matches('/')
            .split_once('/')
            .map_or("", |(_, path)| path);
        let path = percent_decode_str(path.split('?').next().unwrap_or(""))
            .decode_utf8()
            .ok()?;
        let database = if path.is_empty() { database } else { &path };
        is_database_name(database).then(|| Self::Mongo {
            url: Secret::new(text),
            database: database.to_owned(),
        })
    }

    /// A description for the log, without user name and password.
    pub fn describe(&self) -> String {
        match self {
            Self::Sqlite { path } => format!("SQLite at {path}"),
            Self::SqliteMemory => "SQLite in memory".to_owned(),
            Self::Postgres(url) => format!("PostgreSQL at {}", host(url.expose())),
            Self::Mongo { url, database } => {
                format!("MongoDB at {}, database {database}", host(url.expose()))
            }
        }
    }
}

/// The address of the bus that connects the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusUrl {
    /// One Redis, `redis://…` or `rediss://…`: the whole URL.
    Redis(Secret),
    /// A Redis cluster: the text after `redis-cluster://`, which is a comma-separated list of
    /// nodes.
    Cluster(Secret),
}

impl BusUrl {
    /// The accepted formats, for error texts.
    pub const EXPECTED: &str = "redis://…, rediss://… or redis-cluster://A,B";

    /// Parses a URL; `None` if its format is not accepted.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("redis" | "rediss", rest) if has_host(rest) => Some(Self::Redis(Secret::new(text))),
            ("redis-cluster", rest) if has_host(rest) => {
                Some(Self::Cluster(Secret::new(rest.trim_start_matches('/'))))
            }
            _ => None,
        }
    }
}

/// Whether a name is valid for a MongoDB database (manual, "Naming Restrictions").
pub(super) fn is_database_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 64
        && !name.contains([
            '/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0',
        ])
}

fn has_host(rest: &str) -> bool {
    rest.strip_prefix("//")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '@']))
}

/// The part of a URL with host and port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or("");
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(text: &str) -> Option<String> {
        match StoreUrl::parse(text, "pushi") {
            Some(StoreUrl::Sqlite { path }) => Some(path),
            _ => None,
        }
    }

    #[test]
    fn sqlite_urls() {
        assert_eq!(sqlite("sqlite://pushi.db").as_deref(), Some("pushi.db"));
        assert_eq!(sqlite("sqlite:pushi.db").as_deref(), Some("pushi.db"));
        assert_eq!(
            sqlite("sqlite:///var/lib/pushi.db").as_deref(),
            Some("/var/lib/pushi.db")
        );
        assert_eq!(
            StoreUrl::parse("sqlite::memory:", "pushi"),
            Some(StoreUrl::SqliteMemory)
        );
        assert_eq!(
            StoreUrl::parse("sqlite://:memory:", "pushi"),
            Some(StoreUrl::SqliteMemory)
        );
        for bad in [
            "",
            "pushi.db",
            "sqlite://",
            "sqlite:",
            "sqlite://x?mode=ro",
            "mysql://h/x",
            "postgres://",
            "postgres:x",
            "mongodb:///x",
        ] {
            assert_eq!(StoreUrl::parse(bad, "pushi"), None, "{bad}");
        }
    }

    #[test]
    fn a_mongodb_url_without_a_path_uses_the_configured_database() {
        let database = |text: &str| match StoreUrl::parse(text, "other") {
            Some(StoreUrl::Mongo { database, .. }) => Some(database),
            _ => None,
        };
        assert_eq!(
            database("mongodb://u:p@h:27017/pushi?w=1").as_deref(),
            Some("pushi")
        );
        assert_eq!(
            database("mongodb+srv://h/my%2Ddb").as_deref(),
            Some("my-db")
        );
        for bare in ["mongodb://h", "mongodb://a,b:1/", "mongodb://h/?w=1"] {
            assert_eq!(database(bare).as_deref(), Some("other"), "{bare}");
        }
        assert_eq!(database("mongodb://h/a.b"), None);
        assert_eq!(StoreUrl::parse_mongo("sqlite::memory:", "other"), None);
    }

    #[test]
    fn debug_and_description_hide_the_password() {
        for text in [
            "postgres://user:hunter2@h:5432/db?password=hunter2",
            "mongodb://user:hunter2@h:5432/db",
        ] {
            let url = StoreUrl::parse(text, "pushi").unwrap();
            let shown = format!("{url:?} {}", url.describe());
            assert!(
                !shown.contains("hunter2") && shown.contains("h:5432"),
                "{shown}"
            );
        }
        let bus = BusUrl::parse("redis://:hunter2@h").unwrap();
        assert!(!format!("{bus:?}").contains("hunter2"));
    }

    #[test]
    fn bus_urls() {
        assert!(matches!(
            BusUrl::parse("rediss://h:6379/1"),
            Some(BusUrl::Redis(_))
        ));
        assert!(
            matches!(BusUrl::parse("redis-cluster://a:1,b:2"), Some(BusUrl::Cluster(nodes)) if nodes.expose() == "a:1,b:2")
        );
        for bad in ["", "redis", "redis:h", "redis://", "amqp://h"] {
            assert_eq!(BusUrl::parse(bad), None, "{bad}");
        }
    }
}
