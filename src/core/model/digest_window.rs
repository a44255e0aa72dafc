//! The windows of digests.

use std::fmt;
use std::time::Duration;

use super::whole_duration;

/// The longest window in seconds.
const DAY: u32 = 86_400;

/// For how long the events for an e-mail address are collected for one mail: one second to one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DigestWindow(u32);

impl DigestWindow {
    /// Reads whole seconds, minutes, hours or days without leading zeros, such as `15m`; `None`: it is no window.
    pub fn parse(text: &str) -> Option<Self> {
        let duration = whole_duration::read(text).filter(|_| !text.starts_with('0'))?;
        Self::of_seconds(duration.as_secs())
    }

    /// From its seconds; `None`: it is no window.
    pub fn of_seconds(seconds: u64) -> Option<Self> {
        let seconds = u32::try_from(seconds).ok()?;
        (1..=DAY).contains(&seconds).then_some(Self(seconds))
    }

    /// Its seconds.
    pub fn seconds(self) -> u64 {
        self.0.into()
    }

    /// Its duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds())
    }
}

impl fmt::Display for DigestWindow {
    /// As it is read, in the longest unit that shows it exactly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&whole_duration::text(self.duration()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_duration_up_to_a_day() {
        for (text, seconds, written) in [
            ("1s", 1, "1s"),
            ("90", 90, "90s"),
            ("60s", 60, "1m"),
            ("15m", 900, "15m"),
            ("24h", 86_400, "1d"),
            ("1d", 86_400, "1d"),
        ] {
            let window = DigestWindow::parse(text).unwrap();
            assert_eq!(window.seconds(), seconds);
            assert_eq!(window.to_string(), written);
        }
        for text in [
            "",
            "0",
            "0s",
            "015m",
            "m",
            "25h",
            "2d",
            "86401",
            "-1m",
            "+1m",
            "1.5h",
            "1 m",
            "1w",
            "15M",
            "1ms",
            "\u{663}m",
            "99999999999999999999d",
        ] {
            assert_eq!(DigestWindow::parse(text), None, "{text}");
        }
    }
}
