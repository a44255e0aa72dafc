//! The messages of the bus for this node's connections.

use std::task::{Context, Poll};

use super::Hub;
use super::broadcast::{Broadcast, MemberChange};
use super::member_changes::{ChangeChunk, ChannelKey};
use crate::core::model::{AppIdent, ChannelName, PeerChannel, ServerEvent};
use crate::core::ports::{BusMessage, BusSink};

/// The most local subscriptions of a presence channel whose member changes are sent at once; those
/// of a larger channel are batched.
const UNBATCHED_SUBSCRIPTIONS: u64 = 64;

impl Hub {
    /// Ready once there are member changes for [`Hub::flush_member_changes`]; one task at a time
    /// can wait.
    pub fn poll_member_changes(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.member_changes.poll_changed(cx)
    }

    /// Sends the batched member changes of large presence channels, and returns the number of
    /// mailboxes they were delivered to. They are sent only here, or before an event that must not
    /// overtake them.
    pub fn flush_member_changes(&self) -> u64 {
        self.member_changes
            .keys()
            .iter()
            .map(|key| self.flush_channel(key))
            .sum()
    }

    fn flush_channel(&self, key: &ChannelKey) -> u64 {
        let (mut draining, mut recipients) = (false, 0);
        while let Some(chunk) = self.member_changes.take(key, &mut draining) {
            match chunk {
                ChangeChunk::Changes(changes) => {
                    recipients += self.send_member_changes(key, changes);
                }
                ChangeChunk::Other(message) => self.broadcast(message),
            }
        }
        recipients
    }

    fn send_member_changes(&self, (app, channel): &ChannelKey, changes: Vec<BusMessage>) -> u64 {
        let Some(app) = self.app(app) else { return 0 };
        let targets = app.targets(channel);
        let mut changes: Vec<MemberChange> =
            changes.into_iter().filter_map(member_change).collect();
        if changes.len() > 1 {
            let batch = Broadcast::member_changes(channel.clone(), changes);
            self.fan_out(&targets, batch, None);
        } else if let Some(change) = changes.pop() {
            let broadcast = Broadcast::new(change.event, change.version);
            self.fan_out(&targets, broadcast, change.exclude);
        }
        targets.len() as u64
    }

    fn deliver_member_change(&self, message: BusMessage) {
        let Some((app, channel)) = message.channel() else {
            return;
        };
        let Some(hub) = self.app(app) else { return };
        let key = (app.clone(), channel.clone());
        if hub.occupancy(channel).subscriptions > UNBATCHED_SUBSCRIPTIONS
            || self.member_changes.contains(&key)
        {
            if self.member_changes.push(key.clone(), message) {
                self.flush_channel(&key);
            }
        } else {
            self.send_member_changes(&key, vec![message]);
        }
    }

    /// Sends an event to the subscribers of its channel, or to the watchers of its user.
    fn broadcast(&self, message: BusMessage) {
        let BusMessage::Broadcast {
            app,
            event,
            exclude,
            version,
        } = message
        else {
            return;
        };
        let Some(app) = self.app(&app) else { return };
        if let ServerEvent::UserStatus { user, .. } = &event {
            let watchers = app.watchers(user);
            self.fan_out(&watchers, Broadcast::new(event, version), exclude);
        } else if let Some(channel) = event.channel() {
            let targets = app.targets(channel);
            self.fan_out(&targets, Broadcast::new(event, version), exclude);
        }
    }
}

/// The member change that a message carries.
fn member_change(message: BusMessage) -> Option<MemberChange> {
    match message {
        BusMessage::Broadcast {
            event,
            exclude,
            version,
            ..
        } if event.is_member_change() => Some(MemberChange {
            event,
            exclude,
            version,
        }),
        _ => None,
    }
}

impl BusSink for Hub {
    fn deliver(&self, message: BusMessage) {
        match message {
            BusMessage::Broadcast { ref event, .. } => match event {
                ServerEvent::Published { .. } => match self.member_changes.push_behind(message) {
                    Ok(key) => drop(self.flush_channel(&key)),
                    Err(message) => self.broadcast(message),
                },
                ServerEvent::MemberAdded { .. } | ServerEvent::MemberRemoved { .. } => {
                    self.deliver_member_change(message);
                }
                ServerEvent::UserStatus { .. } => self.broadcast(message),
                // The service sends it through `Hub::send_count`, which limits the rate.
                ServerEvent::SubscriptionCount { .. } => {}
            },
            BusMessage::SubscriptionsChanged { app, user } => {
                if let Some(app) = self.app(&app) {
                    app.push_aliases_changed(&user);
                }
            }
            BusMessage::UserTerminated { app, user } => {
                if let Some(app) = self.app(&app) {
                    app.terminate(&user);
                }
            }
            // The service handles these before the hub receives them.
            BusMessage::AppChanged(_) | BusMessage::SessionEnded(_) | BusMessage::NodeGone => {}
        }
    }

    fn wants(&self, app: &AppIdent, channel: &ChannelName) -> bool {
        let Some(app) = self.app(app) else {
            return false;
        };
        let presence = || {
            PeerChannel::parse(channel.as_str())
                .is_some_and(|peer| app.is_occupied(&peer.presence()))
        };
        app.is_occupied(channel.as_str()) || presence()
    }

    fn resumed(&self) {
        let apps: Vec<_> = self.apps.read().values().cloned().collect();
        for app in apps {
            app.push_all_aliases_changed();
        }
    }
}
