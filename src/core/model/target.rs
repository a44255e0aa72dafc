//! Notification targets of channels.

use super::channel::ChannelName;
use super::secret::Secret;
use super::time::Timestamp;

/// The kind of a notification target.
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
    /// All kinds with their names in a database of the original.
    pub const NAMES: [(Self, &'static str); 4] = [
        (Self::Web, "web"),
        (Self::WebPush, "webpush"),
        (Self::Apn, "apn"),
        (Self::Smtp, "smtp"),
    ];

    /// The name of the kind.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, name)| name)
    }
}

/// A target that receives the events of a channel. Targets are stored; notifications are not implemented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationTarget {
    /// The kind of the target.
    pub kind: TargetKind,
    /// A number that is unique among the app's targets of this kind.
    pub id: u64,
    /// The channel's name.
    pub channel: ChannelName,
    /// A URL, endpoint, device token or e-mail address. Secret: some of them give access to the target.
    pub address: Secret,
    /// Of a push endpoint: the browser's public key (RFC 8291).
    pub p256dh: Option<Secret>,
    /// Of a push endpoint: the browser's authentication secret (RFC 8291).
    pub auth: Option<Secret>,
    /// The time of creation.
    pub created: Timestamp,
}
