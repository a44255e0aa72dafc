//! The workload that the server and the bare drivers share.

/// The app of all publishes.
pub(crate) const APP: &str = "bench";

/// The data of every event: 64 bytes.
pub(crate) const DATA: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Numbers of concurrent publishers.
pub(crate) const PUBLISHERS: [usize; 3] = [1, 16, 256];

/// Number of channels that are published to.
pub(crate) const CHANNELS: usize = 16;

/// The channel with exactly [`REPLAY_EVENTS`] events.
pub(crate) const REPLAY_CHANNEL: &str = "replayed";

/// Number of events of a replay.
pub(crate) const REPLAY_EVENTS: u64 = 1000;

/// The user with the inbox.
pub(crate) const USER: &str = "ann";

/// Number of channels that the user subscribes to.
pub(crate) const SUBSCRIBED_CHANNELS: usize = 1000;

/// Number of events of an inbox page, as in the response to a subscription.
pub(crate) const PAGE: u64 = 10;
