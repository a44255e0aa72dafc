//! Answers: their large parts are rendered piece by piece, so that other tasks run in between, and they are pending bytes
//! until the client has taken them.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::yield_now;

use super::action::Reply;
use super::close::SessionEnd;
use super::{ClientSession, while_pumping};
use crate::core::answers::AnswerPermit;

use crate::core::member_list::MemberList;
use crate::core::model::{ChannelName, Event};
use crate::core::ports::DialectId;
use crate::core::service::HistoryError;
use crate::inbound::websocket::dialect::{RequestContext, pusher, pushi};

/// The bytes that are rendered before other tasks run, and of a piece of the result; the last event of a piece may exceed
/// it.
const PIECE: usize = 32 * 1024;

/// Renders the events of an answer: for Pushi the list's text as it is in the answer, for Pusher frames that follow it.
/// Each event is freed once it is rendered.
pub(super) async fn render_events(dialect: DialectId, events: Vec<Event>) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    for (index, event) in events.into_iter().enumerate() {
        match dialect {
            DialectId::Pushi | DialectId::Stream => {
                piece.extend_from_slice(pushi::event_text(index == 0, &event).as_bytes());
            }
            DialectId::Pusher => {
                piece.extend_from_slice(&pusher::event(&event.new, Some(event.position)));
            }
        }
        if piece.len() >= PIECE {
            pieces.push(into_bytes(&mut piece));
            yield_now().await;
        }
    }
    if !piece.is_empty() {
        pieces.push(into_bytes(&mut piece));
    }
    pieces
}

/// Without spare capacity, because the pieces wait for the client.
fn into_bytes(piece: &mut Vec<u8>) -> Bytes {
    std::mem::take(piece).into_boxed_slice().into()
}

/// Renders the members of a presence channel as far as no earlier answer did; the answer uses the cached texts.
pub(super) async fn render_members(dialect: DialectId, members: &MemberList) {
    let mut rendered = 0;
    match dialect {
        DialectId::Pushi | DialectId::Stream => {
            for bytes in pushi::prepare_members(members) {
                pause(&mut rendered, bytes).await;
            }
        }
        DialectId::Pusher => {
            for bytes in pusher::prepare_members(members) {
                pause(&mut rendered, bytes).await;
            }
        }
    }
}

async fn pause(rendered: &mut usize, bytes: usize) {
    *rendered += bytes;
    if *rendered >= PIECE {
        *rendered = 0;
        yield_now().await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ClientSession<S> {
    /// Queues the replies that answer a request. They are pending until the client has taken them, and with them the bytes
    /// of `permits`.
    pub(super) fn answer(
        &mut self,
        replies: impl IntoIterator<Item = Reply>,
        permits: impl IntoIterator<Item = AnswerPermit>,
    ) -> Option<SessionEnd> {
        let before = self.link.stream().queued();
        let end = self.reply(replies);
        let bytes = self.link.stream().queued() - before;
        if bytes > 0 {
            let seconds = self.gateway.answer_timeout();
            self.link
                .start_answer(self.connection.mailbox(), bytes, permits, seconds);
        }
        end
    }

    pub(super) async fn read_history(
        &mut self,
        channel: &ChannelName,
        skip: u64,
        count: u64,
        request: RequestContext,
    ) -> Option<SessionEnd> {
        let (service, app) = (&self.gateway.service, self.connection.app());
        let reader = service.reader(&self.connection);
        let use_case = async {
            let page = service
                .latest(&app.ident, channel, skip, count, reader)
                .await?;
            let members = service.members(&app, channel).await;
            let names = service.acquire_members(&self.connection, &members).await?;
            Ok::<_, HistoryError>((page, members, names))
        };
        let deliveries = &mut self.state.deliveries;
        let (result, pumped) =
            while_pumping(&mut self.link, &self.connection, deliveries, use_case).await;
        let end = self.on_pumped(pumped);
        let (mut events, mut permits) = (Vec::new(), [None, None]);
        let result = match result {
            Ok((page, members, names)) => {
                events = render_events(DialectId::Pushi, page.events).await;
                permits = [page.permit, names];
                render_members(DialectId::Pushi, &members).await;
                Ok((members, page.more))
            }
            Err(error) => Err(error),
        };
        let context = self.gateway.context(&self.connection);
        let reply = super::pushi::on_history(&context, channel, request, events, result);
        end.or(self.answer([reply], permits.into_iter().flatten()))
    }
}
