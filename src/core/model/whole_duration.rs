//! Durations of whole seconds as text.

use std::time::Duration;

/// Units in seconds, the longest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

/// Reads whole seconds, minutes, hours or days, such as `30s`; without a unit they are seconds. `None`: it is none.
pub(super) fn read(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let seconds = match unit {
        "" => 1,
        unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    Some(Duration::from_secs(seconds))
}

/// As text, in the longest unit that shows it exactly.
pub(super) fn text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let fits = |(_, unit): &&(&str, u64)| seconds > 0 && seconds.is_multiple_of(*unit);
    let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("s", 1));
    format!("{}{name}", seconds / unit)
}
