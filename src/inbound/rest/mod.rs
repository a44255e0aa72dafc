//! The REST API: poem-openapi, a resource a file with what its bodies and answers look like.
//!
//! A request goes through [`edge`](self) (origins, size, errors in one form), then to the operation that its path and method
//! name. An operation's first argument is who asks ([`security`](self)), so nothing else of a request is looked at for somebody who
//! may not. What can go wrong becomes HTTP in `problem`, and nowhere else. The document is made from the operations, and mended in
//! `document` where the framework cannot say what is meant.

mod answer;
mod app_dto;
mod apps;
mod body;
mod cors;
mod document;
mod edge;
mod events;
mod form;
mod health;
mod metrics;
mod pages;
mod params;
mod problem;
mod publication;
mod pusher;
mod schema;
mod security;
mod sessions;
mod settings;
mod sockets;
mod subscription_dto;
mod subscriptions;
mod tags;
mod web;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use poem::{Endpoint, IntoEndpoint, Request, Response};
use poem_openapi::OpenApiService;

pub use document::document;
pub use web::DemoApp;

use crate::core::model::Secret;
use crate::core::ports::Gauges;
use crate::core::service::Service;
use problem::Problem;

/// What the REST API goes by, as configured.
#[derive(Debug, Clone)]
pub struct RestRules {
    /// Administers apps; `None`: nobody does.
    pub admin_token: Option<Secret>,
    /// Anybody may create apps.
    pub open_registration: bool,
    /// Origins that CORS answers name; empty: any.
    pub allowed_origins: Vec<String>,
    /// Where WebSocket clients connect, for the detailed health; `None`: not said.
    pub websocket_address: Option<String>,
    /// Whether the server takes traffic: false before it has started and while it drains.
    pub ready: Arc<AtomicBool>,
    /// The server's version.
    pub version: String,
    /// Whose back end the example page finds here; `None`: there is none, and its routes are 404.
    pub demo: Option<DemoApp>,
}

/// What all operations share.
pub(crate) struct RestContext {
    service: Arc<Service>,
    rules: RestRules,
    render_metrics: RenderMetrics,
}

/// Renders all metrics of the process, with these gauges, in the Prometheus text format.
pub type RenderMetrics = Box<dyn Fn(Gauges) -> String + Send + Sync>;

impl RestContext {
    /// The one that the edge put beside the request.
    fn of(request: &Request) -> Result<&Arc<Self>, Problem> {
        request
            .extensions()
            .get::<Arc<Self>>()
            .ok_or_else(|| Problem::internal("the endpoint is not behind its edge"))
    }
}

/// The routes, a resource each.
type Routes = (
    sessions::SessionRoutes,
    apps::AppRoutes,
    events::EventRoutes,
    subscriptions::SubscriptionRoutes,
    sockets::SocketRoutes,
    pusher::PusherEventRoutes,
    pusher::PusherChannelRoutes,
    pusher::PusherUserRoutes,
    health::HealthRoutes,
    metrics::MetricsRoutes,
);

fn routes(rest: &Arc<RestContext>) -> Routes {
    (
        sessions::SessionRoutes(Arc::clone(rest)),
        apps::AppRoutes(Arc::clone(rest)),
        events::EventRoutes(Arc::clone(rest)),
        subscriptions::SubscriptionRoutes(Arc::clone(rest)),
        sockets::SocketRoutes(Arc::clone(rest)),
        pusher::PusherEventRoutes(Arc::clone(rest)),
        pusher::PusherChannelRoutes(Arc::clone(rest)),
        pusher::PusherUserRoutes(Arc::clone(rest)),
        health::HealthRoutes(Arc::clone(rest)),
        metrics::MetricsRoutes(Arc::clone(rest)),
    )
}

/// Everything that is answered over plain HTTP: the API, its document and the page that shows it. It never fails: every error is an
/// answer.
///
/// The listener gives each request a [`ClientInfo`](crate::inbound::listen::ClientInfo) and a
/// [`ListenerRole`](crate::inbound::listen::ListenerRole) as extensions; without them a request counts as plain, from elsewhere, and
/// through the first listener.
pub fn endpoint(
    service: Arc<Service>,
    rules: RestRules,
    render_metrics: RenderMetrics,
) -> impl Endpoint<Output = Response> {
    let rest = Arc::new(RestContext {
        service,
        rules,
        render_metrics,
    });
    let api = OpenApiService::new(routes(&rest), document::TITLE, env!("CARGO_PKG_VERSION"))
        .into_endpoint();
    edge::Edge::new(rest, api)
}
