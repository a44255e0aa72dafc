//! Personal channels: all persistent subscriptions of a user (its aliases), as one subscription.

use super::Service;
use super::history::EventQuery;
use super::replay::{ReplayedEvents, Since};
use super::subscribe::{Subscribe, SubscribeError, Subscribed};
use crate::core::hub::{AliasMember, Connection, ReleasedChannels, SubscribedVia};
use crate::core::model::{App, ChannelKind, ChannelName, Event, UserId};
use crate::core::ports::DialectId;

/// The events of the inbox in the answer to a personal subscription.
const INBOX: usize = 10;

/// The most channels that a user may follow, about 2 MB of names at most: a bound for the answer and for the connection.
const MAX_ALIASES: usize = 10_000;

/// The bytes of a channel's name in an answer besides its text, about.
const NAME_BYTES: usize = 8;

impl Service {
    pub(super) async fn subscribe_personal(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
        member: Option<AliasMember>,
        left: &mut Vec<ChannelName>,
    ) -> Result<Subscribed, SubscribeError> {
        let Some(user) = subscribe.channel.personal_user() else {
            return Ok(Subscribed::default());
        };
        self.join_channel(
            app,
            connection,
            &subscribe.channel,
            SubscribedVia::Client,
            None,
        )
        .await?;
        let alias = self
            .update_aliases(
                app,
                connection,
                &subscribe.channel,
                &user,
                member.clone(),
                left,
            )
            .await?;
        let mut subscribed = self
            .join_aliases(app, connection, alias, member.as_ref(), false)
            .await?;
        let names = subscribed.alias.iter();
        let bytes = names.map(|name| NAME_BYTES + name.as_str().len()).sum();
        subscribed.names_permit = self.acquire_names(&app.ident, bytes).await?;
        match &subscribe.since {
            _ if connection.dialect() == DialectId::Pusher => {
                let replayed = self.replay_for(app, connection, subscribe).await?;
                subscribed = Subscribed {
                    alias: subscribed.alias,
                    versions: subscribed.versions,
                    names_permit: subscribed.names_permit,
                    ..replayed
                };
            }
            None => {
                let query = EventQuery::Inbox { user, skip: 0 };
                let page = self
                    .page(&app.ident, &query, INBOX, self.reader(connection))
                    .await?;
                (subscribed.events, subscribed.permit) = (page.events, page.permit);
            }
            Some(since) => {
                self.replay_each(app, connection, subscribe, since, &mut subscribed)
                    .await?
            }
        }
        Ok(subscribed)
    }

    /// Reads the user's persistent subscriptions and leaves the channels of those that have ended.
    async fn update_aliases(
        &self,
        app: &App,
        connection: &Connection,
        personal: &ChannelName,
        user: &UserId,
        member: Option<AliasMember>,
        left: &mut Vec<ChannelName>,
    ) -> Result<Vec<ChannelName>, SubscribeError> {
        let mut alias = self
            .ports
            .stores
            .subscriptions
            .channels_of(&app.ident, user, MAX_ALIASES + 1)
            .await?;
        if alias.len() > MAX_ALIASES {
            return Err(SubscribeError::Aliases(MAX_ALIASES));
        }
        // A database of the original may name users' channels, which are for their users only.
        alias.retain(|channel| channel.kind() != ChannelKind::User);
        let released = connection.set_aliases(personal, &alias, member);
        self.release_aliases(connection, released, left).await;
        Ok(alias)
    }

    async fn release_aliases(
        &self,
        connection: &Connection,
        released: ReleasedChannels,
        left: &mut Vec<ChannelName>,
    ) {
        for channel in &released.released {
            self.unsubscribe_via(connection, channel, SubscribedVia::Personal, left)
                .await;
        }
        for channel in &released.shared {
            self.update_alias_member(connection, channel).await;
        }
    }

