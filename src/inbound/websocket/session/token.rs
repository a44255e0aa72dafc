//! The token that a client holds in place of signatures.

use smallvec::smallvec;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::action::{Replies, Reply};
use super::close::SessionEnd;
use super::state::{SessionContext, SessionState};
use super::{ClientSession, while_pumping};
use crate::core::model::{ChannelName, Secret};
use crate::core::service::{HoldTokenError, TokenHeld};
use crate::inbound::websocket::dialect::{self, ErrorFrame, RequestContext};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ClientSession<S> {
    /// Holds a token, which the client sent in a frame or in the address.
    pub(super) async fn hold_token(
        &mut self,
        token: &Secret,
        request: RequestContext,
    ) -> Option<SessionEnd> {
        let mut left = Vec::new();
        let service = &self.gateway.service;
        let use_case = service.hold_token(&self.connection, token, &mut left);
        let deliveries = &mut self.state.deliveries;
        let (result, pumped) =
            while_pumping(&mut self.link, &self.connection, deliveries, use_case).await;
        let end = self.on_pumped(pumped);
        let context = self.gateway.context(&self.connection);
        let replies = on_token(&mut self.state, &context, request, result, &left);
        end.or(self.answer(replies, None))
    }

    /// Ends what an expired token granted.
    pub(super) async fn expire_token(&mut self) -> Option<SessionEnd> {
        let mut left = Vec::new();
        let service = &self.gateway.service;
        let use_case = service.expire_token(&self.connection, &mut left);
        let deliveries = &mut self.state.deliveries;
        let (ended, pumped) =
            while_pumping(&mut self.link, &self.connection, deliveries, use_case).await;
        let end = self.on_pumped(pumped);
        let context = self.gateway.context(&self.connection);
        let replies = leave(&mut self.state, &context, &ended, &left, |channel| {
            format!(
                "the token has expired: the subscription to {channel} has ended, send pusher:token and subscribe again"
            )
        });
        end.or(self.answer(replies, None))
    }
}

fn on_token(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    request: RequestContext,
    result: Result<TokenHeld, HoldTokenError>,
    left: &[ChannelName],
) -> Replies {
    let held = match result {
        Ok(held) => held,
        Err(error) => {
            let error = ErrorFrame {
                request,
                ..ErrorFrame::new(4009, error.to_string())
            };
            return smallvec![context.error(&error)];
        }
    };
    state.timers.set_token_end(Instant::now() + held.left);
    let mut replies: Replies = smallvec![Reply::Frame(dialect::token_accepted(&held))];
    replies.extend(leave(state, context, &held.ended, left, |channel| {
        format!("the new token does not cover {channel}: the subscription has ended")
    }));
    replies
}

/// The connection left channels because of its token: an error frame for each.
fn leave(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    ended: &[ChannelName],
    left: &[ChannelName],
    message: impl Fn(&ChannelName) -> String,
) -> Replies {
    let mut replies = Replies::new();
    for channel in ended {
        state.leave(channel, left);
        let request = RequestContext {
            event: "pusher:token".to_owned(),
            reference: None,
        };
        replies.push(context.channel_error((4009, message(channel)), channel, request));
    }
    replies
}
