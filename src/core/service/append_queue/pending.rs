//! A publish in the append queue.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::core::error::StorageError;
use crate::core::hub::{Mailbox, MailboxItem, Receipt, ReceiptOutcome};
use crate::core::model::{NewEvent, Position, SocketId};

/// Where the result of a publish is sent.
pub(in crate::core::service) enum ReplyTo {
    /// To a REST request that waits for it.
    Request(oneshot::Sender<Result<Vec<Position>, StorageError>>),
    /// To a socket, as a receipt; the session does not wait for it.
    Socket {
        /// Takes the receipt.
        mailbox: Arc<Mailbox>,
        /// The client's id of the publish.
        reference: Option<String>,
    },
}

/// One publish on its way into the store.
pub(in crate::core::service) struct PendingAppend {
    /// One copy for each channel; all are stored with one commit.
    pub events: Vec<Arc<NewEvent>>,
    /// A socket that does not receive the events.
    pub except: Option<SocketId>,
    /// False: the events are not stored. They wait only to keep the order of the socket's publishes.
    pub persist: bool,
    /// Whether the `mid`s may be stored already (idempotency key): a duplicate then counts as stored and is not
    /// delivered again.
    pub repeatable: bool,
    /// Where the result is sent.
    pub reply_to: ReplyTo,
}

impl PendingAppend {
    /// Sends the result to the publisher.
    pub(crate) fn reply(self, result: Result<Vec<Position>, StorageError>) {
        match self.reply_to {
            // A cancelled request needs no reply.
            ReplyTo::Request(sender) => drop(sender.send(result)),
            ReplyTo::Socket { mailbox, reference } => {
                let Some(event) = self.events.first() else {
                    return;
                };
                let outcome = match (result, self.persist) {
                    (Err(_), _) => ReceiptOutcome::Failed,
                    (Ok(_), false) => ReceiptOutcome::Delivered,
                    (Ok(positions), true) => match positions.first() {
                        Some(position) => ReceiptOutcome::Stored(
                            event.mid.clone(),
                            position.serial,
                            event.timestamp,
                        ),
                        None => ReceiptOutcome::Failed,
                    },
                };
                let (channel, event) = (event.channel.clone(), Arc::clone(&event.payload.event));
                mailbox.push(MailboxItem::Receipt(Box::new(Receipt {
                    reference,
                    channel,
                    event,
                    outcome,
                })));
            }
        }
    }
}
