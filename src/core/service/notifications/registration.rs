//! The registration for which a target gets a notification.

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelKind, ChannelName, NotificationTarget, QueuedEvent, Secret, TargetFilter,
    TargetKind,
};
use crate::core::ports::TargetStore;

/// The registrations of an address that are searched for one of a user.
const MAX_OF_ADDRESS: usize = 100;

/// The target of a direct message, which needs no registration.
pub(super) fn unregistered(
    kind: TargetKind,
    address: &str,
    event: &QueuedEvent,
) -> NotificationTarget {
    NotificationTarget {
        kind,
        id: 0,
        channel: event.channel.clone(),
        address: Secret::new(address),
        p256dh: None,
        auth: None,
        away: None,
        digest: None,
        created: event.at,
    }
}

/// A registration of the address; `None`: it has none any more. Of an e-mail address the one for which it gets the events of the
/// channel, since a recipient can end it: that of the channel, else one of a user, else any.
pub(super) async fn registration(
    targets: &dyn TargetStore,
    app: &AppIdent,
    kind: TargetKind,
    address: &str,
    channel: &ChannelName,
) -> Result<Option<NotificationTarget>, StorageError> {
    let mut filter = TargetFilter {
        address: Some(Secret::new(address)),
        channel: None,
    };
    if kind != TargetKind::Smtp {
        return Ok(targets.list_targets(app, kind, &filter, 0, 1).await?.pop());
    }
    filter.channel = Some(channel.clone());
    let of_channel = targets.list_targets(app, kind, &filter, 0, 1).await?;
    if !of_channel.is_empty() {
        return Ok(of_channel.into_iter().next());
    }
    filter.channel = None;
    let all = targets
        .list_targets(app, kind, &filter, 0, MAX_OF_ADDRESS)
        .await?;
    let of_user = |target: &&NotificationTarget| target.channel.kind() == ChannelKind::Personal;
    Ok(all.iter().find(of_user).or(all.first()).cloned())
}
