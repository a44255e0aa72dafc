//! What all nodes measured in the last minutes.

use super::Service;
use crate::core::model::AppIdent;
use crate::core::ports::{NodeOverview, NodeQuery, NodeReport};

/// What all nodes measured.
#[derive(Debug, Default)]
pub struct OverviewOfNodes {
    /// The process numbers of the nodes, with what they measured, in their order.
    pub nodes: Vec<(u64, NodeOverview)>,
    /// The nodes that did not answer.
    pub silent: Vec<u64>,
}

impl Service {
    /// What all nodes measured; with an app its numbers alone, without samples. Where the other nodes cannot be reached, it is what this
    /// node measured.
    pub async fn overview(&self, app: Option<AppIdent>) -> OverviewOfNodes {
        let query = NodeQuery::Overview { app: app.clone() };
        let mut overview = OverviewOfNodes::default();
        match self.ask_all(query).await {
            Ok(answers) => {
                overview.silent = answers.silent;
                for (node, report) in answers.reports {
                    if let NodeReport::Overview(measured) = report {
                        overview.nodes.push((node, measured));
                    }
                }
            }
            Err(_) => {
                let own = self.own_overview(app.as_ref());
                overview.nodes.push((self.hub.process(), own));
            }
        }
        overview.nodes.sort_unstable_by_key(|(node, _)| *node);
        overview
    }

    pub(super) fn own_overview(&self, app: Option<&AppIdent>) -> NodeOverview {
        let samples = &self.parts.samples;
        let started = samples.started();
        if let Some(app) = app {
            let hub = self.hub.app(app);
            let (connections, channels) = hub.map_or((0, 0), |hub| hub.counts());
            return NodeOverview {
                connections,
                channels,
                started,
                samples: Vec::new(),
            };
        }
        NodeOverview {
            connections: self.hub.connections(),
            channels: self.hub.channel_count(),
            started,
            samples: samples.kept(),
        }
    }
}
