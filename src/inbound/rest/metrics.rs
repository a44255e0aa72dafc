//! The metrics route.

use std::sync::Arc;

use poem_openapi::payload::PlainText;
use poem_openapi::{ApiResponse, OpenApi};

use super::RestContext;
use super::problem::Problem;
use super::security::OperationsAccess;
use super::tags::Section;

/// The metrics, as text.
#[derive(ApiResponse)]
enum Counted {
    /// The metrics, in the Prometheus text format.
    #[oai(status = 200)]
    Text(PlainText<String>),
}

/// The route of the metrics.
pub(super) struct MetricsRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Health")]
impl MetricsRoutes {
    /// Read the metrics
    ///
    /// Returns the metrics of this node in the Prometheus text format, without names of channels. Served only by the REST listener.
    /// Requires the administrator's token, unless the request comes from the same machine without a proxy.
    #[oai(path = "/metrics", method = "get", operation_id = "getMetrics")]
    async fn metrics(&self, _watcher: OperationsAccess) -> Result<Counted, Problem> {
        Ok(Counted::Text(PlainText((self.0.render_metrics)(
            self.0.service.gauges(),
        ))))
    }
}
