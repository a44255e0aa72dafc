//! The lists of addresses that the events of an app share.

use std::collections::HashMap;
use std::sync::Arc;

use crate::core::model::{AppIdent, OutboxEvent};

/// The lists that are remembered for an app. An app has one for each combination of its webhooks that receives some event.
const MAX_LISTS: usize = 16;

/// The apps that are remembered; beyond it, those without queued events are forgotten.
const MAX_APPS: usize = 1000;

/// The bytes of an address in memory besides its text.
const ADDRESS_BYTES: usize = 32;

/// The lists of addresses of the queued events: equal ones of an app are in memory once, and count in the bytes of the event
/// that brought them.
#[derive(Debug, Default)]
pub(super) struct AddressLists {
    apps: HashMap<AppIdent, Vec<Arc<[Arc<str>]>>>,
}

impl AddressLists {
    /// Replaces the list of an event by an equal one of a queued event. Returns the bytes of the list; 0: it is shared.
    pub(super) fn share(&mut self, event: &mut OutboxEvent) -> usize {
        if event.addresses.is_empty() {
            return 0;
        }
        if !self.apps.contains_key(&event.app) && self.apps.len() >= MAX_APPS {
            self.apps.retain(|_, lists| {
                forget_unused(lists);
                !lists.is_empty()
            });
        }
        let lists = self.apps.entry(event.app.clone()).or_default();
        if let Some(known) = lists.iter().find(|known| **known == event.addresses) {
            let is_queued = Arc::strong_count(known) > 1;
            event.addresses = Arc::clone(known);
            return if is_queued { 0 } else { bytes(known) };
        }
        forget_unused(lists);
        if lists.len() >= MAX_LISTS {
            lists.remove(0);
        }
        lists.push(Arc::clone(&event.addresses));
        bytes(&event.addresses)
    }
}

fn forget_unused(lists: &mut Vec<Arc<[Arc<str>]>>) {
    lists.retain(|list| Arc::strong_count(list) > 1);
}

fn bytes(list: &[Arc<str>]) -> usize {
    list.iter()
        .map(|address| ADDRESS_BYTES + address.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ChannelName, OutboxEventKind, Timestamp};

    fn event(app: &str, addresses: &[&str]) -> OutboxEvent {
        OutboxEvent {
            app: AppIdent::trusted(app),
            channel: ChannelName::trusted("c"),
            at: Timestamp::default(),
            kind: OutboxEventKind::Occupied,
            addresses: addresses.iter().map(|address| (*address).into()).collect(),
        }
    }

    #[test]
    fn equal_lists_of_an_app_are_in_memory_once_and_counted_once() {
        let mut lists = AddressLists::default();
        let mut queued: Vec<OutboxEvent> = Vec::new();
        let own = 2 * ADDRESS_BYTES + "http://a/http://b/".len();
        for (app, addresses, expected) in [
            ("a", &["http://a/", "http://b/"][..], own),
            ("a", &["http://a/", "http://b/"], 0),
            ("a", &["http://a/"], ADDRESS_BYTES + "http://a/".len()),
            ("b", &["http://a/", "http://b/"], own),
            ("a", &["http://a/", "http://b/"], 0),
            ("a", &[], 0),
        ] {
            let mut event = event(app, addresses);
            assert_eq!(lists.share(&mut event), expected, "{event:?}");
            queued.push(event);
        }
        assert!(Arc::ptr_eq(&queued[0].addresses, &queued[4].addresses));
        queued.clear();
        let mut again = event("a", &["http://a/", "http://b/"]);
        assert_eq!(lists.share(&mut again), own, "no queued event has it");
    }

    #[test]
    fn lists_that_change_with_each_event_are_counted_and_forgotten() {
        let mut lists = AddressLists::default();
        let mut queued = Vec::new();
        for number in 0..10 * MAX_LISTS {
            let mut event = event("a", &[&format!("http://{number}/")]);
            assert!(lists.share(&mut event) > ADDRESS_BYTES);
            queued.push(event);
        }
        assert_eq!(lists.apps[&AppIdent::trusted("a")].len(), MAX_LISTS);
        queued.clear();
        for number in 0..2 * MAX_APPS {
            lists.share(&mut event(&number.to_string(), &["http://a/"]));
        }
        assert!(lists.apps.len() <= MAX_APPS, "{}", lists.apps.len());
    }
}
