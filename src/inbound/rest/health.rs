//! Health and readiness.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use poem_openapi::{Enum, Object, OpenApi};

use super::RestContext;
use super::answer::JsonAnswer;
use super::problem::Problem;
use super::security::OperationsAccess;
use super::tags::Section;
use crate::core::ports::BusHealth;
use crate::core::service::{NOTIFICATION_KINDS, RefusedCredentials};

/// The server and its version.
#[derive(Debug, Object)]
#[oai(example, rename = "Health")]
pub(super) struct HealthSummary {
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
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// The answer of a successful probe.
#[derive(Debug, Object)]
#[oai(rename = "Alive")]
pub(super) struct Liveness {
    /// Always `ok`.
    #[oai(validator(pattern = "^ok$"))]
    pub status: String,
}

/// The answer of a successful readiness probe.
#[derive(Debug, Object)]
#[oai(rename = "Ready")]
pub(super) struct Readiness {
    /// Always `ok`.
    #[oai(validator(pattern = "^ok$"))]
    pub status: String,
    /// Whether the server accepts traffic: always true.
    pub ready: bool,
}

/// The state of the server or of one of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
pub(super) enum CheckStatus {
    /// The part works; of the server: every check succeeded.
    Ok,
    /// Of the server: at least one check failed.
    Degraded,
    /// The server is stopping.
    Draining,
    /// The dependency is unreachable.
    Error,
}

/// The state of the store.
#[derive(Debug, Object)]
pub(super) struct DatabaseHealth {
    pub status: CheckStatus,
    /// Response time in milliseconds; absent if the store did not answer.
    #[oai(skip_serializing_if_is_none)]
    pub latency_ms: Option<f64>,
    /// Number of apps; absent if the store did not answer.
    #[oai(skip_serializing_if_is_none)]
    pub app_count: Option<u64>,
    /// A description of the fault; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    pub error: Option<String>,
}

/// The state of the WebSocket edge.
#[derive(Debug, Object)]
pub(super) struct WebSocketHealth {
    pub status: CheckStatus,
    /// Number of live connections on this node.
    pub connections: u64,
    /// Number of frames that this node has sent since its start.
    pub messages_sent: u64,
    /// The address for clients; absent if it is unknown.
    #[oai(skip_serializing_if_is_none)]
    pub address: Option<String>,
}

/// The state of the bus between nodes.
#[derive(Debug, Object)]
pub(super) struct BusState {
    pub status: CheckStatus,
}

/// The states of the parts of the server.
#[derive(Debug, Object)]
pub(super) struct HealthChecks {
    pub database: DatabaseHealth,
    // Absent on a single node.
    #[oai(skip_serializing_if_is_none)]
    pub bus: Option<BusState>,
    pub websocket: WebSocketHealth,
    pub publish_rows: RowsHealth,
    pub handlers: HandlersHealth,
}

/// The state of the rows that applications insert into `pushi_publish`: `degraded` where one has waited for more than 30 seconds,
/// `error` where they cannot be read.
#[derive(Debug, Object)]
pub(super) struct RowsHealth {
    pub status: CheckStatus,
    /// Time for which the oldest row has waited, in seconds.
    pub lag_seconds: f64,
    /// Number of rows that this node could not publish since its start; they are in `pushi_publish_failed`.
    pub failed: u64,
    /// Why the last of these could not be published; absent if there are none.
    #[oai(skip_serializing_if_is_none)]
    pub last_reason: Option<String>,
    /// A description of the fault; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    pub error: Option<String>,
}

/// The state of notifications, kind by kind.
#[derive(Debug, Object)]
pub(super) struct HandlersHealth {
    pub status: CheckStatus,
    /// The kinds of targets; empty if notifications are switched off.
    pub handlers: Vec<HandlerHealth>,
    /// A description of the fault; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    pub error: Option<String>,
}

/// The state of the notifications of one kind of targets.
#[derive(Debug, Object)]
pub(super) struct HandlerHealth {
    /// The kind: `web`, `web_push`, `email` or `apn`.
    pub name: String,
    pub status: CheckStatus,
    pub stats: HandlerStats,
    /// Whose credentials this node has seen refused, and why; absent if there are none.
    #[oai(skip_serializing_if_is_none)]
    pub error: Option<String>,
}

/// Numbers of a kind of targets.
#[derive(Debug, Object)]
pub(super) struct HandlerStats {
    /// Number of registrations of all apps; absent if the store did not answer.
    #[oai(skip_serializing_if_is_none)]
    pub subscription_count: Option<u64>,
}

/// The state of every part of the server.
#[derive(Debug, Object)]
pub(super) struct DetailedHealth {
    pub status: CheckStatus,
    /// Always `pushi`.
    pub service: String,
    /// The server's version.
    pub version: String,
    /// Time of the check, in seconds since 1970.
    pub timestamp: f64,
    pub checks: HealthChecks,
}

/// The routes of health.
pub(super) struct HealthRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Health")]
impl HealthRoutes {
    /// Check that the server runs
    ///
    /// Always succeeds while the process answers; it does not check the store.
    #[oai(path = "/health", method = "get", operation_id = "getHealth")]
    async fn health(&self) -> Result<JsonAnswer<HealthSummary>, Problem> {
        Ok(JsonAnswer::of(&HealthSummary {
            status: "ok".into(),
            service: "pushi".into(),
            version: self.0.rules.version.clone(),
        }))
    }

