//! The invariants: see the module documentation of `main.rs`.

use std::collections::{BTreeMap, BTreeSet};

use pushi::core::model::{AppIdent, ChannelName, Event};
use pushi::core::ports::ReadLimit;

use crate::schedule::Schedule;
use crate::truth::{HookEvent, Truth};

/// A channel, and a user on it; without a user: the channel is occupied.
type Presence = (String, Option<String>);

/// What has to become true once the faults are over; `None`: all of it is.
pub(crate) async fn unsettled(schedule: &Schedule) -> Option<String> {
    match contradiction(schedule) {
        None => waiting(schedule).await,
        found => found,
    }
}

/// Where clients and receivers of web hooks do not know the truth yet.
fn contradiction(schedule: &Schedule) -> Option<String> {
    let truth = schedule.world.truth.lock();
    let is_over = |app: &str| truth.ended.contains(app);
    for (number, (app, state)) in schedule.clients.iter().enumerate() {
        let name = app.ident.as_str();
        let state = state.lock();
        if state.has_left {
            continue;
        }
        if truth.confirmed_ends.contains(name) {
            if state.is_connected {
                return Some(format!("client {number} outlives its app {name}"));
            }
            continue;
        }
        if is_over(name) {
            continue;
        }
        if !state.is_connected || state.subscriptions.values().any(|one| !one.is_confirmed) {
            return Some(format!("client {number} is not subscribed"));
        }
        for (channel, subscription) in &state.subscriptions {
            let key = (name.to_owned(), channel.clone());
            let present: BTreeSet<String> = match channel.starts_with("presence-") {
                true => truth.subscribed[&key].values().cloned().collect(),
                false => BTreeSet::new(),
            };
            if subscription.users != present {
                return Some(format!(
                    "client {number} sees {:?} on {channel}, where {present:?} are",
                    subscription.users
                ));
            }
        }
    }
    for known in &schedule.apps {
        let name = known.app.ident.as_str();
        if is_over(name) {
            continue;
        }
        let (reported, present) = (reported(&truth, name), present(&truth, name));
        if reported != present {
            return Some(format!(
                "the web hooks of {name} report {reported:?}, but there is {present:?}"
            ));
        }
    }
    None
}

/// What is still on its way out of the store.
async fn waiting(schedule: &Schedule) -> Option<String> {
    for known in &schedule.apps {
        let ident = &known.app.ident;
        if schedule.world.truth.lock().ended.contains(ident.as_str()) {
            continue;
        }
        let stores = &schedule.surroundings.stores;
        let waiting = stores.deliveries.waiting(ident).await.unwrap();
        if !waiting.is_empty() {
            return Some(format!("web hooks of {ident} are not delivered"));
        }
        for (number, (app, state)) in schedule.clients.iter().enumerate() {
            if app.ident != *ident || state.lock().has_left {
                continue;
            }
            let (socket, subscriptions) = {
                let state = state.lock();
                (state.socket.clone(), state.subscriptions.clone())
            };
            for (channel, subscription) in subscriptions {
                let stored = stored(schedule, ident, &channel).await;
                let own = format!(":quiet:{socket}");
                let missing = |(serial, data): &&(u64, String)| {
                    Some(*serial) > subscription.last && !data.ends_with(&own)
                };
                if subscription.recovers && stored.iter().any(|event| missing(&event)) {
                    return Some(format!(
                        "client {number} has {:?} of {stored:?} on {channel}",
                        subscription.last
                    ));
                }
            }
        }
    }
    None
}

/// The serials and data of a channel's events.
async fn stored(schedule: &Schedule, app: &AppIdent, channel: &str) -> Vec<(u64, String)> {
    let channel = ChannelName::parse(channel, 0).unwrap();
    let events = &schedule.surroundings.stores.events;
    let limit = ReadLimit::events(10_000);
    let read = events.replay(app, &channel, 0, u64::MAX >> 1, limit).await;
    let event = |event: Event| (event.position.serial, event.new.payload.data.to_string());
    read.unwrap().into_iter().map(event).collect()
}

async fn head(schedule: &Schedule, app: &AppIdent, channel: &str) -> u64 {
    let channel = ChannelName::parse(channel, 0).unwrap();
    let events = &schedule.surroundings.stores.events;
    events.heads(app, &[channel]).await.unwrap()[0]
}

/// The presence that the web hooks of an app were told last.
fn reported(truth: &Truth, app: &str) -> BTreeSet<Presence> {
    let mut reported = BTreeSet::new();
    let received = truth.hooks.get(app);
    for (channel, event) in received.iter().flat_map(|hooks| hooks.events.values()) {
        if let HookEvent::Presence(user, is_present) = event {
            let presence = (channel.clone(), user.clone());
            match is_present {
                true => reported.insert(presence),
                false => reported.remove(&presence),
            };
        }
    }
    reported
}

fn present(truth: &Truth, app: &str) -> BTreeSet<Presence> {
    let mut present = BTreeSet::new();
    for ((of, channel), clients) in &truth.subscribed {
        if of != app || clients.is_empty() {
            continue;
        }
        present.insert((channel.clone(), None));
        if channel.starts_with("presence-") {
            let users = clients.values().cloned();
            present.extend(users.map(|user| (channel.clone(), Some(user))));
        }
    }
    present
}

