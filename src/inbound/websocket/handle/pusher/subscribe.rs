//! A Pusher client goes on a channel.

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::super::dialect::pusher;
use super::super::super::session::{End, Session};
use super::complaints;
use crate::core::model::ChannelName;
use crate::core::service::{Cached, Subscribe, SubscribeError, Subscribed};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    pub(super) async fn pusher_subscribe(&mut self, subscribe: &Subscribe) -> Option<End> {
        let (result, ending) = self.ask_for(subscribe).await;
        match result {
            Ok(subscribed) => self.welcome(&subscribe.channel, subscribed),
            Err(error) => self.not_welcome(&subscribe.channel, &error),
        }
        self.link.release();
        ending
    }

    fn welcome(&mut self, channel: &ChannelName, state: Subscribed) {
        self.link
            .socket
            .queue_pieces(pusher::subscribed(channel, &state));
        // Past events follow as ordinary ones.
        for event in &state.events {
            self.link
                .socket
                .queue(&pusher::event(&event.new, Some(event.position)));
        }
        match &state.cached {
            None => {}
            Some(Cached::Miss) => self.link.socket.queue(&pusher::cache_miss(channel)),
            Some(Cached::Event(event)) => {
                self.link.socket.queue(&pusher::cached(event));
                // It may have come on its way, too.
                self.link.had_last(channel, &event.mid);
            }
        }
        self.answered(state);
    }

    fn not_welcome(&mut self, channel: &ChannelName, error: &SubscribeError) {
        if let SubscribeError::Storage(cause) = error {
            tracing::error!(
                error = cause.chain(),
                "what a subscription needs could not be read"
            );
        }
        let refused = complaints::subscription(channel, error);
        self.gateway
            .service
            .hub()
            .metrics()
            .error_sent(refused.status);
        self.link
            .socket
            .queue(&pusher::subscription_refused(&refused));
    }
}
