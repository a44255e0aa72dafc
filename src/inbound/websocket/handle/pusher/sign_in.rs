//! A Pusher client says which user it is.

use std::collections::HashSet;

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::super::dialect::pusher;
use super::super::super::link::Hold;
use super::super::super::session::{End, Session};
use super::super::meanwhile;
use crate::core::service::SignIn;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    pub(super) async fn sign_in(&mut self, sign_in: SignIn, too_long: bool) -> Option<End> {
        let user_data = sign_in.user_data.clone();
        // Changes of the watched users wait for the answer that says where they are.
        self.link.hold(Hold::AllBut(HashSet::new()));
        let (result, turns, ending) = {
            let asking = self.gateway.service.sign_in(&self.connection, sign_in);
            meanwhile(&mut self.link, &self.connection, asking).await
        };
        for turn in turns {
            self.later(turn);
        }
        let ending = ending.map(|reason| self.ended(reason));
        let watched = match result {
            Ok(watched) => watched,
            Err(error) => {
                return Some(ending.unwrap_or_else(|| self.sign_in_refused(error.to_string())));
            }
        };
        self.link.socket.queue(&pusher::signed_in(&user_data));
        if too_long {
            self.tell_error(
                4302,
                "the watchlist has more than 100 users: the first 100 are watched".to_owned(),
            );
        }
        if let Some(watched) = watched {
            self.link.watched = watched.version;
            self.link
                .socket
                .queue(&pusher::watched(&watched.online, &watched.offline));
        }
        self.link.release();
        ending
    }
}
