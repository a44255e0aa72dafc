//! Removal of what an expired incarnation left on channels.

use redis::Value;

use super::incarnation::{Incarnation, parse_index_entry};
use crate::core::model::{AppIdent, ChannelName};
use crate::outbound::redis::connection::{Disconnected, KeyNames, Script};

/// Maximum number of users per script call, because a script blocks Redis.
const USERS_PER_CALL: &str = "100";

/// Lifetime in seconds of the fence that refuses late commands of an evicted incarnation: longer
/// than any of its commands can have been in flight.
const FENCE_SECONDS: &str = "3600";

/// Number of channels per page of an incarnation's index.
const PAGE: usize = 100;

impl Incarnation {
    /// Removes the members and counts of the incarnation `expired` from a channel.
    ///
    /// # Errors
    /// When the connections are lost.
    pub(crate) async fn evict(
        &self,
        names: &KeyNames,
        app: &AppIdent,
        channel: &ChannelName,
        expired: &str,
    ) -> Result<(), Disconnected> {
        let keys = [
            names.list_key(app, channel),
            names.users_key(app, channel, expired),
            names.fence_key(app, channel, expired),
            names.counts_key(app, channel),
        ];
        let topic = names.topic(app, channel.as_str());
        let process = expired.split('.').next().unwrap_or_default();
        let arguments = [
            self.connections.publish_command(),
            &topic,
            expired,
            FENCE_SECONDS,
            USERS_PER_CALL,
            process,
        ];
        loop {
            match self
                .connections
                .run_script(Script::Evict, &keys, &arguments)
                .await?
            {
                Value::Int(0) => return Ok(()),
                Value::Int(_) => {}
                _ => return Err(self.fail_expired()),
            }
        }
    }

    /// Removes everything of the incarnation `expired`, on all channels of its index.
    pub(super) async fn evict_everywhere(
        &self,
        names: &KeyNames,
        expired: &str,
    ) -> Result<(), Disconnected> {
        let index = names.registry_key(&format!("on:{expired}"));
        let server = self.connections.server_of(&index);
        let mut cursor = b"0".to_vec();
        loop {
            let mut pipeline = redis::pipe();
            pipeline
                .cmd("SSCAN")
                .arg(&index)
                .arg(&cursor)
                .arg("COUNT")
                .arg(PAGE);
            let reply = self.connections.send(server, &pipeline).await?.pop();
            let (next, entries) = parse_scan(reply).ok_or_else(|| self.fail_expired())?;
            for (app, channel) in entries.iter().filter_map(|entry| parse_index_entry(entry)) {
                self.evict(names, &app, &channel, expired).await?;
            }
            if next == b"0" {
                return Ok(());
            }
            cursor = next;
        }
    }
}

fn parse_scan(reply: Option<Value>) -> Option<(Vec<u8>, Vec<String>)> {
    let Some(Value::Array(parts)) = reply else {
        return None;
    };
    let [Value::BulkString(cursor), entries] = parts.as_slice() else {
        return None;
    };
    let (Value::Array(entries) | Value::Set(entries)) = entries else {
        return None;
    };
    let text = |entry: &Value| match entry {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    };
    Some((cursor.clone(), entries.iter().filter_map(text).collect()))
}
