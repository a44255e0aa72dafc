//! Publishes whose notification targets are to be notified.

use std::sync::Arc;

use super::app::AppIdent;
use super::delivery::Attempt;
use super::event::Event;
use super::target::TargetKind;
use super::time::Timestamp;

/// A stored event whose targets are not all in the outbox yet, claimed by a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePublish {
    /// The name of the node, unique in the cluster.
    pub holder: Arc<str>,
    /// The app of the event.
    pub app: AppIdent,
    /// The event.
    pub event: Event,
    /// Shared by the events of one publish.
    pub publish: Arc<str>,
    /// Where the node before stopped; `None`: nothing is done.
    pub cursor: Option<String>,
}

/// That the targets of a stored event are not all in the outbox yet, for a copy of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMark {
    /// The number of the event.
    pub event: u64,
    /// See [`DuePublish::publish`].
    pub publish: Arc<str>,
    /// See [`DuePublish::cursor`].
    pub cursor: Option<String>,
}

/// The state of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationState {
    /// It waits for its first attempt, or the next one.
    Waiting,
    /// It was given up.
    Failed,
    /// The target accepted it.
    Done,
}

impl NotificationState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Failed, Self::Done];

    /// The name of the state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    /// From [`NotificationState::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Which notifications of an app are listed; `None`: any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// The kind of the target.
    pub kind: Option<TargetKind>,
    /// The state.
    pub state: Option<NotificationState>,
}

/// A notification of one target, as the log shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedNotification {
    /// A number that is unique among those that wait, and among the others.
    pub id: u64,
    /// The kind of the target.
    pub kind: TargetKind,
    /// The channel's name.
    pub channel: String,
    /// The event's name.
    pub event: String,
    /// The target's address in the outbox.
    pub address: Arc<str>,
    /// The state.
    pub state: NotificationState,
    /// The attempts so far: of one that waits, the failed ones since the target's last success.
    pub attempts: u64,
    /// The result of the last attempt.
    pub last: Attempt,
    /// The time of the next attempt, of one that waits.
    pub next_attempt: Option<Timestamp>,
    /// The time of the event.
    pub created: Timestamp,
}

impl LoggedNotification {
    /// Its id for people: those that wait have numbers of their own.
    pub fn shown_id(&self) -> String {
        match self.state {
            NotificationState::Waiting => format!("w{}", self.id),
            NotificationState::Failed | NotificationState::Done => format!("e{}", self.id),
        }
    }

    /// The state and the number of a shown id, of one that can be replayed.
    pub fn parse_shown_id(id: &str) -> Option<(NotificationState, u64)> {
        let waiting = id
            .strip_prefix('w')
            .map(|id| (NotificationState::Waiting, id));
        let ended = id
            .strip_prefix('e')
            .map(|id| (NotificationState::Failed, id));
        let (state, number) = waiting.or(ended)?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| is_number)?;
        Some((state, number))
    }

    /// The target, enough to recognise it but not to use it: the host or domain, and a few characters.
    pub fn shown_target(&self) -> String {
        let address =
            TargetKind::of_outbox_address(&self.address).map_or("", |(_, address)| address);
        shortened(self.kind, address)
    }
}

fn shortened(kind: TargetKind, address: &str) -> String {
    let ends = |text: &str| {
        let characters: Vec<char> = text.chars().collect();
        let tail: String = match characters.len() {
            0..12 => String::new(),
            length => characters.iter().skip(length - 4).collect(),
        };
        format!("…{tail}")
    };
    match kind {
        TargetKind::Web | TargetKind::WebPush => {
            let path = address.match_indices('/').nth(2).map(|(at, _)| at);
            match path.map(|at| address.split_at(at)) {
                Some((origin, path)) => format!("{origin}/{}", ends(path)),
                None => address.to_owned(),
            }
        }
        TargetKind::Smtp => match address.split_once('@') {
            Some((name, domain)) => {
                let first: String = name.chars().take(1).collect();
                format!("{first}…@{domain}")
            }
            None => ends(address),
        },
        TargetKind::Apn => ends(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shortened() {
        let web = |address| shortened(TargetKind::Web, address);
        assert_eq!(
            web("https://hooks.example/services/T000/B000/secret"),
            "https://hooks.example/…cret"
        );
        assert_eq!(web("https://a.example/hook"), "https://a.example/…");
        assert_eq!(web("http://a.example:80"), "http://a.example:80");
        assert_eq!(shortened(TargetKind::Smtp, "ann@b.example"), "a…@b.example");
        assert_eq!(shortened(TargetKind::Apn, &"ab12".repeat(16)), "…ab12");
    }

    #[test]
    fn ids_tell_the_waiting_from_the_others() {
        let parse = LoggedNotification::parse_shown_id;
        assert_eq!(parse("w7"), Some((NotificationState::Waiting, 7)));
        assert_eq!(parse("e7"), Some((NotificationState::Failed, 7)));
        for id in ["", "7", "w", "wx", "x7", "w-1", "w+1"] {
            assert_eq!(parse(id), None, "{id}");
        }
    }
}
