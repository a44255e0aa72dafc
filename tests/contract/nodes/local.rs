use std::sync::{Arc, Weak};

use pushi::outbound::local::{LocalBus, LocalPresence};

use super::{Ear, Meeting, Node};

/// A node that is alone.
pub struct Local(Node);

impl Meeting for Local {
    async fn start() -> Option<Self> {
        let bus = Arc::new(LocalBus::default());
        let ear = Arc::new(Ear::default());
        let sink: Weak<Ear> = Arc::downgrade(&ear);
        bus.set_sink(sink);
        let presence = Arc::new(LocalPresence::new(Arc::clone(&bus)));
        Some(Self(Node {
            bus,
            presence,
            ear,
            _life: Arc::new(()),
        }))
    }

    async fn node(&self) -> Node {
        self.0.clone()
    }

    const SEVERAL: bool = false;
}
