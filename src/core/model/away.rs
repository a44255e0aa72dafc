//! Targets that are notified only if their user was away.

use std::time::Duration;

use super::ids::UserId;
use super::whole_duration;

/// The longest delay.
const MAX_DELAY: Duration = Duration::from_secs(24 * 3600);

/// The condition of a target that is notified only if no connection of its user has received the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// For how long after the event the user may still receive it.
    pub delay: Duration,
    /// The user; `None`: that of the personal channel.
    pub user: Option<UserId>,
}

impl Away {
    /// Reads a delay of whole seconds, minutes, hours or days, such as `30s`; `None`: it is none, or more than 24 h.
    pub fn parse_delay(text: &str) -> Option<Duration> {
        whole_duration::read(text).filter(|delay| *delay <= MAX_DELAY)
    }

    /// The delay as text, in the longest unit that shows it exactly.
    pub fn delay_text(&self) -> String {
        whole_duration::text(self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_read_and_written() {
        for (text, seconds, written) in [
            ("30s", 30, "30s"),
            ("90", 90, "90s"),
            ("15m", 900, "15m"),
            ("24h", 86_400, "1d"),
            ("0s", 0, "0s"),
        ] {
            let delay = Away::parse_delay(text).unwrap();
            assert_eq!(delay, Duration::from_secs(seconds));
            let away = Away { delay, user: None };
            assert_eq!(away.delay_text(), written);
        }
        for text in [
            "",
            "s",
            "-1s",
            "1.5s",
            "25h",
            "1 m",
            "1w",
            "99999999999999999999s",
            "\u{e9}",
        ] {
            assert_eq!(Away::parse_delay(text), None, "{text}");
        }
    }
}