/// What must hold at the end.
pub(crate) async fn invariants(schedule: &Schedule) {
    for known in &schedule.apps {
        let name = known.app.ident.as_str();
        let is_over = schedule.world.truth.lock().ended.contains(name);
        if !is_over {
            check_events(schedule, &known.app.ident).await;
            check_hooks(schedule, name);
        }
        check_end(schedule, &known.app.ident, known.token.as_deref()).await;
    }
}

/// Serials are contiguous, each event is stored once, and what was acknowledged is stored.
async fn check_events(schedule: &Schedule, app: &AppIdent) {
    let world = &schedule.world;
    let mut stored: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for channel in ["c0", "c1", "private-c", "presence-p"] {
        let head = head(schedule, app, channel).await;
        let (serials, data): (Vec<u64>, Vec<String>) = self::stored(schedule, app, channel)
            .await
            .into_iter()
            .unzip();
        if serials != (1..=head).collect::<Vec<_>>() {
            world.violate(format_args!(
                "{app} {channel}: serials {serials:?} of {head}"
            ));
        }
        stored.insert(channel.to_owned(), data);
    }
    let mut faults = Vec::new();
    let truth = world.truth.lock();
    for (channel, data) in &stored {
        let distinct: BTreeSet<_> = data.iter().collect();
        if distinct.len() != data.len() {
            faults.push(format!(
                "{app} {channel}: an event is stored twice: {data:?}"
            ));
        }
    }
    let at = |channel: &str, serial: u64| {
        let index = usize::try_from(serial).unwrap().checked_sub(1)?;
        stored.get(channel)?.get(index)
    };
    let own = |of: &str| of == app.as_str();
    for ((_, channel, serial), data) in truth.seen.iter().filter(|(place, _)| own(&place.0)) {
        if at(channel, *serial) != Some(data) {
            faults.push(format!("{app} {channel}: {serial} was delivered as {data}"));
        }
    }
    for one in truth.acknowledged.iter().filter(|one| own(&one.app)) {
        let is_stored = match one.serial {
            Some(serial) => at(&one.channel, serial) == Some(&one.data),
            None => stored[&one.channel].contains(&one.data),
        };
        if !is_stored {
            faults.push(format!(
                "{app} {}: {} is acknowledged ({:?}), but not stored",
                one.channel, one.data, one.serial
            ));
        }
    }
    for skipped in truth.skipped.iter().filter(|one| own(&one.place.0)) {
        let (_, channel, serial) = &skipped.place;
        let own_quiet = format!(":quiet:{}", skipped.socket);
        let is_excused = |data: &String| {
            let holds = |others: &&Vec<String>| others.contains(data);
            let is_copy = stored.values().filter(holds).count() > 1;
            data.ends_with(&own_quiet) || (skipped.may_be_copy && is_copy)
        };
        if !at(channel, *serial).is_some_and(is_excused) {
            faults.push(format!(
                "{app} {channel}: {} did not receive {serial}, {:?}",
                skipped.socket,
                at(channel, *serial)
            ));
        }
    }
    drop(truth);
    faults.iter().for_each(|fault| world.violate(fault));
}

/// Occupied and vacated, added and removed alternate; every accepted client event has arrived.
fn check_hooks(schedule: &Schedule, app: &str) {
    let world = &schedule.world;
    let truth = world.truth.lock();
    let mut faults = Vec::new();
    let mut present: BTreeSet<Presence> = BTreeSet::new();
    let mut client_events = BTreeSet::new();
    let received = truth.hooks.get(app);
    for (id, (channel, event)) in received.iter().flat_map(|hooks| &hooks.events) {
        match event {
            HookEvent::Presence(user, is_present) => {
                let presence = (channel.clone(), user.clone());
                let is_change = match is_present {
                    true => present.insert(presence),
                    false => present.remove(&presence),
                };
                if !is_change {
                    faults.push(format!("hook {app} {id}: {channel} {event:?} twice"));
                }
            }
            HookEvent::ClientEvent(data) => drop(client_events.insert(data)),
            HookEvent::Other => {}
        }
    }
    for accepted in truth.client_events.iter().filter(|one| one.app == app) {
        // A crash loses what its node had not written into the outbox yet.
        let may_be_lost = truth.crashed.contains(&accepted.node);
        if !may_be_lost && !client_events.contains(&accepted.data) {
            faults.push(format!("hook {app}: {} is lost", accepted.data));
        }
    }
    drop(truth);
    faults.iter().for_each(|fault| world.violate(fault));
}

/// Sessions and connections end with their app.
async fn check_end(schedule: &Schedule, app: &AppIdent, token: Option<&str>) {
    let (is_ended, is_deleted, is_touched) = {
        let truth = schedule.world.truth.lock();
        let name = app.as_str();
        let is_ended = truth.confirmed_ends.contains(name);
        (
            is_ended,
            truth.deleted.contains(name),
            truth.ended.contains(name),
        )
    };
    let nodes: Vec<_> = schedule.nodes.lock().clone();
    for node in nodes {
        let connections = node
            .service
            .hub()
            .app(app)
            .map_or(0, |hub| hub.sockets(None, usize::MAX).len());
        if is_ended && connections > 0 {
            schedule.world.violate(format_args!(
                "{} has {connections} connections of {app}, which has ended",
                node.process
            ));
        }
        let Some(token) = token else { continue };
        let is_valid = node.service.session(token).await.is_ok();
        let may_be_valid = !(is_ended && is_deleted);
        if (is_valid && !may_be_valid) || (!is_valid && !is_touched) {
            schedule.world.violate(format_args!(
                "{}: a session of {app} is valid: {is_valid}",
                node.process
            ));
        }
    }
}
