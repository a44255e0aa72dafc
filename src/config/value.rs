//! Parsers for the values of variables.

use std::time::Duration;

use super::error::ConfigError;
use super::raw::Raw;
use super::variables::Variable;

/// 100 years. The bound ensures that adding a duration to a timestamp cannot overflow.
const MAX_DURATION: Duration = Duration::from_secs(36_500 * 86_400);

const DURATION_FORMAT: &str = "seconds or a number with a unit, such as 90, 30s, 5m, 24h or 30d";

/// Parses the value of a variable, or its default if it is not set. `expected` describes the format
/// in the error text.
pub(super) fn read<T>(
    raw: &Raw,
    variable: &Variable,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ConfigError> {
    let text = raw.get(variable).unwrap_or(variable.default).trim();
    parse(text).ok_or_else(|| ConfigError::invalid_value(variable, text, expected))
}

/// Parses a boolean: `1`, `0` and their usual synonyms.
pub(super) fn switch(raw: &Raw, variable: &Variable) -> Result<bool, ConfigError> {
    read(raw, variable, "1 or 0", |text| {
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        }
    })
}

/// Parses an integer of at least `min`.
pub(super) fn number(raw: &Raw, variable: &Variable, min: u64) -> Result<u64, ConfigError> {
    // The databases store signed 64-bit integers.
    let fits = |n: &u64| *n >= min && i64::try_from(*n).is_ok();
    read(
        raw,
        variable,
        &format!("an integer of at least {min}, such as 1000"),
        |text| parse_digits(text).filter(fits),
    )
}

/// Parses a duration of at least `min` seconds.
pub(super) fn duration(raw: &Raw, variable: &Variable, min: u64) -> Result<Duration, ConfigError> {
    let expected = if min == 0 {
        DURATION_FORMAT.to_owned()
    } else {
        format!("{DURATION_FORMAT}, at least {min} s")
    };
    let min = Duration::from_secs(min);
    read(raw, variable, &expected, |text| {
        parse_duration(text).filter(|duration| *duration >= min && *duration <= MAX_DURATION)
    })
}

/// Parses a comma-separated list; empty if the variable is not set. An error shows only the invalid
/// entry.
pub(super) fn list<T>(
    raw: &Raw,
    variable: &Variable,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, ConfigError> {
    let entries = raw
        .get(variable)
        .unwrap_or(variable.default)
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            parse(entry).ok_or_else(|| ConfigError::invalid_value(variable, entry, expected))
        })
        .collect()
}

fn parse_digits(text: &str) -> Option<u64> {
    // `parse` alone would accept a plus sign.
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// Parses a number of seconds, or a number with the unit `s`, `m`, `h` or `d`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    parse_digits(number)?
        .checked_mul(seconds)
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::variables::{
        APP_SSL, PUSHI_MAX_REPLAY, PUSHI_RETENTION, PUSHI_STORE_TIMEOUT,
    };

    #[test]
    fn durations_have_units() {
        let of = |text: &str| {
            duration(
                &Raw::from_pairs([(PUSHI_RETENTION, text)]),
                &PUSHI_RETENTION,
                0,
            )
            .ok()
            .map(|d| d.as_secs())
        };
        assert_eq!(of("90"), Some(90));
        assert_eq!(of(" 30s "), Some(30));
        assert_eq!(of("5m"), Some(300));
        assert_eq!(of("24h"), Some(86_400));
        assert_eq!(of("30d"), Some(2_592_000));
        for bad in [
            "-1",
            "+1",
            "1.5",
            "s",
            "5 m",
            "5M",
            "5ms",
            "1w",
            "99999999999999999999",
            "9999999999999999999d",
            "36501d",
            "١",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_duration_has_a_minimum() {
        let zero = duration(
            &Raw::from_pairs([(PUSHI_STORE_TIMEOUT, "0")]),
            &PUSHI_STORE_TIMEOUT,
            1,
        )
        .unwrap_err()
        .to_string();
        assert!(
            zero.starts_with(r#"PUSHI_STORE_TIMEOUT="0" is invalid"#)
                && zero.ends_with("at least 1 s"),
            "{zero}"
        );
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        let of = |text: &str| {
            number(
                &Raw::from_pairs([(PUSHI_MAX_REPLAY, text)]),
                &PUSHI_MAX_REPLAY,
                0,
            )
            .ok()
        };
        assert_eq!(of("0"), Some(0));
        assert_eq!(of(""), Some(1000));
        assert_eq!(of("9223372036854775807"), Some(i64::MAX as u64));
        for bad in ["-1", "+1", "1e3", "x", "9223372036854775808"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn switches() {
        let of = |text: &str| switch(&Raw::from_pairs([(APP_SSL, text)]), &APP_SSL).ok();
        assert_eq!(
            (of("1"), of("True"), of("0"), of(""), of("2")),
            (Some(true), Some(true), Some(false), Some(false), None)
        );
    }
}
