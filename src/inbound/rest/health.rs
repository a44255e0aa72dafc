//! Whether the server can do its work.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use poem_openapi::{Enum, Object, OpenApi};

use super::RestContext;
use super::answer::JsonAnswer;
use super::problem::Problem;
use super::security::OperationsAccess;
use super::tags::Section;
use crate::core::ports::BusHealth;

/// That the server runs.
#[derive(Debug, Object)]
#[oai(example, rename = "Health")]
pub struct HealthSummary {
    /// Always `ok`.
    #[oai(validator(pattern = "^ok$"))]
    pub status: String,
    /// Always `pushi`.
    pub service: String,
    /// The server's version.
    pub version: String,
}

impl poem_openapi::types::Example for HealthSummary {
    fn example() -> Self {
        Self {
            status: "ok".into(),
            service: "pushi".into(),
            version: "0.1.0".into(),
        }
    }
}

/// That the server is well enough for what was asked.
#[derive(Debug, Object)]
#[oai(rename = "Alive")]
pub struct Liveness {
    /// Always `ok`.
    #[oai(validator(pattern = "^ok$"))]
    pub status: String,
}

/// How everything together is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
pub enum OverallStatus {
    /// All is well.
    Ok,
    /// Something is not.
    Degraded,
}

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
pub enum CheckStatus {
    /// It is well.
    Ok,
    /// It cannot be reached.
    Error,
    /// It is being closed.
    Draining,
}

/// How the store is.
#[derive(Debug, Object)]
pub struct DatabaseHealth {
    pub status: CheckStatus,
    /// After how many milliseconds it answered; not there where it did not.
    #[oai(skip_serializing_if_is_none)]
    pub latency_ms: Option<f64>,
}

/// How the WebSocket side is.
#[derive(Debug, Object)]
pub struct WebSocketHealth {
    pub status: CheckStatus,
    /// Live connections of this node.
    pub connections: u64,
    /// Where it listens.
    #[oai(skip_serializing_if_is_none)]
    pub address: Option<String>,
}

/// How the bus between the nodes is.
#[derive(Debug, Object)]
pub struct BusState {
    pub status: CheckStatus,
}

/// What was looked at.
#[derive(Debug, Object)]
pub struct HealthChecks {
    pub database: DatabaseHealth,
    /// How the nodes hear each other; not there where a node is meant to be alone.
    #[oai(skip_serializing_if_is_none)]
    pub bus: Option<BusState>,
    pub websocket: WebSocketHealth,
}

/// How the server is, thing by thing.
#[derive(Debug, Object)]
pub struct DetailedHealth {
    pub status: OverallStatus,
    /// Always `pushi`.
    pub service: String,
    /// The server's version.
    pub version: String,
    /// When it was looked, in seconds since 1970.
    pub timestamp: f64,
    pub checks: HealthChecks,
}

/// The routes of health.
pub struct HealthRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Health")]
impl HealthRoutes {
    /// See that the server runs
    #[oai(path = "/health", method = "get", operation_id = "getHealth")]
    async fn health(&self) -> Result<JsonAnswer<HealthSummary>, Problem> {
        Ok(JsonAnswer::of(&HealthSummary {
            status: "ok".into(),
            service: "pushi".into(),
            version: self.0.rules.version.clone(),
        }))
    }

    /// See that the process lives
    #[oai(path = "/health/live", method = "get", operation_id = "getLiveness")]
    async fn live(&self) -> Result<JsonAnswer<Liveness>, Problem> {
        Ok(JsonAnswer::of(&Liveness {
            status: "ok".into(),
        }))
    }

    /// See whether the server takes traffic
    ///
    /// Answers 503 while the store is away, and from the beginning of a shutdown on.
    #[oai(path = "/health/ready", method = "get", operation_id = "getReadiness")]
    async fn ready(&self) -> Result<JsonAnswer<Liveness>, Problem> {
        if !self.0.rules.ready.load(Ordering::Acquire) {
            return Err(Problem::unavailable(
                "the server is stopping or has not started yet",
            ));
        }
        match self.0.service.health().await.store {
            Ok(_) => Ok(JsonAnswer::of(&Liveness {
                status: "ok".into(),
            })),
            Err(_) => Err(Problem::unavailable(
                "the store is unavailable: try again later",
            )),
        }
    }

    /// See how the server is, thing by thing
    ///
    /// On the first listener alone. Asks for the administrator's token unless the caller is on the same machine, without a proxy.
    #[oai(
        path = "/health/detailed",
        method = "get",
        operation_id = "getDetailedHealth"
    )]
    async fn detailed(
        &self,
        _watcher: OperationsAccess,
    ) -> Result<JsonAnswer<DetailedHealth>, Problem> {
        let rules = &self.0.rules;
        let health = self.0.service.health().await;
        let latency_ms = health
            .store
            .ok()
            .map(|latency| (latency * 1000.0).round() / 1000.0);
        let ready = rules.ready.load(Ordering::Acquire);
        let database = DatabaseHealth {
            status: if latency_ms.is_some() {
                CheckStatus::Ok
            } else {
                CheckStatus::Error
            },
            latency_ms,
        };
        let websocket = WebSocketHealth {
            status: if ready {
                CheckStatus::Ok
            } else {
                CheckStatus::Draining
            },
            connections: health.connections,
            address: rules.websocket_address.clone(),
        };
        let bus = match health.bus {
            BusHealth::SingleNode => None,
            BusHealth::Up => Some(BusState {
                status: CheckStatus::Ok,
            }),
            BusHealth::Down => Some(BusState {
                status: CheckStatus::Error,
            }),
        };
        let well = ready && latency_ms.is_some() && health.bus != BusHealth::Down;
        Ok(JsonAnswer::of(&DetailedHealth {
            status: if well {
                OverallStatus::Ok
            } else {
                OverallStatus::Degraded
            },
            service: "pushi".into(),
            version: rules.version.clone(),
            timestamp: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64(),
            checks: HealthChecks {
                database,
                bus,
                websocket,
            },
        }))
    }
}
