//! What a client receives, compared with what it must receive.

use serde_json::Value;

use super::session::Session;
use crate::truth::{AcceptedClientEvent, Acknowledged, Skipped};

impl Session<'_> {
    /// Handles a frame; `false`: the client connects again.
    pub(super) fn on_frame(&mut self, frame: &Value) -> bool {
        let world = &self.client.world;
        let channel = frame["channel"].as_str().unwrap_or_default().to_owned();
        let event = frame["event"].as_str().unwrap_or_default();
        world.note(format_args!(
            "client {} {event} {channel} {}",
            self.client.number, frame["serial"]
        ));
        match event {
            "pusher:error" => {
                let data = match &frame["data"] {
                    Value::String(_) => inner(frame),
                    data => data.clone(),
                };
                world.note(format_args!("client {}: {data}", self.client.number));
                let reference = data["ref"].as_str().unwrap_or_default();
                return self.publishes.remove(reference).is_some();
            }
            "pusher_internal:subscription_succeeded" => self.on_subscribed(&channel, &inner(frame)),
            "pusher_internal:published" => self.on_acknowledged(&channel, &inner(frame)),
            "pusher:member_added" | "pusher:member_removed" => {
                let member: Value =
                    serde_json::from_str(frame["member"].as_str().unwrap_or_default())
                        .unwrap_or_default();
                let user = member["user_id"].as_str().unwrap_or_default();
                self.on_member(&channel, user, event == "pusher:member_added");
            }
            "message" | "client-x" => {
                let data = frame["data"].as_str().unwrap_or_default();
                self.on_event(&channel, frame["serial"].as_u64().unwrap_or(0), data, true);
            }
            _ => {}
        }
        true
    }

    fn on_subscribed(&self, channel: &str, answer: &Value) {
        let (client, world) = (self.client, &self.client.world);
        let name = client.app_name();
        let is_recovering = {
            let mut state = client.state.lock();
            let Some(subscription) = state.subscriptions.get_mut(channel) else {
                return;
            };
            subscription.is_confirmed = true;
            subscription.users = answer["members"]
                .as_object()
                .map(|members| members.keys().cloned().collect())
                .unwrap_or_default();
            if !subscription.recovers {
                subscription.last = None;
            }
            subscription.recovers
        };
        let key = (name, channel.to_owned());
        let mut truth = world.truth.lock();
        let clients = truth.subscribed.entry(key).or_default();
        clients.insert(client.number, client.user.clone());
        drop(truth);
        if channel.starts_with("presence-")
            && !client.state.lock().subscriptions[channel]
                .users
                .contains(&client.user)
        {
            world.violate(format_args!(
                "client {} is not among the members of its own answer",
                client.number
            ));
        }
        if !is_recovering {
            return;
        }
        if world.truth.lock().deleted.contains(&client.app_name()) {
            return;
        }
        if answer["recovered"] != true {
            world.violate(format_args!(
                "client {} {channel}: a gap is stated where there is none: {answer}",
                client.number
            ));
        }
        for event in answer["events"].as_array().into_iter().flatten() {
            let data = event["data"]["data"].as_str().unwrap_or_default();
            self.on_event(channel, event["serial"].as_u64().unwrap_or(0), data, false);
        }
        let serial = answer["serial"].as_u64();
        let mut state = client.state.lock();
        if let Some(subscription) = state.subscriptions.get_mut(channel) {
            if subscription.last.is_some() && subscription.last != serial {
                world.violate(format_args!(
                    "client {} {channel}: replayed up to {:?}, the answer covers {serial:?}",
                    client.number, subscription.last
                ));
            }
            subscription.last = serial;
        }
    }

    /// An event that is replayed, or live.
    fn on_event(&self, channel: &str, serial: u64, data: &str, is_live: bool) {
        let (client, world) = (self.client, &self.client.world);
        let name = client.app_name();
        let place = |serial| (name.clone(), channel.to_owned(), serial);
        let mut state = client.state.lock();
        // What arrives before the answer belongs to an earlier subscription of this connection.
        let Some(subscription) = state
            .subscriptions
            .get_mut(channel)
            .filter(|one| one.is_confirmed)
        else {
            return;
        };
        let mut truth = world.truth.lock();
        let mut fault = truth.see(place(serial), data).err();
        if is_live && data.ends_with(&format!(":quiet:{}", self.id)) {
            fault = Some("an event without echo is sent to its sender".to_owned());
        }
        // The history of a deleted app is gone: what the bus still holds starts it anew on a node that does not know yet.
        let last = subscription.last.filter(|_| !truth.deleted.contains(&name));
        match last {
            Some(last) if serial <= last => {
                fault = Some(format!("{serial} is delivered after {last}"));
            }
            Some(last) => {
                let socket = || match is_live {
                    true => self.id.clone(),
                    // Nothing may be missing in a replay.
                    false => "nobody".to_owned(),
                };
                truth
                    .skipped
                    .extend((last + 1..serial).map(|missing| Skipped {
                        place: place(missing),
                        socket: socket(),
                        may_be_copy: !subscription.recovers,
                    }));
            }
            None => {}
        }
        subscription.last = Some(serial);
        drop(truth);
        drop(state);
        if let Some(fault) = fault {
            world.violate(format_args!("client {} {channel}: {fault}", client.number));
        }
    }

    fn on_acknowledged(&mut self, channel: &str, answer: &Value) {
        let reference = answer["ref"].as_str().unwrap_or_default();
        let Some((_, data, is_client_event)) = self.publishes.remove(reference) else {
            let fault = format!("an acknowledgement of nothing: {answer}");
            return self.client.world.violate(fault);
        };
        let app = self.client.app_name();
        let mut truth = self.client.world.truth.lock();
        truth.acknowledged.push(Acknowledged {
            app: app.clone(),
            channel: channel.to_owned(),
            data: data.clone(),
            serial: answer["serial"].as_u64(),
        });
        // Only members of such channels send client events.
        let is_restricted = channel.starts_with("private-") || channel.starts_with("presence-");
        if is_client_event && is_restricted {
            truth.client_events.push(AcceptedClientEvent {
                app,
                data,
                node: self.node,
            });
        }
    }

    fn on_member(&self, channel: &str, user: &str, is_added: bool) {
        let mut state = self.client.state.lock();
        let Some(subscription) = state
            .subscriptions
            .get_mut(channel)
            .filter(|one| one.is_confirmed)
        else {
            return;
        };
        let is_change = match is_added {
            true => subscription.users.insert(user.to_owned()),
            false => subscription.users.remove(user),
        };
        self.client.world.note(format_args!(
            "client {} {channel}: {user} {is_added}",
            self.client.number
        ));
        if !is_change {
            self.client.world.violate(format_args!(
                "client {} {channel}: {user} is added or removed twice ({is_added})",
                self.client.number
            ));
        }
    }
}

/// The JSON in a frame's `data`.
pub(super) fn inner(frame: &Value) -> Value {
    serde_json::from_str(frame["data"].as_str().unwrap_or_default()).unwrap_or_default()
}