    /// Check that the process is alive
    ///
    /// The liveness probe: it does not check the store.
    #[oai(path = "/health/live", method = "get", operation_id = "getLiveness")]
    async fn live(&self) -> Result<JsonAnswer<Liveness>, Problem> {
        Ok(JsonAnswer::of(&Liveness {
            status: "ok".into(),
        }))
    }

    /// Check whether the server accepts traffic
    ///
    /// The readiness probe: 503 before the start has finished, while the store is unavailable, and from the start of a shutdown.
    #[oai(path = "/health/ready", method = "get", operation_id = "getReadiness")]
    async fn ready(&self) -> Result<JsonAnswer<Readiness>, Problem> {
        if !self.0.rules.ready.load(Ordering::Acquire) {
            return Err(Problem::unavailable(
                "the server is stopping or has not started yet",
            ));
        }
        match self.0.service.health().await.store {
            Ok(_) => Ok(JsonAnswer::of(&Readiness {
                status: "ok".into(),
                ready: true,
            })),
            Err(_) => Err(Problem::unavailable(
                "the store is unavailable: try again later",
            )),
        }
    }

    /// Get the state of every part of the server
    ///
    /// Served only by the REST listener. Requires the administrator's token, unless the request comes from the same machine without a
    /// proxy.
    #[oai(
        path = "/health/detailed",
        method = "get",
        operation_id = "getDetailedHealth"
    )]
    async fn detailed(
        &self,
        _watcher: OperationsAccess,
    ) -> Result<JsonAnswer<DetailedHealth>, Problem> {
        Ok(JsonAnswer::of(&self.detailed_health().await))
    }
}

impl HealthRoutes {
    /// The state of this node's parts.
    pub(super) async fn detailed_health(&self) -> DetailedHealth {
        let rules = &self.0.rules;
        let health = self.0.service.health().await;
        let latency_ms = health
            .store
            .ok()
            .map(|latency| (latency * 1000.0).round() / 1000.0);
        let ready = rules.ready.load(Ordering::Acquire);
        let app_count = match latency_ms {
            Some(_) => self.0.service.app_count().await.ok(),
            None => None,
        };
        let error = match app_count {
            None => Some("the store does not answer"),
            Some(_) => match self.0.service.check_writable().await {
                Ok(()) => None,
                Err(_) => Some("the store takes no writes: is its disk full, or is it read-only?"),
            },
        };
        let database = DatabaseHealth {
            status: if error.is_none() {
                CheckStatus::Ok
            } else {
                CheckStatus::Error
            },
            latency_ms,
            app_count,
            error: error.map(Into::into),
        };
        let websocket = WebSocketHealth {
            status: if ready {
                CheckStatus::Ok
            } else {
                CheckStatus::Draining
            },
            connections: health.connections,
            messages_sent: health.frames_sent,
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
        let handlers = self.handlers().await;
        let well = ready && error.is_none() && health.bus != BusHealth::Down;
        DetailedHealth {
            status: if well {
                CheckStatus::Ok
            } else {
                CheckStatus::Degraded
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
                publish_rows: self.publish_rows(),
                handlers,
            },
        }
    }

    fn publish_rows(&self) -> RowsHealth {
        /// A row that waits for longer needs attention.
        const MAX_LAG: Duration = Duration::from_secs(30);
        let state = self.0.service.row_state();
        let (status, error) = if !state.enabled {
            let off = "rows are not published: PUSHI_SQL_PUBLISH is 0";
            (CheckStatus::Ok, Some(off))
        } else if state.unavailable {
            let error = "rows cannot be read: the store does not answer";
            (CheckStatus::Error, Some(error))
        } else if state.lag > MAX_LAG {
            let error = "rows wait for longer than 30 seconds";
            (CheckStatus::Degraded, Some(error))
        } else {
            (CheckStatus::Ok, None)
        };
        RowsHealth {
            status,
            lag_seconds: state.lag.as_secs_f64(),
            failed: state.rejected,
            last_reason: state.last_reason,
            error: error.map(Into::into),
        }
    }

    async fn handlers(&self) -> HandlersHealth {
        let service = &self.0.service;
        if !service.rules().notifications.enabled {
            return HandlersHealth {
                status: CheckStatus::Ok,
                handlers: Vec::new(),
                error: Some("notifications are switched off by PUSHI_HANDLERS=0".into()),
            };
        }
        let mut handlers = Vec::new();
        for kind in NOTIFICATION_KINDS {
            let count = service.count_targets(kind).await;
            let refused = service.refused_credentials(kind);
            handlers.push(HandlerHealth {
                name: kind.label().into(),
                status: match (&count, &refused) {
                    (Err(_), _) => CheckStatus::Error,
                    (Ok(_), Some(_)) => CheckStatus::Degraded,
                    (Ok(_), None) => CheckStatus::Ok,
                },
                error: refused.map(|refused| {
                    let RefusedCredentials { app, reason, apps } = refused;
                    format!("notifications wait for other credentials: {reason} (app {app}; {apps} in all)")
                }),
                stats: HandlerStats {
                    subscription_count: count.ok(),
                },
            });
        }
        let is_ok = |handler: &HandlerHealth| handler.status == CheckStatus::Ok;
        HandlersHealth {
            status: match handlers.iter().all(is_ok) {
                true => CheckStatus::Ok,
                false => CheckStatus::Degraded,
            },
            handlers,
            error: None,
        }
    }
}
