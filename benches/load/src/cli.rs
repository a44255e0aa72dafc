//! The command line.

use crate::bare::Bare;
use crate::error::BenchError;
use crate::idle::Idle;
use crate::presence::Presence;
use crate::publish::{Pacing, PublishRun, WorkloadArgs};
use crate::soak::Soak;
use crate::storm::Storm;
use crate::target::{TargetArgs, Via};

/// Load a realtime server and measure it
///
/// Loads any server that speaks the Pushi or the Pusher protocol: the one at --url, or the one that
/// the configuration of the server in this folder describes (environment and .env). The generator
/// uses one thread; where "generator, cores" is near 1.00, the generator was the limit. Use it only
/// against your own servers.
#[derive(clap::Parser)]
#[command(name = "pushi-bench", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Idle(Idle),
    Fanout(Fanout),
    Latency(Latency),
    Publish(Publish),
    Presence(Presence),
    Storm(Storm),
    Soak(Soak),
    Bare(Bare),
}

/// Publish as fast as events are delivered: deliveries per second
#[derive(clap::Args)]
struct Fanout {
    /// Number of subscribers
    #[arg(long, default_value_t = 1000, value_name = "N")]
    subscribers: usize,
    /// How events are published
    #[arg(long, value_enum, default_value_t = Via::Websocket)]
    via: Via,
    /// Number of publishers
    #[arg(long, default_value_t = 1, value_name = "N")]
    publishers: usize,
    /// Limit of published events that are not delivered yet
    #[arg(long, default_value_t = 16, value_name = "N")]
    window: usize,
    #[command(flatten)]
    workload: WorkloadArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// Publish at a constant rate: latency of deliveries
#[derive(clap::Args)]
struct Latency {
    /// Number of subscribers
    #[arg(long, default_value_t = 1000, value_name = "N")]
    subscribers: usize,
    /// How events are published
    #[arg(long, value_enum, default_value_t = Via::Websocket)]
    via: Via,
    /// Number of publishers
    #[arg(long, default_value_t = 1, value_name = "N")]
    publishers: usize,
    /// Events per second; the latency of a delivery counts from the time at which the event was due
    #[arg(long, default_value_t = 20.0, value_parser = rate, value_name = "N")]
    rate: f64,
    #[command(flatten)]
    workload: WorkloadArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// Publish over HTTP as a back end does: publishes per second
///
/// Each connection has one request in flight. With subscribers, the number of events that are not
/// delivered yet is limited to the number of connections; --via websocket does the same with
/// clients, for comparison.
#[derive(clap::Args)]
struct Publish {
    /// Number of subscribers
    #[arg(long, default_value_t = 0, value_name = "N")]
    subscribers: usize,
    /// How events are published
    #[arg(long, value_enum, default_value_t = Via::Events)]
    via: Via,
    /// Number of publishing connections
    #[arg(long, default_value_t = 16, value_name = "N")]
    connections: usize,
    #[command(flatten)]
    workload: WorkloadArgs,
    #[command(flatten)]
    target: TargetArgs,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.01..=1e6).contains(rate));
    rate.ok_or_else(|| "it must be a number from 0.01 to 1000000".to_owned())
}

impl Cli {
    /// Runs the command and returns the text for standard output.
    ///
    /// # Errors
    ///
    /// The server is unreachable or rejects what the command needs.
    pub(crate) async fn run(self) -> Result<String, BenchError> {
        let (report, json) = match self.command {
            Command::Idle(idle) => (idle.run().await?, idle.target.json),
            Command::Fanout(args) => {
                let run = PublishRun {
                    target: &args.target,
                    workload: &args.workload,
                    subscribers: args.subscribers,
                    via: args.via,
                    publishers: args.publishers,
                    pacing: Pacing::Window(args.window.max(1)),
                };
                (run.run("fanout").await?, args.target.json)
            }
            Command::Latency(args) => {
                let run = PublishRun {
                    target: &args.target,
                    workload: &args.workload,
                    subscribers: args.subscribers,
                    via: args.via,
                    publishers: args.publishers,
                    pacing: Pacing::Rate(args.rate),
                };
                (run.run("latency").await?, args.target.json)
            }
            Command::Publish(args) => {
                let run = PublishRun {
                    target: &args.target,
                    workload: &args.workload,
                    subscribers: args.subscribers,
                    via: args.via,
                    publishers: args.connections,
                    pacing: Pacing::Window(args.connections),
                };
                (run.run("publish").await?, args.target.json)
            }
            Command::Presence(presence) => (presence.run().await?, presence.target.json),
            Command::Storm(storm) => (storm.run().await?, storm.target.json),
            Command::Soak(mut soak) => {
                let report = soak.run().await?;
                (report, soak.target.json)
            }
            Command::Bare(bare) => return bare.run().await,
        };
        Ok(if json { report.json() } else { report.table() })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn no_two_flags_clash() {
        Cli::command().debug_assert();
    }
}
