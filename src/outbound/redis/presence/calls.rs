//! Calls of the scripts that change a presence channel, and their replies.

use redis::{Pipeline, Value};

use super::RedisPresence;
use super::replica::{ChannelReplica, LocalMember};
use crate::core::model::{SocketId, UserId};
use crate::outbound::redis::connection::{Disconnected, Script};
use crate::outbound::redis::node::Incarnation;

/// The reply to a join.
pub(super) enum JoinReply {
    /// The channel is full.
    Full,
    /// The connection is in the list.
    Present {
        /// The version of the list.
        version: u64,
        /// The order of the connection among those of its user.
        stamp: u64,
        /// Whether the user has connections on other nodes.
        elsewhere: bool,
        /// Whether the user is new.
        new: bool,
    },
}

impl JoinReply {
    /// `None`: the incarnation has been evicted, or the reply is malformed.
    pub(super) fn parse(reply: &Value) -> Option<Self> {
        let Value::Array(reply) = reply else {
            return None;
        };
        match reply.as_slice() {
            [Value::Int(0)] => Some(Self::Full),
            [
                Value::Int(result @ (1 | 2)),
                version,
                stamp,
                Value::Int(elsewhere),
            ] => Some(Self::Present {
                version: parse_number(version)?,
                stamp: parse_number(stamp)?,
                elsewhere: *elsewhere == 1,
                new: *result == 2,
            }),
            _ => None,
        }
    }
}

impl RedisPresence {
    fn keys(&self, replica: &ChannelReplica, incarnation: &Incarnation) -> [String; 3] {
        let (names, id) = (self.node.names(), &incarnation.connections.id);
        let (app, channel) = (&replica.app, &replica.channel);
        [
            names.list_key(app, channel),
            names.users_key(app, channel, id),
            names.fence_key(app, channel, id),
        ]
    }

    /// The server that owns the list of a channel.
    pub(super) fn server_of(&self, replica: &ChannelReplica, incarnation: &Incarnation) -> usize {
        let list = self.node.names().list_key(&replica.app, &replica.channel);
        incarnation.connections.server_of(&list)
    }

    /// Appends the call that adds a connection to a pipeline. `max`: 0 for no limit. `joined`: the
    /// version at which the user joined, empty for now.
    pub(super) fn add_join(
        &self,
        pipeline: &mut Pipeline,
        incarnation: &Incarnation,
        replica: &ChannelReplica,
        local: &LocalMember,
        max: u64,
        joined: &str,
    ) {
        let connections = &incarnation.connections;
        let member = &local.member;
        let stamp = local
            .stamp
            .map(|stamp| stamp.to_string())
            .unwrap_or_default();
        connections.add_script(
            pipeline,
            Script::Join,
            &self.keys(replica, incarnation),
            &[
                connections.publish_command(),
                &self
                    .node
                    .names()
                    .topic(&replica.app, replica.channel.as_str()),
                &connections.id,
                &local.socket.to_string(),
                member.user_id.as_str(),
                &member.data,
                if member.peer { "1" } else { "0" },
                &max.to_string(),
                &stamp,
                joined,
            ],
        );
    }

    /// Adds a connection that has just joined.
    pub(super) async fn call_join(
        &self,
        incarnation: &Incarnation,
        replica: &ChannelReplica,
        local: &LocalMember,
        max: u64,
    ) -> Result<JoinReply, Disconnected> {
        let mut pipeline = redis::pipe();
        self.add_join(&mut pipeline, incarnation, replica, local, max, "");
        let server = self.server_of(replica, incarnation);
        let replies = incarnation.connections.send(server, &pipeline).await?;
        replies
            .first()
            .and_then(JoinReply::parse)
            .ok_or_else(|| incarnation.fail_expired())
    }

    /// Removes a connection. Returns the version of the list, and whether it was the user's last
    /// connection.
    pub(super) async fn call_leave(
        &self,
        incarnation: &Incarnation,
        replica: &ChannelReplica,
        socket: SocketId,
        user: &UserId,
    ) -> Result<(u64, bool), Disconnected> {
        let connections = &incarnation.connections;
        let topic = self
            .node
            .names()
            .topic(&replica.app, replica.channel.as_str());
        let socket = socket.to_string();
        let arguments = [
            connections.publish_command(),
            &topic,
            &connections.id,
            &socket,
            user.as_str(),
        ];
        let reply = connections
            .run_script(Script::Leave, &self.keys(replica, incarnation), &arguments)
            .await?;
        match &reply {
            Value::Array(reply) => match reply.as_slice() {
                [version, Value::Int(last)] => {
                    parse_number(version).map(|version| (version, *last == 1))
                }
                _ => None,
            },
            _ => None,
        }
        .ok_or_else(|| incarnation.fail_expired())
    }
}

/// The text of a reply.
pub(super) fn parse_text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// A number that a reply carries as text.
pub(super) fn parse_number(value: &Value) -> Option<u64> {
    parse_text(value)?.parse().ok()
}
