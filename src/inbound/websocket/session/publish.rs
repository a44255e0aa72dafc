//! Publishing.

use tokio::io::{AsyncRead, AsyncWrite};

use super::close::SessionEnd;
use super::{ClientSession, pusher, pushi};
use crate::core::service::{ClientEvent, ClientPublish};
use crate::inbound::websocket::dialect::RequestContext;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ClientSession<S> {
    pub(super) async fn publish(
        &mut self,
        publish: ClientPublish,
        request: RequestContext,
    ) -> Option<SessionEnd> {
        let channel = publish.channel.clone();
        let service = &self.gateway.service;
        let result = service.publish_from(&self.connection, publish).await;
        let context = self.gateway.context(&self.connection);
        let reply = pushi::on_published(&mut self.state, &context, channel, request, result);
        self.reply(reply)
    }

    pub(super) async fn send_client_event(&mut self, event: ClientEvent) -> Option<SessionEnd> {
        let channel = event.channel.clone();
        let service = &self.gateway.service;
        let result = service.client_event(&self.connection, event).await;
        let context = self.gateway.context(&self.connection);
        let reply = pusher::on_client_event_sent(&mut self.state, &context, channel, result);
        self.reply(reply)
    }
}
