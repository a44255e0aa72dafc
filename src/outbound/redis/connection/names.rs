//! What things are called in Redis.
//!
//! The part in braces decides the slot in a Redis Cluster ("hash tags"): a channel's topic and keys are on one server, so
//! that one script can change a list and announce it.

use crate::core::model::{AppIdent, ChannelKind, ChannelName, PeerChannel};

/// Names of one deployment; several can share a server, each with a database number of its own (pub/sub knows no
/// databases, so the number is part of every name).
#[derive(Debug, Clone)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// For the database with this number.
    pub fn new(database: i64) -> Self {
        Self {
            prefix: format!("pushi:{database}:"),
        }
    }

    /// Where a channel's messages are published.
    pub fn topic(&self, app: &AppIdent, channel: &str) -> String {
        format!("{}{{{}/{channel}}}", self.prefix, app.as_str())
    }

    /// The app and channel of a topic.
    pub fn parse_topic(&self, topic: &str) -> Option<(AppIdent, ChannelName)> {
        let tag = topic
            .strip_prefix(&self.prefix)?
            .strip_prefix('{')?
            .strip_suffix('}')?;
        // An app's identifier has no slash.
        let (app, channel) = tag.split_once('/')?;
        Some((AppIdent::trusted(app), ChannelName::trusted(channel)))
    }

    /// Where every node listens.
    pub fn everybody(&self) -> String {
        format!("{}all", self.prefix)
    }

    /// Where one node hears itself; `salt` tells the servers of a cluster apart.
    pub fn echo(&self, node: u64, salt: u32) -> String {
        format!("{}echo:{node}:{salt}", self.prefix)
    }

    /// A key of a channel's presence list.
    pub fn list(&self, app: &AppIdent, channel: &ChannelName) -> String {
        format!("{}:list", self.topic(app, channel.as_str()))
    }

    /// How many connections of each node are on a channel.
    pub fn counts(&self, app: &AppIdent, channel: &ChannelName) -> String {
        format!("{}:counts", self.topic(app, channel.as_str()))
    }

    /// Which users of a presence channel have a connection on a node.
    pub fn seats(&self, app: &AppIdent, channel: &ChannelName, node: &str) -> String {
        format!("{}:seats:{node}", self.topic(app, channel.as_str()))
    }

    /// That a node's life is over, for a presence channel.
    pub fn fence(&self, app: &AppIdent, channel: &ChannelName, node: &str) -> String {
        format!("{}:fence:{node}", self.topic(app, channel.as_str()))
    }

    /// A key of the register of nodes.
    pub fn register(&self, what: &str) -> String {
        format!("{}{{nodes}}:{what}", self.prefix)
    }
}

/// The channel whose topic carries a channel's messages: peer channels travel with their presence channel, since whoever
/// is there is on them.
pub fn carrier(channel: &ChannelName) -> ChannelName {
    match PeerChannel::parse(channel.as_str()) {
        Some(peer) if channel.kind() == ChannelKind::Peer => ChannelName::trusted(&peer.presence()),
        _ => channel.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_read_back_whatever_the_channel_is_called() {
        let names = Names::new(3);
        let app = AppIdent::trusted("a-1");
        for name in ["c", "presence-a/b", "x}y{z", "}", "ü:list"] {
            let topic = names.topic(&app, name);
            assert_eq!(
                names.parse_topic(&topic),
                Some((app.clone(), ChannelName::trusted(name))),
                "{topic}"
            );
            assert_eq!(Names::new(0).parse_topic(&topic), None);
        }
        assert_eq!(names.parse_topic(&names.everybody()), None);
        assert_eq!(names.parse_topic(&names.echo(1, 2)), None);
    }

    #[test]
    fn peer_channels_travel_with_their_presence_channel() {
        assert_eq!(
            carrier(&ChannelName::trusted("peer-room:a&b")).as_str(),
            "presence-room"
        );
        assert_eq!(
            carrier(&ChannelName::trusted("presence-room")).as_str(),
            "presence-room"
        );
    }
}
