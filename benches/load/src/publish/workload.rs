//! The flags that `fanout`, `latency` and `publish` share.

use std::time::Duration;

use crate::sequence_marker;
use crate::target::seconds;

/// The largest data of an event in bytes.
const MAX_BYTES: usize = 1 << 24;

/// What is published, where and how long.
#[derive(clap::Args)]
pub(crate) struct WorkloadArgs {
    /// Number of channels; subscribers and events are distributed over them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    pub(crate) channels: u32,
    /// Channel name, or with several channels its prefix [default: bench, or private-bench where
    /// Pusher clients publish]
    #[arg(long, value_name = "NAME")]
    pub(crate) channel: Option<String>,
    /// Further channels of each subscriber, which no other subscribes to
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) own_channels: u32,
    /// Bytes of an event's data
    #[arg(long, default_value_t = 64, value_parser = bytes)]
    pub(crate) bytes: usize,
    /// Store the events
    #[arg(long)]
    pub(crate) persist: bool,
    /// One in N subscribers does not read (0: all read)
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) slow: usize,
    /// How long to measure
    #[arg(long, default_value = "5", value_parser = seconds, value_name = "S")]
    pub(crate) seconds: Duration,
    /// Limit of published events
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000), value_name = "N")]
    pub(crate) messages: u32,
    /// Events published before the measurement
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) warm_up: u32,
    /// Count events as lost when nothing was delivered for this time
    #[arg(long, default_value = "5", value_parser = seconds, value_name = "S")]
    pub(crate) drain: Duration,
}

fn bytes(text: &str) -> Result<usize, String> {
    let bytes = text
        .parse()
        .ok()
        .filter(|bytes| (sequence_marker::LENGTH..=MAX_BYTES).contains(bytes));
    bytes.ok_or_else(|| {
        format!(
            "it must be a number from {} to {MAX_BYTES}",
            sequence_marker::LENGTH
        )
    })
}

impl WorkloadArgs {
    /// The names of the channels that are published to.
    pub(crate) fn channel_names(&self, pusher_clients_publish: bool) -> Vec<String> {
        let default = if pusher_clients_publish {
            "private-bench"
        } else {
            "bench"
        };
        let name = self.channel.as_deref().unwrap_or(default);
        match self.channels {
            1 => vec![name.to_owned()],
            many => (0..many).map(|number| format!("{name}-{number}")).collect(),
        }
    }
}
