//! How frames leave: a mailbox per connection, and two ways out of it.
//!
//! **Why two.** A connection's own task must filter, hold back and order what it writes after an
//! answer. An idle connection needs none of that, and waking its task costs more than the small
//! write itself. So the task that publishes writes to idle connections directly.
//!
//! **The ways out**
//!
//! 1. *The connection's task.* [`Mailbox::deliver`] or [`Mailbox::push`] queues an item and wakes
//!    the task, which takes the queue with [`Mailbox::poll_take`] and writes it to its socket. All
//!    items other than plain published events leave this way, and everything of a TLS connection,
//!    which has no [`DirectWriter`].
//! 2. *A direct write.* The task [parks](Mailbox::park) its mailbox before it waits with an empty
//!    queue, an empty write buffer and no filter that applies. Into a parked mailbox the delivering
//!    task writes itself, through the connection's [`DirectWriter`]: at once outside of a cork, at
//!    the end of the poll inside of one.
//!
//! **When the task is bypassed.** The mailbox is parked, the broadcast is
//! [unfiltered](super::Broadcast::is_unfiltered), and it fits the mailbox's limit. Anything else
//! unparks the mailbox and wakes the task. The task itself unparks at its next poll.
//!
//! **What corked means.** As with `TCP_CORK`, small writes are collected and leave together. A
//! future in [`Corked`] marks its thread while it is polled. A delivery into a parked mailbox then
//! only queues, and answers [`Delivered::FlushDue`] for the first one; the hub records the mailbox
//! for this poll. At the end of the poll the mailboxes go as one [`FlushBatch`] to the
//! [`FlushScheduler`]. Several frames for one connection become one write, and the writes of many
//! connections one system call. A mailbox with more than `MAX_WRITE` bytes is
//! written without waiting for the end of the poll.
//!
//! **Events of one connection alone.** A stream over plain HTTP numbers each event by its position
//! in all of the stream's channels, so its bytes cannot be shared. Its mailbox has an
//! [`EventRenderer`], which renders and filters under the mailbox's lock, wherever the write happens:
//! into the buffer of the batch, without an allocation, or into that of the connection's task.
//!
//! **Who flushes.** The scheduler: small batches on the thread that filled them, large ones in
//! pieces on several tasks. A batch that is dropped is flushed. Whatever the socket does not take
//! stays in the queue, the mailbox is unparked, and the task is woken to wait for the socket.
//!
//! **Who locks what.** `MailboxQueue` is under the mailbox's lock, which is
//! held for one delivery, or for one write, so that frames keep their order. The app's lock is not
//! held then. A batch holds the locks of its mailboxes during one [`BatchWriter::write`]: it takes
//! them with `try_lock`, and writes those that were locked alone afterwards, so two batches cannot
//! deadlock. Wakers are called after the lock is released, or the woken task would wait for it.
//!
//! **Blocking.** Nothing here waits: [`DirectWriter::try_write`] writes what the socket takes. The
//! file descriptor of a [`DirectWriter`] is the one place where the core depends on the operating
//! system: a batch of writes to many sockets becomes one call only by descriptor.

mod activity;
mod batch;
mod cork;
mod direct;
mod item;
mod mailbox;
mod queue;
mod render;
mod renderer;

pub use batch::FlushBatch;
pub use cork::{Corked, FlushScheduler};
pub(super) use cork::{FlushInline, is_corked, schedule_flush};
pub use direct::{BatchWriter, BatchedWrite, DirectWriter, WriteStats};
pub use item::{CloseReason, MailboxItem, Receipt, ReceiptOutcome};
pub use mailbox::{ConnectionOrigin, Delivered, Mailbox};
pub use renderer::EventRenderer;
