//! What clients ask for, and what they are answered.

mod pushi;

use std::pin::pin;

use tokio::io::{AsyncRead, AsyncWrite};

use super::link::{Link, Turn};
use super::session::{End, Session};
use crate::core::hub::{CloseReason, Connection};
use crate::core::ports::DialectId;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Handles one text frame.
    pub async fn text(&mut self, text: &str) -> Option<End> {
        match self.dialect() {
            DialectId::Pushi => self.pushi_text(text).await,
            DialectId::Pusher => None,
        }
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
