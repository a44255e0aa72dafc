//! Notifying targets, the time and the metrics.

use std::sync::Arc;

use pushi::core::model::Timestamp;
use pushi::core::ports::Clock;

use crate::server::TestServer;

impl TestServer<'_> {
    /// The server's time.
    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The metrics in the Prometheus text format.
    pub fn metrics(&self) -> String {
        self.metrics.render(self.service.gauges())
    }

    /// Notifies targets from now on.
    pub fn notify(&self) {
        let (service, stop) = (Arc::clone(&self.service), self.env.stop.clone());
        self.env
            .spawn(async move { service.parts().expander.run(stop.cancelled()).await });
        let (service, stop) = (Arc::clone(&self.service), self.env.stop.clone());
        self.env.spawn(async move {
            let parts = service.parts();
            parts.notification_sender.run(stop.cancelled()).await;
        });
    }
}
