//! Names of keys and topics in Redis.
//!
//! The part in braces decides the slot in a Redis Cluster ("hash tag"): the topic and the keys of a
//! channel are on one server, so that one script can change them and publish the change.

use crate::core::model::{AppIdent, ChannelKind, ChannelName, PeerChannel};

/// The names of keys and topics of one deployment. Several deployments can share a server, each with
/// its own database number. Pub/sub ignores databases, so the number is part of every name.
#[derive(Debug, Clone)]
pub(crate) struct KeyNames {
    prefix: String,
}

impl KeyNames {
    /// The names for the database with this number.
    pub(crate) fn new(database: i64) -> Self {
        Self {
            prefix: format!("pushi:{database}:"),
        }
    }

    /// The topic on which the messages of a channel are published.
    pub(crate) fn topic(&self, app: &AppIdent, channel: &str) -> String {
        format!("{}{{{}/{channel}}}", self.prefix, app.as_str())
    }

    /// The app and channel of a topic; `None` for other topics.
    pub(crate) fn parse_topic(&self, topic: &str) -> Option<(AppIdent, ChannelName)> {
        let tag = topic
            .strip_prefix(&self.prefix)?
            .strip_prefix('{')?
            .strip_suffix('}')?;
        // The identifier of an app contains no slash.
        let (app, channel) = tag.split_once('/')?;
        Some((AppIdent::trusted(app), ChannelName::trusted(channel)))
    }

    /// The topic to which every node subscribes.
    pub(crate) fn broadcast_topic(&self) -> String {
        format!("{}all", self.prefix)
    }

    /// A topic to which only `node` subscribes. The salt gives it a slot on each server of a cluster.
    pub(crate) fn echo_topic(&self, node: u64, salt: u32) -> String {
        format!("{}echo:{node}:{salt}", self.prefix)
    }

    /// The hash of the members of a presence channel.
    pub(crate) fn list_key(&self, app: &AppIdent, channel: &ChannelName) -> String {
        format!("{}:list", self.topic(app, channel.as_str()))
    }

    /// The hash of the number of connections of each node on a channel.
    pub(crate) fn counts_key(&self, app: &AppIdent, channel: &ChannelName) -> String {
        format!("{}:counts", self.topic(app, channel.as_str()))
    }

    /// The set of the users of a presence channel with a connection of one incarnation.
    pub(crate) fn users_key(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        incarnation: &str,
    ) -> String {
        format!("{}:seats:{incarnation}", self.topic(app, channel.as_str()))
    }

    /// Exists when an incarnation has been evicted from a channel: its late commands are refused.
    pub(crate) fn fence_key(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        incarnation: &str,
    ) -> String {
        format!("{}:fence:{incarnation}", self.topic(app, channel.as_str()))
    }

    /// A key of the registry of nodes.
    pub(crate) fn registry_key(&self, name: &str) -> String {
        format!("{}{{nodes}}:{name}", self.prefix)
    }
}

/// The channel whose topic carries the messages of `channel`. Peer channels use the topic of their
/// presence channel, because every subscriber of one may receive them.
pub(crate) fn topic_channel(channel: &ChannelName) -> ChannelName {
    match PeerChannel::parse(channel.as_str()) {
        Some(peer) if channel.kind() == ChannelKind::Peer => ChannelName::trusted(&peer.presence()),
        _ => channel.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_any_channel_name_are_parsed_back() {
        let names = KeyNames::new(3);
        let app = AppIdent::trusted("a-1");
        for name in ["c", "presence-a/b", "x}y{z", "}", "ü:list"] {
            let topic = names.topic(&app, name);
            assert_eq!(
                names.parse_topic(&topic),
                Some((app.clone(), ChannelName::trusted(name))),
                "{topic}"
            );
            assert_eq!(KeyNames::new(0).parse_topic(&topic), None);
        }
        assert_eq!(names.parse_topic(&names.broadcast_topic()), None);
        assert_eq!(names.parse_topic(&names.echo_topic(1, 2)), None);
    }

    #[test]
    fn peer_channels_use_the_topic_of_their_presence_channel() {
        assert_eq!(
            topic_channel(&ChannelName::trusted("peer-room:a&b")).as_str(),
            "presence-room"
        );
        assert_eq!(
            topic_channel(&ChannelName::trusted("presence-room")).as_str(),
            "presence-room"
        );
    }
}
