//! What the console shows, one page's data a file. Each route is open to the administrator and to a session of its app.

mod channels;
mod connections;
mod deliveries;
mod overview;
mod settings;
mod signatures;
mod tail;

use std::sync::Arc;

use channels::ConsoleChannelRoutes;
use connections::ConnectionRoutes;
use deliveries::DeliveryRoutes;
use overview::OverviewRoutes;
use settings::SettingsRoutes;
use signatures::SignatureRoutes;
use tail::TailRoutes;

use super::RestContext;
use super::apps::reached;
use super::params::{Param, Whole};
use super::problem::Problem;
use super::security::Caller;
use crate::core::model::App;

/// The routes of the console.
pub(super) type ConsoleRoutes = (
    OverviewRoutes,
    ConsoleChannelRoutes,
    ConnectionRoutes,
    TailRoutes,
    DeliveryRoutes,
    SettingsRoutes,
    SignatureRoutes,
);

/// The routes of the console.
pub(super) fn routes(rest: &Arc<RestContext>) -> ConsoleRoutes {
    (
        OverviewRoutes(Arc::clone(rest)),
        ConsoleChannelRoutes(Arc::clone(rest)),
        ConnectionRoutes(Arc::clone(rest)),
        TailRoutes(Arc::clone(rest)),
        DeliveryRoutes(Arc::clone(rest)),
        SettingsRoutes,
        SignatureRoutes(Arc::clone(rest)),
    )
}

/// The app that a path names, if the caller may access it and it exists.
async fn app(rest: &RestContext, caller: &Caller, ident: &str) -> Result<Arc<App>, Problem> {
    let ident = reached(caller, ident)?;
    match caller.session() {
        Some(session) => Ok(Arc::clone(&session.app)),
        None => Ok(rest.service.app(&ident).await?),
    }
}

/// The number of entries of an answer: the default, or what the request wants, up to `most`.
fn limit(count: Option<Param<Whole>>, default: usize, most: usize) -> usize {
    count.map_or(default, |count| {
        usize::try_from(count.0).unwrap_or(most).min(most)
    })
}

/// Nodes in answers: as text, because their numbers have 53 bits.
fn names(nodes: &[u64]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}