    /// Subscribes to the aliases. With `new_only`, those that are subscribed to already stay as they are.
    async fn join_aliases(
        &self,
        app: &App,
        connection: &Connection,
        alias: Vec<ChannelName>,
        member: Option<&AliasMember>,
        new_only: bool,
    ) -> Result<Subscribed, SubscribeError> {
        let member = member.and_then(|member| member.counts(app));
        let mut versions = Vec::new();
        for channel in &alias {
            let subscription = connection.subscription(channel);
            if new_only && subscription.as_ref().is_some_and(|known| known.personal) {
                continue;
            }
            // A subscription of the client itself defines the member.
            let joins = channel.kind() == ChannelKind::Presence
                && !subscription.is_some_and(|subscription| subscription.client);
            let member = member.filter(|_| joins);
            match self
                .join_channel(app, connection, channel, SubscribedVia::Personal, member)
                .await
            {
                Ok(Some(joined)) => versions.push((channel.clone(), joined.version)),
                Ok(None) if member.is_none() => self.update_alias_member(connection, channel).await,
                // On a full presence channel the connection still receives events; the other aliases must not fail because of it.
                Ok(None) | Err(SubscribeError::Members(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Subscribed {
            alias,
            versions,
            ..Subscribed::default()
        })
    }

    /// Applies a change of the user's persistent subscriptions to a connection and returns the new answer; `None`: the
    /// connection is not subscribed to the personal channel any more. Channels that it left are added to `left`.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub async fn refresh_personal(
        &self,
        connection: &Connection,
        personal: &ChannelName,
        left: &mut Vec<ChannelName>,
    ) -> Result<Option<Subscribed>, SubscribeError> {
        let Some(user) = personal.personal_user() else {
            return Ok(None);
        };
        if !connection
            .subscription(personal)
            .is_some_and(|subscription| subscription.client)
        {
            return Ok(None);
        }
        let app = connection.app();
        let member = connection.personal_member(personal);
        let alias = self
            .update_aliases(&app, connection, personal, &user, member.clone(), left)
            .await?;
        self.join_aliases(&app, connection, alias, member.as_ref(), true)
            .await
            .map(Some)
    }

    /// The missed events of the personal channel and its aliases. They share the bytes of one answer: with paging, the
    /// channels that have no room follow in the next page; without, they are not recovered.
    async fn replay_each(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
        since: &Since,
        subscribed: &mut Subscribed,
    ) -> Result<(), SubscribeError> {
        let channels = std::iter::once(&subscribe.channel).chain(&subscribed.alias);
        let mut wanted: Vec<(ChannelName, Option<u64>)> = match since {
            Since::Now => vec![(subscribe.channel.clone(), None)],
            Since::Serial(serial) => vec![(subscribe.channel.clone(), Some(*serial))],
            Since::Each(each) => channels
                .filter_map(|channel| {
                    each.iter()
                        .find(|(named, _)| named == channel)
                        .map(|(named, serial)| (named.clone(), Some(*serial)))
                })
                .collect(),
        };
        if !wanted
            .iter()
            .any(|(channel, _)| *channel == subscribe.channel)
        {
            wanted.push((subscribe.channel.clone(), None));
        }
        let channels: Vec<ChannelName> = wanted.iter().map(|(name, _)| name.clone()).collect();
        let heads = self.heads(&app.ident, &channels).await?;
        let mut reader = self.reader(connection);
        let is_missing = |((_, after), head): (&(ChannelName, Option<u64>), &u64)| {
            after.is_some_and(|after| after != *head)
        };
        let mut permit = None;
        if wanted.iter().zip(&heads).any(is_missing) {
            permit = self.acquire(&app.ident, reader, reader.bytes).await?;
        }
        reader.acquired = true;
        let room = reader.bytes;
        let mut all = true;
        let mut events: Vec<Event> = Vec::new();
        let mut own = 0;
        for ((channel, after), head) in wanted.into_iter().zip(heads) {
            let found = if reader.bytes > 0 || after.is_none_or(|after| after == head) {
                self.replay_upto(&app.ident, &channel, after, head, subscribe.paging, reader)
                    .await?
            } else {
                ReplayedEvents {
                    recovered: subscribe.paging,
                    more: subscribe.paging,
                    serial: after.filter(|_| subscribe.paging).unwrap_or(head),
                    events: Vec::new(),
                    bytes: 0,
                    permit: None,
                }
            };
            reader.bytes = reader.bytes.saturating_sub(found.bytes);
            all &= found.recovered;
            events.extend(found.events);
            if channel == subscribe.channel {
                own = found.serial;
            }
            if found.more {
                reader.bytes = 0;
                subscribed.behind.push(channel.clone());
            }
            subscribed.covered.push((channel, found.serial));
        }
        events.sort_by_key(|event| event.position.id);
        if let Some(permit) = &mut permit {
            permit.shrink_to(room - reader.bytes);
        }
        subscribed.events = events;
        subscribed.permit = permit;
        subscribed.recovered = Some((all, own));
        subscribed.more = !subscribed.behind.is_empty();
        Ok(())
    }

    /// Leaves the channels that only this personal channel subscribed to.
    pub(super) async fn remove_aliases(
        &self,
        connection: &Connection,
        personal: &ChannelName,
        left: &mut Vec<ChannelName>,
    ) {
        self.release_aliases(
            connection,
            connection.set_aliases(personal, &[], None),
            left,
        )
        .await;
    }
}
