use std::sync::{Arc, Weak};

use pushi::outbound::local::{LocalBus, LocalPresence};

use super::{Meeting, Node, RecordingSink};

/// A node that is alone.
pub(super) struct Local(Node);

impl Meeting for Local {
    async fn start() -> Option<Self> {
        let bus = Arc::new(LocalBus::default());
        let sink = Arc::new(RecordingSink::default());
        let weak: Weak<RecordingSink> = Arc::downgrade(&sink);
        bus.set_sink(weak);
        let presence = Arc::new(LocalPresence::new(Arc::clone(&bus)));
        Some(Self(Node {
            bus,
            presence,
            sink,
            _life: Arc::new(()),
        }))
    }

    async fn node(&self) -> Node {
        self.0.clone()
    }

    const SEVERAL: bool = false;
}
