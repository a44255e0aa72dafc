//! A publish in the append queue.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::core::error::StorageError;
use crate::core::hub::{Mailbox, MailboxItem, Receipt, ReceiptOutcome};
use crate::core::model::{AppIdent, NewEvent, Position, SocketId};
use crate::core::ports::RowId;

/// The bytes of an event in memory besides its texts, about.
const EVENT_BYTES: usize = 400;

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
    /// Nowhere: this is a part of a publish, whose rest is still in the queue, with the place of the result.
    Rest,
}

/// The row that an event was inserted as.
pub(in crate::core::service) struct InsertedRow {
    /// The row, which is removed by the commit that stores the event.
    pub id: RowId,
    /// Whether the event is stored.
    pub persist: bool,
    /// What its publish has in common, where notification targets are to be notified of it.
    pub mark: Option<Arc<str>>,
}

/// One publish on its way into the store.
pub(in crate::core::service) struct PendingAppend {
    /// One copy for each channel; all are stored with one commit, unless they have more bytes than one may write.
    pub events: Vec<Arc<NewEvent>>,
    /// A socket that does not receive the events.
    pub except: Option<SocketId>,
    /// False: the events are not stored. They wait only to keep the order of the socket's publishes.
    pub persist: bool,
    /// What the events have in common, where notification targets are to be notified of them.
    pub mark: Option<Arc<str>>,
    /// Whether the `mid`s may be stored already (idempotency key): a duplicate then counts as stored and is not
    /// delivered again.
    pub repeatable: bool,
    /// The row of each event, where applications have inserted them in transactions; their events are one entry, in order.
    pub rows: Vec<InsertedRow>,
    /// Where the result is sent.
    pub reply_to: ReplyTo,
}

impl PendingAppend {
    /// The app of its events.
    pub(super) fn app(&self) -> Option<&AppIdent> {
        self.events.first().map(|event| &event.app)
    }

    /// The bytes that the store is going to write.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |event: &Arc<NewEvent>| EVENT_BYTES + event.bytes();
        self.events.iter().map(bytes).sum()
    }

    /// Whether its rest is still in the queue.
    pub(super) fn has_rest(&self) -> bool {
        matches!(self.reply_to, ReplyTo::Rest)
    }

    /// Removes the first events, at most this number of bytes but at least one event; `None`: that would be all.
    pub(super) fn split_off_first(&mut self, bytes: usize) -> Option<Self> {
        let mut used = 0;
        let fits = self.events.iter().take_while(|event| {
            used += EVENT_BYTES + event.bytes();
            used <= bytes
        });
        let count = fits.count().max(1);
        if count >= self.events.len() {
            return None;
        }
        let rows = self.rows.drain(..count.min(self.rows.len())).collect();
        Some(Self {
            rows,
            events: self.events.drain(..count).collect(),
            except: self.except,
            persist: self.persist,
            mark: self.mark.clone(),
            repeatable: self.repeatable,
            reply_to: ReplyTo::Rest,
        })
    }

    /// Sends the result to the publisher.
    pub(crate) fn reply(self, result: Result<Vec<Position>, StorageError>) {
        match self.reply_to {
            ReplyTo::Rest => {}
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
