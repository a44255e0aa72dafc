//! The REST API, built on poem-openapi: one resource a file, with its bodies and answers.
//!
//! A request passes [`edge`](self) (CORS, body limit, one form of errors), then reaches the operation of its path and
//! method. An operation's first argument is the caller ([`security`](self)), so that nothing else of a request is parsed without
//! permission. Errors become HTTP only in `problem`. The document is generated from the operations and corrected in
//! `document` where the framework cannot express the schema.

mod answer;
mod app_dto;
mod app_members;
mod apps;
mod asyncapi;
mod body;
mod console;
mod console_pages;
mod content_policy;
mod cookies;
mod cors;
mod document;
mod edge;
mod events;
mod form;
mod front;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod health;
mod list;
mod local;
mod messaging;
mod metrics;
mod pages;
mod params;
mod problem;
mod publication;
mod pusher;
mod same_origin;
mod schema;
mod security;
mod sessions;
mod settings;
mod sockets;
mod static_content;
mod streams;
mod subscription_dto;
mod subscriptions;
mod tags;
mod targets;
mod tokens;
mod unsubscribe;
mod vapid;
mod web;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use poem::{Endpoint, IntoEndpoint, Request, Response};
use poem_openapi::OpenApiService;

pub use asyncapi::asyncapi_document;
pub use document::document;
pub use web::DemoApp;

use crate::core::model::Secret;
use crate::core::ports::Gauges;
use crate::core::service::Service;
use problem::Problem;

/// The configuration of the REST API.
#[derive(Debug, Clone)]
pub struct RestRules {
    /// The token that administers apps; `None` disables administration over REST.
    pub admin_token: Option<Secret>,
    /// Apps can be created without a token.
    pub open_registration: bool,
    /// Origins that CORS answers name; empty: any.
    pub allowed_origins: Vec<String>,
    /// The address for WebSocket clients in the detailed health; `None` omits it.
    pub websocket_address: Option<String>,
    /// Whether the server accepts traffic: false before the start has finished and while it drains.
    pub ready: Arc<AtomicBool>,
    /// The server's version.
    pub version: String,
    /// The path below which a proxy serves the API, such as `/realtime`: it is removed from paths that begin with it, and
    /// signatures may cover it.
    pub path_prefix: Option<String>,
    /// Whether an address belongs to the public internet, where targets must not have others; `None`: they may have any.
    pub is_public: Option<fn(IpAddr) -> bool>,
    /// Whether the console is served, over TLS or to this machine.
    pub console: bool,
    /// Whether the console is also served without TLS to other machines.
    pub insecure_console: bool,
    /// The app that the example page's back end signs for; `None`: its routes are 404.
    pub demo: Option<DemoApp>,
}

/// The state that all operations share.
pub(crate) struct RestContext {
    service: Arc<Service>,
    rules: RestRules,
    render_metrics: RenderMetrics,
}

/// Renders all metrics of the process, with these gauges, in the Prometheus text format.
pub type RenderMetrics = Box<dyn Fn(Gauges) -> String + Send + Sync>;

impl RestContext {
    /// The context that the edge attached to the request.
    fn of(request: &Request) -> Result<&Arc<Self>, Problem> {
        request
            .extensions()
            .get::<Arc<Self>>()
            .ok_or_else(|| Problem::internal("the endpoint is not behind its edge"))
    }

    /// The largest body of a route in bytes; `u64::MAX`: any. Anybody may send one to `/login`, which takes three short values.
    fn body_limit(&self, path: &str) -> u64 {
        let limit = match self.service.rules().limits.body_bytes {
            0 => u64::MAX,
            limit => limit,
        };
        if path == sessions::LOGIN || path == console_pages::SESSION {
            limit.min(sessions::MAX_LOGIN_BYTES)
        } else {
            limit
        }
    }
}

/// The routes, one type a resource; nested, because a tuple of routes has at most 16 parts.
type Routes = (
    (sessions::SessionRoutes, console_pages::ConsoleSessionRoutes),
    apps::AppRoutes,
    events::EventRoutes,
    subscriptions::SubscriptionRoutes,
    (
        targets::WebTargetRoutes,
        targets::WebPushTargetRoutes,
        targets::EmailTargetRoutes,
        targets::ApnTargetRoutes,
    ),
    (sockets::SocketRoutes, streams::StreamRoutes),
    messaging::MessagingRoutes,
    vapid::VapidRoutes,
    (
        pusher::PusherEventRoutes,
        pusher::PusherChannelRoutes,
        pusher::PusherUserRoutes,
    ),
    console::ConsoleRoutes,
    health::HealthRoutes,
    metrics::MetricsRoutes,
);

fn routes(rest: &Arc<RestContext>) -> Routes {
    (
        (
            sessions::SessionRoutes(Arc::clone(rest)),
            console_pages::ConsoleSessionRoutes(Arc::clone(rest)),
        ),
        apps::AppRoutes(Arc::clone(rest)),
        events::EventRoutes(Arc::clone(rest)),
        subscriptions::SubscriptionRoutes(Arc::clone(rest)),
        (
            targets::WebTargetRoutes(Arc::clone(rest)),
            targets::WebPushTargetRoutes(Arc::clone(rest)),
            targets::EmailTargetRoutes(Arc::clone(rest)),
            targets::ApnTargetRoutes(Arc::clone(rest)),
        ),
        (
            sockets::SocketRoutes(Arc::clone(rest)),
            streams::StreamRoutes(Arc::clone(rest)),
        ),
        messaging::MessagingRoutes(Arc::clone(rest)),
        vapid::VapidRoutes(Arc::clone(rest)),
        (
            pusher::PusherEventRoutes(Arc::clone(rest)),
            pusher::PusherChannelRoutes(Arc::clone(rest)),
            pusher::PusherUserRoutes(Arc::clone(rest)),
        ),
        console::routes(rest),
        health::HealthRoutes(Arc::clone(rest)),
        metrics::MetricsRoutes(Arc::clone(rest)),
    )
}

/// Everything served over plain HTTP: the API, its document, and the pages. It is infallible: every error becomes an
/// answer.
///
/// The listener adds to each request a [`ClientInfo`](crate::inbound::listen::ClientInfo) and a
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
