//! A Pusher client tells the others on a channel.

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::super::dialect::pusher::{self, Whisper};
use super::super::super::session::Session;
use super::complaints;
use crate::core::limit::TokenBucket;
use crate::core::model::Payload;
use crate::core::service::ClientEvent;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    pub(super) async fn whisper(&mut self, whisper: Whisper) {
        let service = &self.gateway.service;
        let rate = self
            .connection
            .app()
            .settings
            .limits
            .max_client_events
            .unwrap_or(service.rules().limits.client_events);
        if rate != 0 {
            let now = self.gateway.clock.now();
            if !self
                .pace
                .get_or_insert_with(|| Box::new(TokenBucket::new(rate, now)))
                .take(rate, now)
            {
                return self.tell_error(
                    4301,
                    format!("too fast: at most {rate} client events a second (max_client_events)"),
                );
            }
        }
        let Whisper {
            channel,
            event,
            data,
        } = whisper;
        let user = self
            .connection
            .subscription(&channel)
            .and_then(|subscription| subscription.user);
        let extra = user
            .map(|user| pusher::sender_text(&user))
            .unwrap_or_default();
        let payload = Payload {
            event: event.into(),
            data: data.into(),
            extra: extra.into(),
        };
        let behind = self.in_flight.iter().any(|(busy, _)| *busy == channel);
        match self
            .gateway
            .service
            .client_event(
                &self.connection,
                ClientEvent {
                    channel: channel.clone(),
                    payload,
                    behind,
                },
            )
            .await
        {
            Ok(true) => self.entered(channel),
            Ok(false) => {}
            Err(error) => self.tell_error(complaints::client_event(&error), error.to_string()),
        }
    }
}
