//! Personal channels: what one user follows, as one subscription.

use super::Service;
use super::history::{Replay, Since};
use super::subscribe::{ChannelData, Subscribe, SubscribeError, Subscribed};
use crate::core::hub::{Connection, Hold};
use crate::core::model::{App, ChannelKind, ChannelName, Event, UserId};
use crate::core::ports::DialectId;

/// How many events of the inbox the answer to a personal subscription holds.
const INBOX: usize = 10;

impl Service {
    pub(super) async fn subscribe_personal(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
    ) -> Result<Subscribed, SubscribeError> {
        let Some(user) = subscribe.channel.personal_user() else { return Ok(Subscribed::default()) };
        self.enter(app, connection, &subscribe.channel, Hold::Direct, None).await?;
        let mut subscribed = self.follow(app, connection, &subscribe.channel, &user, subscribe.channel_data.as_ref()).await?;
        match &subscribe.since {
            _ if connection.dialect() == DialectId::Pusher => {
                let Subscribed { events, recovered, covered, .. } = self.replayed(app, connection, subscribe).await?;
                subscribed = Subscribed { events, recovered, covered, ..subscribed };
            }
            None => subscribed.events = self.ports.events.inbox(&app.ident, &user, 0, INBOX).await?,
            Some(since) => self.replay_each(app, subscribe, since, &mut subscribed).await?,
        }
        Ok(subscribed)
    }

    /// Joins what the user follows now and leaves what it does not any more.
    async fn follow(
        &self,
        app: &App,
        connection: &Connection,
        personal: &ChannelName,
        user: &UserId,
        data: Option<&ChannelData>,
    ) -> Result<Subscribed, SubscribeError> {
        let mut alias = self.ports.subscriptions.channels_of(&app.ident, user).await?;
        // A database of the original may name what only its user may hear.
        alias.retain(|channel| channel.kind() != ChannelKind::User);
        for channel in connection.set_aliases(personal, &alias) {
            self.give_up(connection, &channel, Hold::Alias, &mut Vec::new()).await;
        }
        let mut versions = Vec::new();
        for channel in &alias {
            let member = match channel.kind() {
                ChannelKind::Presence => data.and_then(ChannelData::member),
                _ => None,
            };
            match self.enter(app, connection, channel, Hold::Alias, member.as_ref()).await {
                Ok(Some(joined)) => versions.push((channel.clone(), joined.version)),
                // A full presence channel is heard all the same; it is no reason to lose the others.
                Ok(None) | Err(SubscribeError::Members(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Subscribed { alias, versions, ..Subscribed::default() })
    }

    /// After the user's persistent subscriptions changed: joins and leaves, and answers what the client is told; `None`
    /// where the connection is not on the personal channel any more.
    pub async fn refresh_personal(
        &self,
        connection: &Connection,
        personal: &ChannelName,
        data: Option<&ChannelData>,
    ) -> Result<Option<Subscribed>, SubscribeError> {
        let Some(user) = personal.personal_user() else { return Ok(None) };
        if !connection.place(personal).is_some_and(|place| place.direct) {
            return Ok(None);
        }
        self.follow(&connection.app(), connection, personal, &user, data).await.map(Some)
    }

    async fn replay_each(
        &self,
        app: &App,
        subscribe: &Subscribe,
        since: &Since,
        subscribed: &mut Subscribed,
    ) -> Result<(), SubscribeError> {
        let channels = std::iter::once(&subscribe.channel).chain(&subscribed.alias);
        let mut wanted: Vec<(ChannelName, Option<u64>)> = match since {
            Since::Now => vec![(subscribe.channel.clone(), None)],
            Since::Serial(serial) => vec![(subscribe.channel.clone(), Some(*serial))],
            Since::Each(each) => channels
                .filter_map(|channel| each.iter().find(|(named, _)| named == channel).map(|(named, serial)| (named.clone(), Some(*serial))))
                .collect(),
        };
        if !wanted.iter().any(|(channel, _)| *channel == subscribe.channel) {
            wanted.push((subscribe.channel.clone(), None));
        }
        let mut all = true;
        let mut events: Vec<Event> = Vec::new();
        let mut own = 0;
        for (channel, after) in wanted {
            let Replay { events: found, recovered, serial } = self.replay(&app.ident, &channel, after).await?;
            all &= recovered;
            events.extend(found);
            if channel == subscribe.channel {
                own = serial;
            }
            subscribed.covered.push((channel, serial));
        }
        events.sort_by_key(|event| event.position.id);
        subscribed.events = events;
        subscribed.recovered = Some((all, own));
        Ok(())
    }

    /// Leaves what only this personal channel held.
    pub(super) async fn drop_aliases(&self, connection: &Connection, personal: &ChannelName, left: &mut Vec<ChannelName>) {
        for channel in connection.set_aliases(personal, &[]) {
            self.give_up(connection, &channel, Hold::Alias, left).await;
        }
    }
}
