//! Mailboxes whose events are rendered for one connection alone.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::item::{CloseReason, MailboxItem};
use super::mailbox::Mailbox;
use super::renderer::EventRenderer;

impl Mailbox {
    /// Sets the renderer of the connection's events, before its task waits for the first time.
    pub fn set_renderer(&self, renderer: Arc<dyn EventRenderer>) {
        self.queue.lock().renderer = Some(Box::new(renderer));
    }

    /// For a connection with a renderer: appends rendered events to `out` until it has `most` bytes,
    /// and other items to `others`. Returns the number of events; `None`: the queue is empty, and the
    /// connection closes. The bytes count as pending until the next call.
    pub fn poll_render(
        &self,
        cx: &mut Context<'_>,
        most: usize,
        out: &mut Vec<u8>,
        others: &mut Vec<MailboxItem>,
    ) -> Poll<Result<u64, CloseReason>> {
        let mut queue = self.queue.lock();
        queue.bytes -= mem::take(&mut queue.taken);
        queue.answer = 0;
        let before = queue.bytes;
        let mut events = 0;
        while !queue.items.is_empty() && out.len() < most {
            events += queue.render(self.dialect, most - out.len(), out);
            let is_other = |item: &MailboxItem| !matches!(item, MailboxItem::Broadcast(_));
            if queue.items.first().is_some_and(is_other) {
                let item = queue.items.remove(0);
                queue.bytes -= item.size(self.dialect);
                match item {
                    MailboxItem::PartialFrame(rest) => out.extend_from_slice(&rest),
                    other => others.push(other),
                }
            }
        }
        let is_nothing = out.is_empty() && others.is_empty();
        match queue.closed {
            Some(reason) if is_nothing => Poll::Ready(Err(reason)),
            None if is_nothing => {
                queue.register_waker(cx, false);
                Poll::Pending
            }
            _ => {
                queue.taken = before - queue.bytes;
                queue.bytes = before;
                if queue.taken > 0 {
                    self.activity.record_sent();
                }
                Poll::Ready(Ok(events))
            }
        }
    }
}
