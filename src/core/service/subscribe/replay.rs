//! The past events in the answer to a subscribe request.

use super::{Subscribe, SubscribeError, Subscribed};
use crate::core::hub::Connection;
use crate::core::model::{App, ChannelName};
use crate::core::ports::DialectId;
use crate::core::service::Service;
use crate::core::service::replay::{ReplayedEvents, Since};

impl Service {
    /// The events that the request asks for.
    pub(in crate::core::service) async fn replay_for(
        &self,
        app: &App,
        connection: &Connection,
        subscribe: &Subscribe,
    ) -> Result<Subscribed, SubscribeError> {
        let since = match &subscribe.since {
            None if connection.dialect() == DialectId::Pusher => {
                return self
                    .default_replay(app, connection, &subscribe.channel)
                    .await;
            }
            None => return Ok(Subscribed::default()),
            Some(Since::Now) => None,
            Some(Since::Serial(serial)) => Some(*serial),
            Some(Since::Each(_)) => return Err(SubscribeError::Since),
        };
        let channel = &subscribe.channel;
        let reader = self.reader(connection);
        let ReplayedEvents {
            events,
            recovered,
            serial,
            more,
            permit,
            ..
        } = self
            .replay(&app.ident, channel, since, subscribe.paging, reader)
            .await?;
        Ok(Subscribed {
            events,
            recovered: Some((recovered, serial)),
            more,
            covered: vec![(channel.clone(), serial)],
            behind: more.then(|| channel.clone()).into_iter().collect(),
            permit,
            ..Subscribed::default()
        })
    }

    /// The events that a Pusher client receives without a `since`: by the app's `replay` setting, or the last event of a cache
    /// channel.
    async fn default_replay(
        &self,
        app: &App,
        connection: &Connection,
        channel: &ChannelName,
    ) -> Result<Subscribed, SubscribeError> {
        let mut subscribed = Subscribed::default();
        if let Some(count) = app.settings.replay_of(channel) {
            let limit = usize::try_from(self.rules.limits.replay)
                .ok()
                .filter(|limit| *limit != 0)
                .unwrap_or(usize::MAX);
            let count = limit.min(count as usize);
            let ReplayedEvents {
                events,
                serial,
                permit,
                ..
            } = self
                .newest(&app.ident, channel, count, self.reader(connection))
                .await?;
            subscribed.events = events;
            subscribed.permit = permit;
            subscribed.covered.push((channel.clone(), serial));
        }
        if subscribed.events.is_empty() && channel.is_cache() {
            subscribed.cached = Some(self.cached_for(app, connection, channel).await?);
        }
        Ok(subscribed)
    }
}
