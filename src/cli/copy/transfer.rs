//! Copies what is not there yet, page by page.

use indicatif::{ProgressBar, ProgressStyle};

use crate::core::error::StorageError;
use crate::core::model::{App, ChannelName, SubscriptionFilter, TargetKind};
use crate::core::ports::CreateApp;
use crate::outbound::storage::Stores;

/// So many are read at a time.
pub const PAGE: usize = 500;

type Outcome<T> = Result<T, StorageError>;

/// A copy that is being made.
pub struct Transfer<'a> {
    source: &'a Stores,
    target: &'a Stores,
    /// On a terminal alone; counts serials.
    bar: ProgressBar,
}

/// All apps of a store.
pub async fn all_apps(stores: &Stores) -> Outcome<Vec<App>> {
    let mut apps: Vec<App> = Vec::new();
    loop {
        let page = stores.apps.list(apps.last().map_or(0, |app| app.id), PAGE).await?;
        if page.is_empty() {
            return Ok(apps);
        }
        apps.extend(page);
    }
}

/// All channels of an app that ever held an event, with their heads.
pub async fn all_channels(stores: &Stores, app: &App) -> Outcome<Vec<(ChannelName, u64)>> {
    let mut channels: Vec<(ChannelName, u64)> = Vec::new();
    loop {
        let page = stores.archive.channels(&app.ident, channels.last().map(|(name, _)| name), PAGE).await?;
        if page.is_empty() {
            return Ok(channels);
        }
        channels.extend(page);
    }
}

impl<'a> Transfer<'a> {
    pub async fn new(source: &'a Stores, target: &'a Stores, apps: &[App]) -> Outcome<Self> {
        let mut serials = 0;
        for app in apps {
            serials += all_channels(source, app).await?.iter().map(|(_, head)| head).sum::<u64>();
        }
        let bar = ProgressBar::new(serials);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} events, {eta} left") {
            bar.set_style(style);
        }
        Ok(Self { source, target, bar })
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Copies an app with everything that belongs to it.
    pub async fn app(&self, app: &App) -> Outcome<()> {
        self.bar.set_message(app.ident.to_string());
        self.app_itself(app).await?;
        for (channel, head) in all_channels(self.source, app).await? {
            self.events(app, &channel, head).await?;
        }
        self.subscriptions(app).await?;
        self.cached(app).await?;
        self.targets(app).await
    }

    async fn app_itself(&self, app: &App) -> Outcome<()> {
        let there = match self.target.apps.by_ident(&app.ident).await? {
            // Another app of the same name: nothing of this one may be mixed with it.
            Some(there) if there.key != app.key || there.created != app.created => return Err(StorageError::Conflict("ident")),
            Some(there) => there,
            None => {
                let create = CreateApp {
                    ident: app.ident.clone(),
                    name: app.name.clone(),
                    description: app.description.clone(),
                    key: app.key.clone(),
                    secret: app.secret.clone(),
                    push: app.push.clone(),
                    settings: app.settings.clone(),
                    now: app.created,
                };
                self.target.apps.create(create).await?
            }
        };
        let wanted = App { id: there.id, ..app.clone() };
        if wanted == there { Ok(()) } else { self.target.apps.update(&wanted, there.modified).await }
    }

    async fn events(&self, app: &App, channel: &ChannelName, head: u64) -> Outcome<()> {
        let newest = self.target.events.history(&app.ident, channel, None, 1).await?;
        let mut after = newest.first().map_or(0, |event| event.position.serial);
        self.bar.inc(after.min(head));
        loop {
            let page = self.source.events.replay(&app.ident, channel, after, head, PAGE).await?;
            let Some(last) = page.last().map(|event| event.position.serial) else { break };
            self.target.archive.put_events(&app.ident, channel, last, &page).await?;
            self.bar.inc(last - after);
            after = last;
        }
        self.bar.inc(head.saturating_sub(after));
        self.target.archive.put_events(&app.ident, channel, head, &[]).await
    }

    async fn subscriptions(&self, app: &App) -> Outcome<()> {
        let mut after = 0;
        loop {
            let page = self.source.subscriptions.list(&app.ident, &SubscriptionFilter::default(), after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            self.target.archive.put_subscriptions(&app.ident, &page, &[]).await?;
        }
        let mut after = None;
        loop {
            let users = self.source.archive.former_subscribers(&app.ident, after.as_ref(), PAGE).await?;
            for user in &users {
                let intervals = self.source.archive.intervals(&app.ident, user).await?;
                self.target.archive.put_subscriptions(&app.ident, &[], &intervals).await?;
            }
            after = users.into_iter().next_back();
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn cached(&self, app: &App) -> Outcome<()> {
        let mut after = None;
        loop {
            let page = self.source.archive.cached(&app.ident, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.channel.clone());
            self.target.cache.keep(&page).await?;
        }
    }

    async fn targets(&self, app: &App) -> Outcome<()> {
        for (kind, _) in TargetKind::NAMES {
            let mut after = 0;
            loop {
                let page = self.source.archive.targets(&app.ident, kind, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.id;
                self.target.archive.put_targets(&app.ident, &page).await?;
            }
        }
        Ok(())
    }
}
