//! What is published to whom: the flags that the publishing benches share.

use std::time::Duration;

use crate::cli::bench::aim::seconds;
use crate::cli::bench::mark;

/// How much, and for how long.
#[derive(clap::Args)]
pub struct Shape {
    /// Channels, over which subscribers and publishes are spread
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    pub channels: u32,
    /// The channel, or the beginning of their names [default: bench, or private-bench where Pusher clients publish]
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// Channels that each subscriber is on besides, alone
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub own_channels: u32,
    /// Bytes of an event's data
    #[arg(long, default_value_t = 64, value_parser = bytes)]
    pub bytes: usize,
    /// Have the events stored
    #[arg(long)]
    pub persist: bool,
    /// One in so many subscribers reads nothing (0: all read)
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub slow: usize,
    /// How long to measure
    #[arg(long, default_value = "5", value_parser = seconds, value_name = "S")]
    pub seconds: Duration,
    /// Publish no more than so many
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000), value_name = "N")]
    pub messages: u32,
    /// Publishes that go before and do not count
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub warm_up: u32,
    /// Give up what has not come when nothing comes for so long
    #[arg(long, default_value = "5", value_parser = seconds, value_name = "S")]
    pub drain: Duration,
}

fn bytes(text: &str) -> Result<usize, String> {
    let bytes = text
        .parse()
        .ok()
        .filter(|bytes| (mark::LENGTH..=1 << 24).contains(bytes));
    bytes.ok_or_else(|| format!("it must be a number from {} to {}", mark::LENGTH, 1 << 24))
}

impl Shape {
    /// The names of the channels that are published to.
    pub fn names(&self, by_pusher_clients: bool) -> Vec<String> {
        let usual = if by_pusher_clients {
            "private-bench"
        } else {
            "bench"
        };
        let name = self.channel.as_deref().unwrap_or(usual);
        match self.channels {
            1 => vec![name.to_owned()],
            many => (0..many).map(|number| format!("{name}-{number}")).collect(),
        }
    }
}
