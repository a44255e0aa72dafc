//! Who else is notified of a channel.

use super::channel::ChannelName;
use super::secret::Secret;
use super::time::Timestamp;

/// How a target is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKind {
    /// A webhook.
    Web,
    /// A browser's push endpoint.
    WebPush,
    /// An Apple device.
    Apn,
    /// An e-mail address.
    Smtp,
}

impl TargetKind {
    /// Every one, with the name by which the original keeps it.
    pub const NAMES: [(Self, &'static str); 4] = [
        (Self::Web, "web"),
        (Self::WebPush, "webpush"),
        (Self::Apn, "apn"),
        (Self::Smtp, "smtp"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, name)| name)
    }
}

/// Who else is notified of a channel. Targets are kept; notifying them is later work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How it is reached.
    pub kind: TargetKind,
    /// A number unique in the app among those of its kind.
    pub id: u64,
    /// The channel.
    pub channel: ChannelName,
    /// A URL, endpoint, device token or e-mail address. Whoever knows some of them can use them.
    pub address: Secret,
    /// Of a push endpoint: the browser's public key (RFC 8291).
    pub p256dh: Option<Secret>,
    /// Of a push endpoint: the browser's authentication secret (RFC 8291).
    pub auth: Option<Secret>,
    /// When it was made.
    pub created: Timestamp,
}
