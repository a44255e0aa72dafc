//! Notification targets of channels.

use super::away::Away;
use super::channel::ChannelName;
use super::digest_window::DigestWindow;
use super::secret::Secret;
use super::time::Timestamp;

/// What follows the label of a kind and a hyphen in an away address, and in that of a digest, there before the seconds of its window.
const AWAY: &str = "away";
const DIGEST: &str = "digest";

/// How a target is sent what waits in one of its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetQueue {
    /// One notification after the other.
    Single,
    /// Only if its user is away.
    Away,
    /// Those of a window together.
    Digest(DigestWindow),
}

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

    /// The name of the kind for people, and in front of its addresses in the outbox.
    pub fn label(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::WebPush => "web_push",
            Self::Apn => "apn",
            Self::Smtp => "email",
        }
    }

    /// From [`TargetKind::label`].
    pub fn from_label(label: &str) -> Option<Self> {
        let kinds = Self::NAMES.iter().map(|(kind, _)| *kind);
        kinds.into_iter().find(|kind| kind.label() == label)
    }

    /// The address of a target in the outbox. No web hook of an app has such an address: those begin with `http`.
    pub fn outbox_address(self, address: &str) -> String {
        [self.label(), ":", address].concat()
    }

    /// The address in the outbox of what a target receives only if its user is away: it waits, and delays nothing else.
    pub fn away_address(self, address: &str) -> String {
        [self.label(), "-", AWAY, ":", address].concat()
    }

    /// The address in the outbox of what a target receives together at the end of a window.
    pub fn digest_address(self, address: &str, window: DigestWindow) -> String {
        format!("{}-{DIGEST}{}:{address}", self.label(), window.seconds())
    }

    /// The kind and the target of an address in the outbox; `None`: it is that of a web hook of an app.
    pub fn of_outbox_address(address: &str) -> Option<(Self, &str)> {
        let (kind, _, target) = Self::queue_of(address)?;
        Some((kind, target))
    }

    /// The kind, the queue and the target of an address in the outbox; `None`: it is that of a web hook of an app.
    pub fn queue_of(address: &str) -> Option<(Self, TargetQueue, &str)> {
        let (label, target) = address.split_once(':')?;
        let (label, queue) = match label.split_once('-') {
            None => (label, TargetQueue::Single),
            Some((label, AWAY)) => (label, TargetQueue::Away),
            Some((label, digest)) => {
                let seconds = digest.strip_prefix(DIGEST)?.parse().ok()?;
                (
                    label,
                    TargetQueue::Digest(DigestWindow::of_seconds(seconds)?),
                )
            }
        };
        Some((Self::from_label(label)?, queue, target))
    }
}

/// A registration that is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTarget {
    /// The kind of the target.
    pub kind: TargetKind,
    /// The channel's name.
    pub channel: ChannelName,
    /// See [`NotificationTarget::address`].
    pub address: Secret,
    /// See [`NotificationTarget::p256dh`].
    pub p256dh: Option<Secret>,
    /// See [`NotificationTarget::auth`].
    pub auth: Option<Secret>,
    /// See [`NotificationTarget::away`].
    pub away: Option<Away>,
    /// See [`NotificationTarget::digest`].
    pub digest: Option<DigestWindow>,
}

impl NewTarget {
    /// Whether it takes the place of a registration of the same browser: of one with the same key and an older endpoint, or with the
    /// same endpoint and older keys. Messages for those reach nobody.
    pub fn replaces(&self, other: &NotificationTarget) -> bool {
        let same_endpoint = self.address == other.address;
        let same_key = self.p256dh == other.p256dh;
        self.kind == TargetKind::WebPush
            && other.kind == TargetKind::WebPush
            && match same_endpoint {
                true => !same_key || self.auth != other.auth,
                false => same_key,
            }
    }

    /// The stored registration.
    pub fn registered(self, id: u64, created: Timestamp) -> NotificationTarget {
        NotificationTarget {
            kind: self.kind,
            id,
            channel: self.channel,
            address: self.address,
            p256dh: self.p256dh,
            auth: self.auth,
            away: self.away,
            digest: self.digest,
            created,
        }
    }
}

/// Which registrations of a kind are meant; `None`: any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetFilter {
    /// The address.
    pub address: Option<Secret>,
    /// The channel.
    pub channel: Option<ChannelName>,
}

impl TargetFilter {
    /// Whether it means this registration.
    pub fn matches(&self, target: &NotificationTarget) -> bool {
        let address = self.address.as_ref();
        let channel = self.channel.as_ref();
        address.is_none_or(|address| *address == target.address)
            && channel.is_none_or(|channel| *channel == target.channel)
    }
}

/// The registration of a target for the events of a channel.
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
    /// `None`: it is always notified.
    pub away: Option<Away>,
    /// Of an e-mail address: for how long its events are collected for one mail; `None`: each has its own.
    pub digest: Option<DigestWindow>,
    /// The time of creation.
    pub created: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_the_outbox_name_the_kind_and_the_queue() {
        let (email, window) = (TargetKind::Smtp, DigestWindow::parse("15m").unwrap());
        for (address, queue) in [
            (email.outbox_address("a@b"), TargetQueue::Single),
            (email.away_address("a@b"), TargetQueue::Away),
            (
                email.digest_address("a@b", window),
                TargetQueue::Digest(window),
            ),
        ] {
            let expected = Some((email, queue, "a@b"));
            assert_eq!(TargetKind::queue_of(&address), expected, "{address}");
        }
        for other in [
            "https://a.example",
            "email-digest:a@b",
            "email-digest0:a@b",
            "email-digest90000:a@b",
            "email-later:a@b",
            "fax:1",
            "email",
        ] {
            assert_eq!(TargetKind::queue_of(other), None, "{other}");
        }
    }
}
