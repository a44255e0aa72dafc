//! The `info` parameter: the channel attributes to return.

use poem_openapi::registry::MetaSchema;
use serde_json::{Map, Value};

use super::super::params::Accepts;
use super::super::schema::{example, plain};
use crate::core::model::{ChannelKind, ChannelName, Occupancy};

/// The requested attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// How many users are there; presence channels alone have them.
    pub users: bool,
    /// How many connections are there.
    pub subscriptions: bool,
    /// The last event of a cache channel.
    pub cache: bool,
}

impl Info {
    /// Whether any attribute is requested.
    pub(super) fn any(self) -> bool {
        self != Self::default()
    }

    /// Parses comma-separated names. The error continues the parameter's name: "must be …".
    pub(super) fn read(text: &str, cache: bool) -> Result<Self, &'static str> {
        let mut info = Self::default();
        for name in text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            match name {
                "user_count" => info.users = true,
                "subscription_count" => info.subscriptions = true,
                "cache" if cache => info.cache = true,
                _ if cache => {
                    return Err(
                        "must be one or more of user_count, subscription_count and cache, separated by commas",
                    );
                }
                _ => {
                    return Err(
                        "must be user_count, subscription_count, or both, separated by a comma",
                    );
                }
            }
        }
        Ok(info)
    }

    /// The requested counts of a channel, as members of an answer.
    pub(super) fn show(self, channel: &ChannelName, occupancy: Occupancy) -> Map<String, Value> {
        let mut shown = Map::new();
        if self.users && channel.kind() == ChannelKind::Presence {
            shown.insert("user_count".into(), occupancy.users.into());
        }
        if self.subscriptions {
            shown.insert("subscription_count".into(), occupancy.subscriptions.into());
        }
        shown
    }
}

/// The parameter `info` of a list of channels.
pub(super) enum Counts {}

impl Accepts for Counts {
    type Value = Info;

    fn schema() -> MetaSchema {
        let schema = MetaSchema {
            pattern: Some(
                "^((user_count|subscription_count)(,(user_count|subscription_count))*)?$".into(),
            ),
            ..plain("string", "")
        };
        example(schema, "subscription_count")
    }

    fn read(text: &str) -> Result<Info, &'static str> {
        Info::read(text, false)
    }
}

/// The parameter `info` of one channel.
pub(super) enum Everything {}

impl Accepts for Everything {
    type Value = Info;

    fn schema() -> MetaSchema {
        let pattern =
            "^((user_count|subscription_count|cache)(,(user_count|subscription_count|cache))*)?$";
        let schema = MetaSchema {
            pattern: Some(pattern.into()),
            ..plain("string", "")
        };
        example(schema, "subscription_count")
    }

    fn read(text: &str) -> Result<Info, &'static str> {
        Info::read(text, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_order_and_others_refused() {
        assert_eq!(Info::read("", false), Ok(Info::default()));
        let both = Info {
            users: true,
            subscriptions: true,
            cache: false,
        };
        assert_eq!(
            Info::read("subscription_count, user_count,", false),
            Ok(both)
        );
        assert_eq!(
            Info::read("user_count,subscription_count,cache", true),
            Ok(Info {
                cache: true,
                ..both
            })
        );
        assert!(Info::read("cache", false).is_err());
        assert!(Info::read("user_count,members", true).is_err());
    }
}
