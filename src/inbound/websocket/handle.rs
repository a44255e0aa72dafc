//! What a client asks for, and what it is answered.

use std::collections::{HashMap, HashSet};
use std::pin::pin;

use tokio::io::{AsyncRead, AsyncWrite};

use super::complaints::{self, Coded};
use super::dialect::{Asked, Command, pushi};
use super::link::{Hold, Link, Turn};
use super::session::{End, Session};
use crate::core::hub::{CloseReason, Connection, Outcome, Receipt};
use crate::core::limit::TokenBucket;
use crate::core::model::{ChannelKind, ChannelName};
use crate::core::service::{ClientPublish, Since, Subscribe, SubscribeError, Subscribed};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Handles one text frame.
    pub async fn text(&mut self, text: &str) -> Option<End> {
        match pushi::decode(text, &self.gateway.service.rules().limits) {
            Ok((Command::Publish(publish), asked)) => {
                let channel = publish.channel.clone();
                if let Err(coded) = self.publish(*publish).await {
                    self.refused(asked, &channel, coded);
                }
                None
            }
            Ok((command, asked)) => {
                // Boxed, so that an idle connection's task has no room for it.
                Box::pin(self.command(command, asked)).await
            }
            Err(complaint) => {
                self.gateway.service.hub().metrics().complained(complaint.code);
                self.link.socket.queue(&pushi::complaint(&complaint));
                None
            }
        }
    }

    fn refused(&mut self, asked: Asked, channel: &ChannelName, (code, message): Coded) {
        self.complain(code, message, channel.to_string(), asked.event, asked.reference);
    }

    async fn command(&mut self, command: Command, asked: Asked) -> Option<End> {
        match command {
            Command::Subscribe(subscribe) => {
                let (result, end) = self.subscribe(&subscribe).await;
                if let Err(coded) = result {
                    self.refused(asked, &subscribe.channel, coded);
                }
                self.link.release();
                end
            }
            Command::Unsubscribe(channel) => {
                if let Err(coded) = self.unsubscribe(&channel).await {
                    self.refused(asked, &channel, coded);
                }
                None
            }
            Command::Latest { channel, skip, count } => {
                if let Err(coded) = self.latest(&channel, skip, count).await {
                    self.refused(asked, &channel, coded);
                }
                None
            }
            Command::Ping => {
                self.link.socket.queue(&pushi::pong());
                None
            }
            Command::Publish(_) => None,
        }
    }

    async fn publish(&mut self, mut publish: ClientPublish) -> Result<(), Coded> {
        let app = self.connection.app();
        let service = &self.gateway.service;
        let rate = app.settings.limits.max_publishes.unwrap_or(service.rules().limits.publishes);
        if rate != 0 {
            let now = self.gateway.clock.now();
            if !self.pace.get_or_insert_with(|| Box::new(TokenBucket::new(rate, now))).take(rate, now) {
                return Err((4301, format!("too fast: at most {rate} publishes a second (max_publishes)")));
            }
        }
        let channel = publish.channel.clone();
        publish.behind = self.in_flight.iter().any(|(busy, _)| *busy == channel);
        let entered = service.publish_from(&self.connection, publish).await.map_err(|error| complaints::publish(&error))?;
        if entered {
            match self.in_flight.iter_mut().find(|(busy, _)| *busy == channel) {
                Some((_, count)) => *count += 1,
                None => self.in_flight.push((channel, 1)),
            }
        }
        Ok(())
    }

    /// A publish of this socket has left the append queue.
    pub fn receipt(&mut self, receipt: Receipt) {
        if let Some(index) = self.in_flight.iter().position(|(busy, _)| *busy == receipt.channel)
            && let Some((_, count)) = self.in_flight.get_mut(index)
        {
            *count -= 1;
            if *count == 0 {
                self.in_flight.swap_remove(index);
            }
        }
        match (receipt.outcome, receipt.reference) {
            (Outcome::Stored(mid, serial, timestamp), Some(reference)) => {
                self.link.socket.queue(&pushi::published(&reference, &receipt.channel, &mid.0, serial, timestamp));
            }
            (Outcome::Failed, reference) => {
                let message = "the event was not stored, or is not known to be: the store is unavailable, try again later".to_owned();
                self.complain(4320, message, receipt.channel.to_string(), receipt.event.to_string(), reference);
            }
            (Outcome::Stored(..), None) | (Outcome::Passed, _) => {}
        }
    }

    /// Goes on a channel. Until the answer stands, what is about the channel is held back, and everything else goes on.
    async fn subscribe(&mut self, subscribe: &Subscribe) -> (Result<(), Coded>, Option<End>) {
        let channel = &subscribe.channel;
        if let Some(refusal) = self.remembers_too_much(subscribe) {
            return (Err(refusal), None);
        }
        let personal = channel.kind() == ChannelKind::Personal;
        self.link.enter(channel);
        self.link.hold(match personal {
            true => Hold::AllBut(self.unaffected(subscribe)),
            false => Hold::Channel(channel.clone()),
        });
        let mut left = Vec::new();
        let (result, turns, ending) = {
            let asking = self.gateway.service.subscribe(&self.connection, subscribe, &mut left);
            meanwhile(&mut self.link, &self.connection, asking).await
        };
        self.link.leave(&left);
        for turn in turns {
            self.later(turn);
        }
        let ending = ending.map(|reason| self.ended(reason));
        if personal {
            self.personal.retain(|(known, _)| known != channel || (result.is_err() && !left.contains(channel)));
        }
        let subscribed = match result {
            Ok(subscribed) => subscribed,
            Err(error) => {
                if !self.connection.is_on(channel) {
                    self.link.leave(std::slice::from_ref(channel));
                }
                return (Err(complaints::subscribe(&error)), ending);
            }
        };
        if personal {
            self.personal.push((channel.clone(), subscribe.channel_data.clone()));
        }
        self.answer("pusher_internal:subscription_succeeded", channel, subscribed);
        (Ok(()), ending)
    }

    /// A peer channel takes no place, but what its answer covered is remembered: for no more of them than there may be channels.
    fn remembers_too_much(&mut self, subscribe: &Subscribe) -> Option<Coded> {
        let most = self.gateway.service.most_channels(&self.connection.app());
        let covered = &mut self.link.covered;
        let adds = subscribe.since.is_some() && subscribe.channel.kind() == ChannelKind::Peer && !covered.contains_key(&subscribe.channel);
        let count =
            |covered: &HashMap<ChannelName, u64>| covered.keys().filter(|channel| channel.kind() == ChannelKind::Peer).count() as u64;
        if !adds || most == 0 || count(covered) < most {
            return None;
        }
        covered.retain(|channel, _| self.connection.is_on(channel));
        (count(covered) >= most).then(|| complaints::subscribe(&SubscribeError::Channels(most)))
    }

    /// The channels that the answer to a personal subscription says nothing new of.
    fn unaffected(&self, subscribe: &Subscribe) -> HashSet<ChannelName> {
        let named = |channel: &ChannelName| match &subscribe.since {
            Some(Since::Each(each)) => each.iter().any(|(named, _)| named == channel),
            _ => false,
        };
        let places = self.connection.places().into_iter().map(|place| place.channel);
        places.filter(|channel| *channel != subscribe.channel && !named(channel)).collect()
    }

    fn answer(&mut self, event: &str, channel: &ChannelName, state: Subscribed) {
        self.link.socket.queue(&pushi::state(event, channel, &state));
        for alias in &state.alias {
            self.link.enter(alias);
        }
        self.link.covered.extend(state.covered);
        self.link.versions.extend(state.versions);
    }

    /// What came up while something else was being done.
    fn later(&mut self, turn: Turn) {
        match turn {
            Turn::Receipt(receipt) => self.receipt(*receipt),
            Turn::AliasesChanged(channel) => self.stale.push(*channel),
            Turn::Message(_) | Turn::Close(_) | Turn::Broken => {}
        }
    }

    async fn unsubscribe(&mut self, channel: &ChannelName) -> Result<(), Coded> {
        if !self.connection.is_on(channel) {
            return Err(complaints::not_on_channel());
        }
        let left = self.gateway.service.unsubscribe(&self.connection, channel).await;
        self.personal.retain(|(known, _)| known != channel);
        self.link.leave(&left);
        if channel.kind() == ChannelKind::Peer {
            self.link.covered.remove(channel);
        }
        let members = self.gateway.service.members(&self.connection.app(), channel).await;
        let state = Subscribed { members, ..Subscribed::default() };
        self.link.socket.queue(&pushi::state("pusher_internal:unsubscription_succeeded", channel, &state));
        Ok(())
    }

    async fn latest(&mut self, channel: &ChannelName, skip: u64, count: u64) -> Result<(), Coded> {
        if !self.connection.is_on(channel) {
            return Err(complaints::not_on_channel());
        }
        let app = self.connection.app();
        let service = &self.gateway.service;
        let events = service.latest(&app.ident, channel, skip, count).await.map_err(|error| complaints::history(&error))?;
        let members = service.members(&app, channel).await;
        let state = Subscribed { members, alias: self.connection.aliases(channel), events, ..Subscribed::default() };
        self.link.socket.queue(&pushi::state("pusher_internal:latest", channel, &state));
        Ok(())
    }

    /// Follows what the users of personal channels follow now.
    pub async fn refresh_stale(&mut self) -> Option<End> {
        while let Some(channel) = self.stale.pop() {
            self.stale.retain(|other| *other != channel);
            let Some((_, data)) = self.personal.iter().find(|(known, _)| *known == channel) else { continue };
            let data = data.clone();
            self.link.hold(Hold::AllBut(self.connection.places().into_iter().map(|place| place.channel).collect()));
            let before = self.connection.aliases(&channel);
            let mut left = Vec::new();
            let (result, turns, ending) = {
                let asking = self.gateway.service.refresh_personal(&self.connection, &channel, data.as_ref(), &mut left);
                meanwhile(&mut self.link, &self.connection, asking).await
            };
            self.link.leave(&left);
            for turn in turns {
                self.later(turn);
            }
            match result {
                // It was only asked again after the nodes had lost each other for a while.
                Ok(Some(state)) if state.alias == before => {}
                Ok(Some(state)) => self.answer("pusher_internal:subscription_succeeded", &channel, state),
                Ok(None) => {}
                Err(error) => {
                    let (code, message) = complaints::subscribe(&error);
                    self.complain(code, message, channel.to_string(), "pusher:subscribe".to_owned(), None);
                }
            }
            self.link.release();
            if let Some(reason) = ending {
                return Some(self.ended(reason));
            }
        }
        None
    }
}

/// Awaits `asking` while frames go on to the client. What else comes up is answered for later; where the connection ends
/// meanwhile, `asking` still is awaited, so that nothing is left half done.
async fn meanwhile<S: AsyncRead + AsyncWrite + Unpin, T>(
    link: &mut Link<S>,
    connection: &Connection,
    asking: impl Future<Output = T>,
) -> (T, Vec<Turn>, Option<Option<CloseReason>>) {
    let mut asking = pin!(asking);
    let mut turns = Vec::new();
    loop {
        let turn = tokio::select! {
            biased;
            result = &mut asking => return (result, turns, None),
            turn = link.turn(connection, false) => turn,
        };
        match turn {
            Turn::Close(reason) => return (asking.await, turns, Some(Some(reason))),
            Turn::Broken => return (asking.await, turns, Some(None)),
            turn => turns.push(turn),
        }
    }
}
