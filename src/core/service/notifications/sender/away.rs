//! Whether the user of a target has received an event.

use std::collections::BTreeSet;
use std::time::Duration;

use super::NotificationSender;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelKind, ChannelName, Claim, DigestWindow, Notification, NotificationTarget,
    QueuedEvent, Secret, TargetFilter, TargetKind, Timestamp, UserId,
};
use crate::core::ports::Nodes;

/// The shortest time between two looks at the connections of a user. Each time is twice the one before, so that the delay of a
/// day has about 17.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// The registrations of one target that are read.
const REGISTRATIONS: usize = 100;

/// What is to be done with a notification for a user who may be away.
pub(super) enum Decision {
    Send,
    /// It is sent in a digest.
    Collect(DigestWindow),
    /// The user has received the event, or another registration of the target sends it.
    Drop(&'static str),
    LookAgain(Timestamp),
}

impl NotificationSender {
    /// Decides about the oldest notification of an away address.
    pub(super) async fn decide(
        &self,
        claim: &Claim,
        (event, notification): (&QueuedEvent, &Notification),
        now: Timestamp,
    ) -> Result<Decision, StorageError> {
        let Some((kind, address)) = TargetKind::of_outbox_address(&claim.address) else {
            return Ok(Decision::Send);
        };
        let filter = TargetFilter {
            address: Some(Secret::new(address)),
            channel: None,
        };
        let targets = &self.stores.targets;
        let registered = targets.list_targets(&claim.app, kind, &filter, 0, REGISTRATIONS);
        let registered = registered.await?;
        let digests = registered.iter().filter_map(|one| one.digest);
        let mut elsewhere: BTreeSet<String> = digests
            .map(|window| kind.digest_address(address, window))
            .collect();
        elsewhere.insert(kind.outbox_address(address));
        if self.is_known_to(claim, &elsewhere, notification).await? {
            return Ok(Decision::Drop(
                "another registration of the target sends it",
            ));
        }
        let send = |target: &NotificationTarget| match target.digest {
            None => Decision::Send,
            Some(window) => Decision::Collect(window),
        };
        let of_channel = |one: &&NotificationTarget| one.channel == event.channel;
        let mut conditions: Vec<_> = registered.iter().filter(of_channel).collect();
        if conditions.is_empty() {
            let personal = |one: &&NotificationTarget| one.channel.kind() == ChannelKind::Personal;
            conditions = registered.iter().filter(personal).collect();
        }
        let mut again: Option<Timestamp> = None;
        let mut is_received = false;
        for target in conditions {
            let Some(away) = &target.away else {
                return Ok(send(target));
            };
            let personal = target.channel.personal_user();
            let Some(user) = away.user.clone().or(personal) else {
                return Ok(send(target));
            };
            if self.has_received(&claim.app, &user, &event.channel).await {
                is_received = true;
                continue;
            }
            let end = event.at.plus(away.delay);
            if end <= now {
                return Ok(send(target));
            }
            let pause = FIRST_LOOK.max(Duration::from_micros(waited(event.at, now)));
            let look = now.plus(pause).min(end);
            again = Some(again.map_or(look, |again| again.min(look)));
        }
        Ok(match again {
            Some(at) => Decision::LookAgain(at),
            None if is_received => Decision::Drop("its user has received the event"),
            None => Decision::Send,
        })
    }

    /// Whether a connection of the user is on the channel now. Where the other nodes cannot be asked, none is.
    async fn has_received(&self, app: &AppIdent, user: &UserId, channel: &ChannelName) -> bool {
        let Nodes {
            roster, presence, ..
        } = &self.nodes;
        if roster.is_on(app, user, channel).await.unwrap_or(false) {
            return true;
        }
        // A member of a presence channel need not be signed in.
        if channel.kind() != ChannelKind::Presence {
            return false;
        }
        let members = presence.members(app, channel).await;
        members.is_ok_and(|members| members.iter().any(|member| member.user_id == *user))
    }
}

fn waited(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.micros().saturating_sub(since.micros())).unwrap_or(0)
}
