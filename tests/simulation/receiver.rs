//! The receivers of web hooks: requests take time, fail, or succeed without a response.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use pushi::core::model::{App, Attempt, OutboxEventKind, QueuedEvent};
use pushi::core::ports::Notifier;

use crate::truth::HookEvent;
use crate::world::World;

pub(crate) struct Receivers {
    pub world: Arc<World>,
    /// Nothing arrives.
    pub are_down: AtomicBool,
}

#[async_trait]
impl Notifier for Receivers {
    async fn send(&self, app: &App, _address: &str, events: &[QueuedEvent]) -> Attempt {
        self.world.delay(1..20).await;
        if self.are_down.load(Ordering::Relaxed) || self.world.fault(5) {
            return failed();
        }
        self.receive(app.ident.as_str(), events);
        self.world.delay(1..20).await;
        if self.world.fault(5) {
            return failed();
        }
        Attempt {
            status: Some(200),
            problem: None,
        }
    }
}

fn failed() -> Attempt {
    Attempt {
        status: None,
        problem: Some("no response".to_owned()),
    }
}

impl Receivers {
    fn receive(&self, app: &str, events: &[QueuedEvent]) {
        let mut faults = Vec::new();
        let mut truth = self.world.truth.lock();
        let received = &mut truth.hooks.entry(app.to_owned()).or_default().events;
        for event in events {
            let what = match &event.kind {
                OutboxEventKind::ClientEvent(details) => {
                    HookEvent::ClientEvent(details.data.to_string())
                }
                kind => kind.presence().map_or(HookEvent::Other, |(user, present)| {
                    HookEvent::Presence(user.map(|user| user.as_str().to_owned()), present)
                }),
            };
            self.world.note(format_args!(
                "hook {app} {} {} {what:?}",
                event.id, event.channel
            ));
            let newest = received.last_key_value().map_or(0, |(id, _)| *id);
            let entry = (event.channel.as_str().to_owned(), what);
            if event.id > newest + 1 {
                faults.push(format!("hook {app}: {} follows {newest}", event.id));
            }
            match received.get(&event.id) {
                Some(known) if *known != entry => {
                    faults.push(format!("hook {app}: {} has changed", event.id));
                }
                _ => drop(received.insert(event.id, entry)),
            }
        }
        drop(truth);
        faults.iter().for_each(|fault| self.world.violate(fault));
    }
}
