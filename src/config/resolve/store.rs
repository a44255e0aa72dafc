//! Validation of the database and bus settings.

use crate::config::error::ConfigError;
use crate::config::raw::Raw;
use crate::config::settings::StoreSettings;
use crate::config::url::{BusUrl, StoreUrl, is_database_name};
use crate::config::value::{duration, number, read, switch};
use crate::config::variables::{
    BUS_URL, DATABASE_URL, MONGO_DB, MONGO_URL, MONGOHQ_URL, PUSHI_RETENTION,
    PUSHI_RETENTION_EVENTS, PUSHI_SQL_PUBLISH, PUSHI_STORE_POOL, PUSHI_STORE_TIMEOUT, REDIS_URL,
};

const DATABASE_NAME: &str =
    "the name of a MongoDB database: 1 to 63 bytes without / \\ . \" $ * < > : | ? or spaces";

/// The largest connection pool; more connections do not make any database faster.
const MAX_POOL: u32 = 1000;

pub(super) fn resolve(raw: &Raw) -> Result<StoreSettings, ConfigError> {
    let database = read(raw, &MONGO_DB, DATABASE_NAME, |text| {
        is_database_name(text).then(|| text.to_owned())
    })?;
    // Order of precedence as in the original.
    let fallback = [MONGO_URL, MONGOHQ_URL]
        .into_iter()
        .find(|variable| raw.get(variable).is_some());
    let (variable, url) = match fallback.filter(|_| raw.none_of(&[DATABASE_URL])) {
        None => (
            DATABASE_URL,
            read(raw, &DATABASE_URL, StoreUrl::EXPECTED, |text| {
                StoreUrl::parse(text, &database)
            })?,
        ),
        Some(mongo) => (
            mongo,
            read(raw, &mongo, StoreUrl::EXPECTED_MONGO, |text| {
                StoreUrl::parse_mongo(text, &database)
            })?,
        ),
    };
    Ok(StoreSettings {
        url,
        variable,
        timeout: duration(raw, &PUSHI_STORE_TIMEOUT, 1)?,
        pool: read(
            raw,
            &PUSHI_STORE_POOL,
            &format!("a whole number from 1 to {MAX_POOL}"),
            |text| text.parse().ok().filter(|n| (1..=MAX_POOL).contains(n)),
        )?,
        publish_rows: switch(raw, &PUSHI_SQL_PUBLISH)?,
        retention: Some(duration(raw, &PUSHI_RETENTION, 0)?).filter(|duration| !duration.is_zero()),
        retention_events: Some(number(raw, &PUSHI_RETENTION_EVENTS, 0)?).filter(|n| *n != 0),
    })
}

pub(super) fn resolve_bus(raw: &Raw) -> Result<Option<BusUrl>, ConfigError> {
    let variable = [BUS_URL, REDIS_URL]
        .into_iter()
        .find(|variable| raw.get(variable).is_some());
    variable
        .map(|variable| read(raw, &variable, BusUrl::EXPECTED, BusUrl::parse))
        .transpose()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::variables::Variable;
    use crate::core::model::Secret;

    fn of(pairs: &[(Variable, &str)]) -> Result<StoreSettings, String> {
        resolve(&Raw::from_pairs(pairs.iter().copied())).map_err(|error| error.to_string())
    }

    fn mongo(url: &str, database: &str) -> StoreUrl {
        StoreUrl::Mongo {
            url: Secret::new(url),
            database: database.into(),
        }
    }

    #[test]
    fn the_defaults() {
        let expected = StoreSettings {
            url: StoreUrl::Sqlite {
                path: "pushi.db".into(),
            },
            variable: DATABASE_URL,
            timeout: Duration::from_secs(5),
            pool: 10,
            publish_rows: true,
            retention: None,
            retention_events: None,
        };
        assert_eq!(of(&[]), Ok(expected));
    }

    #[test]
    fn variables_of_the_original_are_read_in_order_if_database_url_is_not_set() {
        let (first, second) = (
            (MONGO_URL, "mongodb://one"),
            (MONGOHQ_URL, "mongodb://two/x"),
        );
        assert_eq!(
            of(&[first, second]).unwrap().url,
            mongo("mongodb://one", "pushi")
        );
        assert_eq!(of(&[second]).unwrap().url, mongo("mongodb://two/x", "x"));
        assert_eq!(of(&[second]).unwrap().variable, MONGOHQ_URL);
        assert_eq!(
            of(&[first, (MONGO_DB, "other")]).unwrap().url,
            mongo("mongodb://one", "other")
        );
        assert_eq!(
            of(&[first, (DATABASE_URL, "sqlite::memory:")]).unwrap().url,
            StoreUrl::SqliteMemory
        );
        assert_eq!(
            of(&[first, (DATABASE_URL, "")]).unwrap().variable,
            MONGO_URL
        );
    }

    #[test]
    fn an_error_names_the_variable_and_the_expected_format() {
        let text = of(&[(MONGO_URL, "postgres://h")]).unwrap_err();
        assert_eq!(
            text,
            r#"MONGO_URL="postgres://h" is invalid: expected mongodb://… or mongodb+srv://…"#
        );
        assert!(
            of(&[(DATABASE_URL, "pushi.db")])
                .unwrap_err()
                .contains("sqlite://PATH")
        );
        assert!(
            of(&[(MONGO_DB, "a b")])
                .unwrap_err()
                .starts_with("MONGO_DB=")
        );
        assert!(
            of(&[(PUSHI_STORE_POOL, "0")])
                .unwrap_err()
                .contains("1 to 1000")
        );
        assert!(
            of(&[(PUSHI_STORE_TIMEOUT, "0")])
                .unwrap_err()
                .contains("at least 1 s")
        );
    }

    #[test]
    fn retention_0_is_unlimited() {
        let kept = of(&[(PUSHI_RETENTION, "0"), (PUSHI_RETENTION_EVENTS, "0")]).unwrap();
        assert_eq!((kept.retention, kept.retention_events), (None, None));
        let some = of(&[(PUSHI_RETENTION, "30d"), (PUSHI_RETENTION_EVENTS, "7")]).unwrap();
        assert_eq!(
            (some.retention, some.retention_events),
            (Some(Duration::from_secs(2_592_000)), Some(7))
        );
    }

    #[test]
    fn bus_url_takes_precedence_over_redis_url() {
        let bus = |pairs: &[(Variable, &str)]| {
            resolve_bus(&Raw::from_pairs(pairs.iter().copied())).map_err(|error| error.to_string())
        };
        let redis = |url: &str| Ok(Some(BusUrl::Redis(Secret::new(url))));
        assert_eq!(bus(&[]), Ok(None));
        assert_eq!(
            bus(&[(BUS_URL, "redis://a"), (REDIS_URL, "redis://b")]),
            redis("redis://a")
        );
        assert_eq!(bus(&[(REDIS_URL, "redis://b")]), redis("redis://b"));
        assert!(
            bus(&[(REDIS_URL, "b")])
                .unwrap_err()
                .starts_with("REDIS_URL=")
        );
    }
}
