//! What a Pushi client asks for, and what it is answered.

use std::collections::HashMap;

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::complaints::{self, Coded};
use super::super::dialect::{Asked, Command, pushi};
use super::super::session::{End, Session};
use crate::core::limit::TokenBucket;
use crate::core::model::{ChannelKind, ChannelName};
use crate::core::service::{ClientPublish, Subscribe, SubscribeError, Subscribed};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Handles one text frame.
    pub(super) async fn pushi_text(&mut self, text: &str) -> Option<End> {
        let decoded = pushi::decode(text, &self.gateway.service.rules().limits);
        if !matches!(decoded, Ok((Command::Ping, _))) {
            self.connection.mailbox().record_activity();
        }
        match decoded {
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
                self.gateway
                    .service
                    .hub()
                    .metrics()
                    .error_sent(complaint.code);
                self.link.socket.queue(&pushi::complaint(&complaint));
                None
            }
        }
    }

    fn refused(&mut self, asked: Asked, channel: &ChannelName, (code, message): Coded) {
        self.complain(
            code,
            message,
            channel.to_string(),
            asked.event,
            asked.reference,
        );
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
            Command::Latest {
                channel,
                skip,
                count,
            } => {
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
        let rate = app
            .settings
            .limits
            .max_publishes
            .unwrap_or(service.rules().limits.publishes);
        if rate != 0 {
            let now = self.gateway.clock.now();
            if !self
                .pace
                .get_or_insert_with(|| Box::new(TokenBucket::new(rate, now)))
                .take(rate, now)
            {
                return Err((
                    4301,
                    format!("too fast: at most {rate} publishes a second (max_publishes)"),
                ));
            }
        }
        let channel = publish.channel.clone();
        publish.behind = self.in_flight.iter().any(|(busy, _)| *busy == channel);
        let entered = service
            .publish_from(&self.connection, publish)
            .await
            .map_err(|error| complaints::publish(&error))?;
        if entered {
            self.entered(channel);
        }
        Ok(())
    }

    async fn subscribe(&mut self, subscribe: &Subscribe) -> (Result<(), Coded>, Option<End>) {
        if let Some(refusal) = self.remembers_too_much(subscribe) {
            return (Err(refusal), None);
        }
        let (result, ending) = self.ask_for(subscribe).await;
        let result = result
            .map_err(|error| complaints::subscribe(&error))
            .map(|subscribed| {
                self.link.socket.queue_pieces(pushi::state(
                    "pusher_internal:subscription_succeeded",
                    &subscribe.channel,
                    &subscribed,
                ));
                self.answered(subscribed);
            });
        (result, ending)
    }

    /// A peer channel takes no place, but what its answer covered is remembered: for no more of them than there may be channels.
    fn remembers_too_much(&mut self, subscribe: &Subscribe) -> Option<Coded> {
        let most = self.gateway.service.channel_limit(&self.connection.app());
        let covered = &mut self.link.covered;
        let adds = subscribe.since.is_some()
            && subscribe.channel.kind() == ChannelKind::Peer
            && !covered.contains_key(&subscribe.channel);
        let count = |covered: &HashMap<ChannelName, u64>| {
            covered
                .keys()
                .filter(|channel| channel.kind() == ChannelKind::Peer)
                .count() as u64
        };
        if !adds || most == 0 || count(covered) < most {
            return None;
        }
        covered.retain(|channel, _| self.connection.receives(channel));
        (count(covered) >= most).then(|| complaints::subscribe(&SubscribeError::Channels(most)))
    }

    async fn unsubscribe(&mut self, channel: &ChannelName) -> Result<(), Coded> {
        if !self.connection.receives(channel) {
            return Err(complaints::not_on_channel());
        }
        let left = self
            .gateway
            .service
            .unsubscribe(&self.connection, channel)
            .await;
        self.personal.retain(|(known, _)| known != channel);
        self.link.leave(&left);
        if channel.kind() == ChannelKind::Peer {
            self.link.covered.remove(channel);
        }
        let members = self
            .gateway
            .service
            .members(&self.connection.app(), channel)
            .await;
        let state = Subscribed {
            members,
            ..Subscribed::default()
        };
        self.link.socket.queue_pieces(pushi::state(
            "pusher_internal:unsubscription_succeeded",
            channel,
            &state,
        ));
        Ok(())
    }

    async fn latest(&mut self, channel: &ChannelName, skip: u64, count: u64) -> Result<(), Coded> {
        if !self.connection.receives(channel) {
            return Err(complaints::not_on_channel());
        }
        let app = self.connection.app();
        let service = &self.gateway.service;
        let events = service
            .latest(&app.ident, channel, skip, count)
            .await
            .map_err(|error| complaints::history(&error))?;
        let members = service.members(&app, channel).await;
        let state = Subscribed {
            members,
            alias: self.connection.aliases(channel),
            events,
            ..Subscribed::default()
        };
        self.link
            .socket
            .queue_pieces(pushi::state("pusher_internal:latest", channel, &state));
        Ok(())
    }
}
