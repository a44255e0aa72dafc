//! What a Pusher client asks for, and what it is answered.

mod complaints;
mod sign_in;
mod subscribe;
mod whisper;

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::dialect::pusher::{self, Command, Refused};
use super::super::session::{End, Session, close};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Handles one text frame.
    pub(super) async fn pusher_text(&mut self, text: &str) -> Option<End> {
        let decoded = pusher::decode(text, &self.gateway.service.rules().limits);
        if !matches!(decoded, Ok(Command::Ping | Command::Pong)) {
            self.connection.mailbox().record_activity();
        }
        match decoded {
            Ok(Command::Ping) => {
                self.link.socket.queue(&pusher::pong());
                None
            }
            Ok(Command::Pong) => None,
            Ok(Command::Whisper(whisper)) => {
                // Boxed, as below.
                Box::pin(self.whisper(*whisper)).await;
                None
            }
            // Boxed, so that an idle connection's task has no room for it.
            Ok(command) => Box::pin(self.pusher_command(command)).await,
            Err(refused) => self.pusher_refused(refused),
        }
    }

    async fn pusher_command(&mut self, command: Command) -> Option<End> {
        match command {
            Command::Subscribe(subscribe) => self.pusher_subscribe(&subscribe).await,
            Command::Unsubscribe(channel) => {
                // There is no answer to it, whether the client was on the channel or not.
                let left = self
                    .gateway
                    .service
                    .unsubscribe(&self.connection, &channel)
                    .await;
                self.personal.retain(|(known, _)| *known != channel);
                self.link.leave(&left);
                None
            }
            Command::SignIn(sign_in, too_long) => self.sign_in(*sign_in, too_long).await,
            Command::Whisper(_) | Command::Ping | Command::Pong => None,
        }
    }

    fn pusher_refused(&mut self, refused: Refused) -> Option<End> {
        match refused {
            Refused::Frame(code, message) => self.tell_error(code, message),
            Refused::Subscription(refused) => {
                self.gateway
                    .service
                    .hub()
                    .metrics()
                    .error_sent(refused.status);
                self.link
                    .socket
                    .queue(&pusher::subscription_refused(&refused));
            }
            Refused::SignIn(message) => return Some(self.sign_in_refused(message.to_owned())),
        }
        None
    }

    /// Queues an error frame.
    fn tell_error(&mut self, code: u16, message: String) {
        self.complain(code, message, String::new(), String::new(), None);
    }

    fn sign_in_refused(&mut self, message: String) -> End {
        self.tell_error(4009, message);
        close(4009, "the sign-in was refused")
    }
}
