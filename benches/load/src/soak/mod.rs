//! `pushi-bench soak`: everything at once for a long time, and whether the server holds more and more.

mod back_end;
mod population;
mod run;
mod server;
mod trend;
mod truth;
mod webhook_receiver;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::back_end::BackEnd;
use self::population::Population;
use self::run::SoakRun;
use self::server::OwnServer;
use self::webhook_receiver::WebhookReceiver;
use crate::error::BenchError;
use crate::measure::process::listener;
use crate::measure::report::Report;
use crate::server_config::Required;
use crate::target::{TargetArgs, seconds};

/// Do everything at once for a long time: does memory or do descriptors grow, are all gauges true
///
/// Clients connect, subscribe, leave, are lost and all return at once; some read slowly until the server closes them; a back
/// end publishes and reads history; a receiver counts web hooks. Three times a minute everything pauses: the gauges of
/// /metrics and the members of presence channels are compared with what the generator knows, and the process is measured.
/// The run fails where one differs for --settle seconds, or where after a warm-up (a third of the time, at most 15 minutes)
/// memory or descriptors grow by more than 2 % an hour; a run of minutes has a tolerance of 8 MiB and 8 descriptors, one of
/// an hour of 1 MiB and 1 descriptor. It needs the id and the secret of an app, changes the web hooks of that app, and should be alone at
/// its server.
#[derive(clap::Args)]
pub(crate) struct Soak {
    /// How long to run
    #[arg(long, default_value_t = 60.0, value_parser = minutes, value_name = "N")]
    minutes: f64,
    /// Number of clients
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(20..=100_000), value_name = "N")]
    connections: u32,
    /// Start this binary of the server, with a new SQLite database, as the target
    #[arg(long, value_name = "PATH", conflicts_with_all = ["url", "rest", "pid"])]
    server: Option<PathBuf>,
    /// Seconds until the server must count what is true
    #[arg(long, default_value = "30", value_parser = seconds, value_name = "S")]
    settle: Duration,
    /// Leave web hooks out, for a server that may not call this machine
    #[arg(long)]
    no_webhooks: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().ok();
    let minutes = minutes.filter(|minutes| (0.05..=10_080.0).contains(minutes));
    minutes.ok_or_else(|| "it must be a number from 0.05 to 10080".to_owned())
}

impl Soak {
    /// # Errors
    ///
    /// The target is invalid or unreachable; the server grows, or counts wrongly.
    pub(crate) async fn run(&mut self) -> Result<Report, BenchError> {
        let server = self.server.as_deref().map(OwnServer::start).transpose()?;
        if let Some(server) = &server {
            let [websocket, rest] = server.urls.clone();
            (self.target.url, self.target.rest) = (Some(websocket), Some(rest));
            self.target.pid = Some(server.pid());
            self.target.config.set_app(server.app());
        }
        let target = self.target.target(None, true).await?;
        let all = Required {
            app_id: true,
            secret: true,
        };
        let credentials = self
            .target
            .config
            .credentials(Some(&target.protocol.key), all)?;
        let url = self.target.api_url(&target.url)?;
        let back_end = Arc::new(BackEnd::log_in(&url, self.target.insecure, &credentials).await?);
        let local = target.address.socket.ip().is_loopback();
        let pid = self.target.pid.or_else(|| {
            let port = target.address.socket.port();
            local.then(|| listener(port))?
        });
        let population = Population::new(target, self.connections, Arc::clone(&back_end))?;
        let receiver = match self.no_webhooks {
            true => None,
            false => Some(WebhookReceiver::start().await?),
        };
        let run = SoakRun::new(
            self,
            population,
            Arc::clone(&back_end),
            receiver.as_ref(),
            pid,
        );
        let work = tokio::spawn(Arc::clone(&back_end).work(population::public_channels()));
        let outcome = run.run().await;
        work.abort();
        if receiver.is_some() {
            // A server that has ended cannot be asked, and the outcome says why.
            let _ = back_end.set_webhook(None).await;
        }
        drop(server);
        outcome
    }
}
