//! `pushi bench`: loads a server, this one or another that speaks a dialect of ours, and measures.

mod aim;
mod bare;
mod crowd;
mod fan;
mod idle;
mod mark;
mod measure;
mod presence;
mod storm;
mod wire;

use self::aim::{Aim, Via};
use self::fan::{Fan, Pace, Shape};
use super::failure::Failure;

/// Load a server, and measure
///
/// Any server that speaks Pushi or Pusher, at its address, or the one of this configuration. One thread; where its share of a
/// core is near 1, it was the limit. Do not load what is not yours.
#[derive(clap::Args)]
pub struct Bench {
    #[command(subcommand)]
    command: Kind,
}

#[derive(clap::Subcommand)]
enum Kind {
    Idle(idle::Idle),
    Fanout(Fanout),
    Latency(Latency),
    Publish(Publish),
    Presence(presence::Presence),
    Storm(storm::Storm),
    Bare(bare::Bare),
}

/// Publish as fast as it is delivered: how many deliveries a second
#[derive(clap::Args)]
struct Fanout {
    /// Clients on the channels
    #[arg(long, default_value_t = 1000, value_name = "N")]
    subscribers: usize,
    /// Who publishes
    #[arg(long, value_enum, default_value_t = Via::Websocket)]
    via: Via,
    /// How many publish
    #[arg(long, default_value_t = 1, value_name = "N")]
    publishers: usize,
    /// Publishes that are on their way at once
    #[arg(long, default_value_t = 16, value_name = "N")]
    window: usize,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    aim: Aim,
}

/// Publish at a steady rate: how long a delivery takes
#[derive(clap::Args)]
struct Latency {
    /// Clients on the channels
    #[arg(long, default_value_t = 1000, value_name = "N")]
    subscribers: usize,
    /// Who publishes
    #[arg(long, value_enum, default_value_t = Via::Websocket)]
    via: Via,
    /// How many publish
    #[arg(long, default_value_t = 1, value_name = "N")]
    publishers: usize,
    /// Publishes a second; a delivery's time counts from when its publish was due
    #[arg(long, default_value_t = 20.0, value_parser = rate, value_name = "N")]
    rate: f64,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    aim: Aim,
}

/// Publish as a back end does: how many a second
///
/// Each connection has one request under way. With subscribers, no more publishes are on their way to them than there are
/// connections; --via websocket is the same by clients, to compare.
#[derive(clap::Args)]
struct Publish {
    /// Clients on the channels
    #[arg(long, default_value_t = 0, value_name = "N")]
    subscribers: usize,
    /// Who publishes
    #[arg(long, value_enum, default_value_t = Via::Events)]
    via: Via,
    /// Connections that publish
    #[arg(long, default_value_t = 16, value_name = "N")]
    connections: usize,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    aim: Aim,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.01..=1e6).contains(rate));
    rate.ok_or_else(|| "it must be a number from 0.01 to 1000000".to_owned())
}

impl Bench {
    pub async fn run(self) -> Result<String, Failure> {
        let (report, json) = match self.command {
            Kind::Idle(idle) => (idle.run().await?, idle.aim.json),
            Kind::Fanout(Fanout {
                subscribers,
                via,
                publishers,
                window,
                shape,
                aim,
            }) => {
                let pace = Pace::Window(window.max(1));
                (
                    Fan {
                        aim: &aim,
                        shape: &shape,
                        subscribers,
                        via,
                        publishers,
                        pace,
                    }
                    .run("fanout")
                    .await?,
                    aim.json,
                )
            }
            Kind::Latency(Latency {
                subscribers,
                via,
                publishers,
                rate,
                shape,
                aim,
            }) => {
                let pace = Pace::Rate(rate);
                (
                    Fan {
                        aim: &aim,
                        shape: &shape,
                        subscribers,
                        via,
                        publishers,
                        pace,
                    }
                    .run("latency")
                    .await?,
                    aim.json,
                )
            }
            Kind::Publish(Publish {
                subscribers,
                via,
                connections,
                shape,
                aim,
            }) => {
                let pace = Pace::Window(connections);
                (
                    Fan {
                        aim: &aim,
                        shape: &shape,
                        subscribers,
                        via,
                        publishers: connections,
                        pace,
                    }
                    .run("publish")
                    .await?,
                    aim.json,
                )
            }
            Kind::Presence(presence) => (presence.run().await?, presence.aim.json),
            Kind::Bare(bare) => return bare.run().await,
            Kind::Storm(storm) => (storm.run().await?, storm.aim.json),
        };
        Ok(if json { report.json() } else { report.table() })
    }
}
