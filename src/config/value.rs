//! Reading one value.

use std::time::Duration;

use super::complaint::Complaint;
use super::raw::Raw;
use super::variables::Variable;

/// No duration is longer than a hundred years, so that adding one to a time cannot overflow.
const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

const DURATION: &str = "seconds or a number with a unit, as in 90, 30s, 5m, 24h or 30d";

/// The value, or else the default, as `parse` reads it. `accepts` is what the complaint says.
pub fn read<T>(
    raw: &Raw,
    variable: &Variable,
    accepts: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Complaint> {
    let text = raw.get(variable).unwrap_or(variable.default).trim();
    parse(text).ok_or_else(|| Complaint::value(variable, text, accepts))
}

/// `1` or `0`, and the words that people write for them.
pub fn switch(raw: &Raw, variable: &Variable) -> Result<bool, Complaint> {
    read(raw, variable, "1 or 0", |text| {
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        }
    })
}

/// A whole number from `min` up.
pub fn number(raw: &Raw, variable: &Variable, min: u64) -> Result<u64, Complaint> {
    // Stores keep whole numbers of 63 bits.
    let fits = |n: &u64| *n >= min && i64::try_from(*n).is_ok();
    read(
        raw,
        variable,
        &format!("a whole number from {min} up"),
        |text| digits(text).filter(fits),
    )
}

/// A duration of at least `min` seconds.
pub fn duration(raw: &Raw, variable: &Variable, min: u64) -> Result<Duration, Complaint> {
    let accepts = if min == 0 {
        DURATION.to_owned()
    } else {
        format!("{DURATION}, at least {min} s")
    };
    let min = Duration::from_secs(min);
    read(raw, variable, &accepts, |text| {
        parse_duration(text).filter(|long| *long >= min && *long <= LONGEST)
    })
}

/// A list with commas between its entries, each as `parse` reads it; empty where nothing is set.
pub fn list<T>(
    raw: &Raw,
    variable: &Variable,
    accepts: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Complaint> {
    let entries = raw
        .get(variable)
        .unwrap_or(variable.default)
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries
        .map(|entry| parse(entry).ok_or_else(|| Complaint::value(variable, entry, accepts)))
        .collect()
}

fn digits(text: &str) -> Option<u64> {
    // `parse` alone would take a plus sign.
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
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
    digits(number)?
        .checked_mul(seconds)
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::super::variables::{
        APP_SSL, PUSHI_MAX_REPLAY, PUSHI_RETENTION, PUSHI_STORE_TIMEOUT,
    };
    use super::*;

    #[test]
    fn durations_have_units() {
        let of = |text: &str| {
            duration(&Raw::of([(PUSHI_RETENTION, text)]), &PUSHI_RETENTION, 0)
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
    fn a_duration_has_a_least_value() {
        let zero = duration(
            &Raw::of([(PUSHI_STORE_TIMEOUT, "0")]),
            &PUSHI_STORE_TIMEOUT,
            1,
        )
        .unwrap_err()
        .to_string();
        assert!(
            zero.starts_with(r#"PUSHI_STORE_TIMEOUT="0" cannot be used"#)
                && zero.ends_with("at least 1 s"),
            "{zero}"
        );
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        let of =
            |text: &str| number(&Raw::of([(PUSHI_MAX_REPLAY, text)]), &PUSHI_MAX_REPLAY, 0).ok();
        assert_eq!(of("0"), Some(0));
        assert_eq!(of(""), Some(1000));
        assert_eq!(of("9223372036854775807"), Some(i64::MAX as u64));
        for bad in ["-1", "+1", "1e3", "x", "9223372036854775808"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn switches() {
        let of = |text: &str| switch(&Raw::of([(APP_SSL, text)]), &APP_SSL).ok();
        assert_eq!(
            (of("1"), of("True"), of("0"), of(""), of("2")),
            (Some(true), Some(true), Some(false), Some(false), None)
        );
    }
}
