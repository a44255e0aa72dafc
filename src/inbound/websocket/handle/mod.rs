//! What clients ask for, and what they are answered.

mod pusher;
mod pushi;

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::complaints;
use super::dialect::pushi as frames;
use super::link::{Hold, Link, Turn};
use super::session::{End, Session};
use crate::core::hub::{CloseReason, Connection, Receipt, ReceiptOutcome};
use crate::core::model::{ChannelKind, ChannelName};
use crate::core::ports::DialectId;
use crate::core::service::{Since, Subscribe, SubscribeError, Subscribed};

/// After how long what a user follows is read again, where the store could not say.
const READ_AGAIN: Duration = Duration::from_secs(1);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Handles one text frame.
    pub async fn text(&mut self, text: &str) -> Option<End> {
        match self.dialect() {
            DialectId::Pushi => self.pushi_text(text).await,
            DialectId::Pusher => self.pusher_text(text).await,
        }
    }

    /// A publish of this socket has entered the append queue.
    fn entered(&mut self, channel: ChannelName) {
        match self.in_flight.iter_mut().find(|(busy, _)| *busy == channel) {
            Some((_, count)) => *count += 1,
            None => self.in_flight.push((channel, 1)),
        }
    }

    /// A publish of this socket has left the append queue.
    pub fn receipt(&mut self, receipt: Receipt) {
        if let Some(index) = self
            .in_flight
            .iter()
            .position(|(busy, _)| *busy == receipt.channel)
            && let Some((_, count)) = self.in_flight.get_mut(index)
        {
            *count -= 1;
            if *count == 0 {
                self.in_flight.swap_remove(index);
            }
        }
        match (receipt.outcome, receipt.reference) {
            (ReceiptOutcome::Stored(mid, serial, timestamp), Some(reference)) => {
                self.link.socket.queue(&frames::published(
                    &reference,
                    &receipt.channel,
                    &mid.0,
                    serial,
                    timestamp,
                ));
            }
            (ReceiptOutcome::Failed, reference) => {
                let message = "the event was not stored, or is not known to be: the store is unavailable, try again later".to_owned();
                self.complain(
                    4320,
                    message,
                    receipt.channel.to_string(),
                    receipt.event.to_string(),
                    reference,
                );
            }
            (ReceiptOutcome::Stored(..), None) | (ReceiptOutcome::Delivered, _) => {}
        }
    }

    /// Goes on a channel; where the connection ended meanwhile, that comes with the result. Until the answer stands and the link
    /// is released, what is about the channel is held back, and everything else goes on.
    async fn ask_for(
        &mut self,
        subscribe: &Subscribe,
    ) -> (Result<Subscribed, SubscribeError>, Option<End>) {
        let channel = &subscribe.channel;
        let personal = channel.kind() == ChannelKind::Personal;
        self.link.enter(channel);
        self.link.hold(match personal {
            true => Hold::AllBut(self.unaffected(subscribe)),
            false => Hold::Channel(channel.clone()),
        });
        let mut left = Vec::new();
        let (result, turns, ending) = {
            let asking = self
                .gateway
                .service
                .subscribe(&self.connection, subscribe, &mut left);
            meanwhile(&mut self.link, &self.connection, asking).await
        };
        self.link.leave(&left);
        for turn in turns {
            self.later(turn);
        }
        let ending = ending.map(|reason| self.ended(reason));
        if personal {
            self.personal.retain(|(known, _)| {
                known != channel || (result.is_err() && !left.contains(channel))
            });
        }
        match &result {
            Ok(_) if personal => self
                .personal
                .push((channel.clone(), subscribe.channel_data.clone())),
            Err(_) if !self.connection.receives(channel) => {
                self.link.leave(std::slice::from_ref(channel))
            }
            Ok(_) | Err(_) => {}
        }
        (result, ending)
    }

    /// The channels that the answer to a personal subscription says nothing new of.
    fn unaffected(&self, subscribe: &Subscribe) -> HashSet<ChannelName> {
        let named = |channel: &ChannelName| match &subscribe.since {
            Some(Since::Each(each)) => each.iter().any(|(named, _)| named == channel),
            _ => false,
        };
        let places = self
            .connection
            .subscriptions()
            .into_iter()
            .map(|subscription| subscription.channel);
        places
            .filter(|channel| *channel != subscribe.channel && !named(channel))
            .collect()
    }

    /// Notes what the client has been told of a channel.
    fn answered(&mut self, state: Subscribed) {
        for alias in &state.alias {
            self.link.enter(alias);
        }
        self.link.covered.extend(state.covered);
        self.link.versions.extend(state.versions);
    }

    /// The user of a personal channel follows other channels now; a Pusher client is not told which.
    fn refreshed(&mut self, channel: &ChannelName, state: Subscribed) {
        if self.dialect() == DialectId::Pushi {
            self.link.socket.queue_pieces(frames::state(
                "pusher_internal:subscription_succeeded",
                channel,
                &state,
            ));
        }
        self.answered(state);
    }

    /// What came up, perhaps while something else was being done.
    pub fn later(&mut self, turn: Turn) {
        match turn {
            Turn::Receipt(receipt) => self.receipt(*receipt),
            Turn::AliasesChanged(channel) => self.stale.push(*channel),
            Turn::LimitChanged => self.adopt_limit(),
            Turn::Message(_) | Turn::Close(_) | Turn::Broken => {}
        }
    }

    /// Follows what the users of personal channels follow now.
    pub async fn refresh_stale(&mut self) -> Option<End> {
        while let Some(channel) = self.stale.pop() {
            self.stale.retain(|other| *other != channel);
            let told = self.unread.contains(&channel);
            self.unread.retain(|other| *other != channel);
            let Some((_, data)) = self.personal.iter().find(|(known, _)| *known == channel) else {
                continue;
            };
            let data = data.clone();
            self.link.hold(Hold::AllBut(
                self.connection
                    .subscriptions()
                    .into_iter()
                    .map(|subscription| subscription.channel)
                    .collect(),
            ));
            let before = self.connection.aliases(&channel);
            let mut left = Vec::new();
            let (result, turns, ending) = {
                let asking = self.gateway.service.refresh_personal(
                    &self.connection,
                    &channel,
                    data.as_ref(),
                    &mut left,
                );
                meanwhile(&mut self.link, &self.connection, asking).await
            };
            self.link.leave(&left);
            for turn in turns {
                self.later(turn);
            }
            match result {
                // It was only asked again after the nodes had lost each other for a while.
                Ok(Some(state)) if state.alias == before => {}
                Ok(Some(state)) => self.refreshed(&channel, state),
                Ok(None) => {}
                Err(error) => {
                    if !told {
                        let (code, message) = complaints::subscribe(&error);
                        self.complain(
                            code,
                            message,
                            channel.to_string(),
                            "pusher:subscribe".to_owned(),
                            None,
                        );
                    }
                    self.unread.push(channel);
                    self.read_again = Some(Instant::now() + READ_AGAIN);
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
