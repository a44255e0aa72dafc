//! Notification targets: one kind a file, over common operations.

mod apn;
mod dto;
mod path;
mod smtp;
mod web;
mod web_push;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub(super) use self::apn::ApnTargetRoutes;
pub(super) use self::path::encode_raw_address;
pub(super) use self::smtp::EmailTargetRoutes;
pub(super) use self::web::WebTargetRoutes;
pub(super) use self::web_push::WebPushTargetRoutes;
use super::RestContext;
use super::answer::AnswerBody;
use super::body::Fields;
use super::list::{self, ListPage};
use super::local::is_loopback_name;
use super::params::{Param, TargetAuth, Whole, YesNo};
use super::problem::Problem;
use super::publication::read_channel;
use super::settings::is_web_address;
use crate::core::model::{
    Away, ChannelName, DigestWindow, NewTarget, Secret, TargetFilter, TargetKind, UserId,
};
use crate::core::service::{AppSession, RegisterTarget};

/// The most registrations in one answer.
const MOST: u64 = 10_000;

/// Registrations that are read at once.
const PAGE: usize = 500;

/// The operations of one kind of targets.
struct Targets<'a> {
    rest: &'a Arc<RestContext>,
    kind: TargetKind,
}

/// The registrations that a list has.
struct Listed {
    address: Option<String>,
    event: Option<String>,
    count: Option<Param<Whole>>,
    after: Option<Param<Whole>>,
}

impl Targets<'_> {
    fn channel(&self, name: &str) -> Result<ChannelName, Problem> {
        read_channel(name, &self.rest.service.rules().limits)
    }

    /// The condition of a registration: `when`, `delay` and `user_id`.
    fn away<T>(&self, body: &Fields<T>, channel: &ChannelName) -> Result<Option<Away>, Problem> {
        let bad = Problem::bad_request;
        let (delay, user) = (body.optional("delay")?, body.optional("user_id")?);
        match body.optional("when")?.as_deref() {
            Some("away") => {}
            None | Some("always") if delay.is_none() && user.is_none() => return Ok(None),
            None | Some("always") => {
                return Err(bad("delay and user_id need \"when\": \"away\""));
            }
            Some(_) => return Err(bad("when must be always or away")),
        }
        let delay = match delay {
            None => Duration::ZERO,
            Some(text) => Away::parse_delay(&text).ok_or_else(|| {
                bad("delay must be whole seconds, minutes or hours up to 24h, such as 30s")
            })?,
        };
        let user = match user {
            None => None,
            Some(text) => Some(UserId::parse(&text).ok_or_else(|| {
                bad("user_id must have 1 to 200 characters without control characters")
            })?),
        };
        if user.is_none() && channel.personal_user().is_none() {
            return Err(bad(
                "\"when\": \"away\" needs a user_id, unless the channel is personal-<user>",
            ));
        }
        Ok(Some(Away { delay, user }))
    }

    /// The window of a registration's digests.
    fn digest<T>(&self, body: &Fields<T>) -> Result<Option<DigestWindow>, Problem> {
        let bad = Problem::bad_request;
        let Some(text) = body.optional("digest")? else {
            return Ok(None);
        };
        if self.kind != TargetKind::Smtp {
            return Err(bad("digest is for e-mail addresses only"));
        }
        let window = DigestWindow::parse(&text).ok_or_else(|| {
            bad("digest must be whole seconds, minutes or hours from 1s to 24h, such as 15m")
        })?;
        Ok(Some(window))
    }

    /// Refuses a text that is no address of a web hook or a push service, or one in a private network. Names are resolved, and
    /// checked, when messages are sent. The addresses of push services begin with `https` unless private ones are allowed.
    fn check_web_address(&self, name: &str, address: &str) -> Result<(), Problem> {
        let must = |what: &str| Problem::bad_request(format!("{name} must be {what}"));
        let parsed = Url::parse(address).ok().filter(|_| is_web_address(address));
        let Some(parsed) = parsed else {
            return Err(must(
                "an http:// or https:// address without credentials and spaces",
            ));
        };
        let Some(is_public) = self.rest.rules.is_public else {
            return Ok(());
        };
        let host = parsed.host_str().unwrap_or_default();
        let is_loopback = is_loopback_name(host.trim_end_matches('.'));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>().ok();
        if is_loopback || address.is_some_and(|address| !is_public(address)) {
            return Err(Problem::bad_request(format!(
                "{name} is in a private network; PUSHI_WEBHOOK_ALLOW_PRIVATE=1 allows it"
            )));
        }
        if self.kind == TargetKind::WebPush && parsed.scheme() != "https" {
            return Err(must("an https:// address"));
        }
        Ok(())
    }

    /// Registers a target, and answers its record.
    async fn create(
        &self,
        session: &AppSession,
        target: NewTarget,
        auth: Option<Param<TargetAuth>>,
        only: Option<Param<YesNo>>,
    ) -> Result<String, Problem> {
        let request = RegisterTarget {
            target,
            auth: auth.map(|auth| auth.0),
            only: only.is_some_and(|only| only.0),
        };
        let service = &self.rest.service;
        let registered = service.register_target(&session.app, request).await?;
        Ok(dto::record(&session.app.ident, &registered))
    }

    async fn list(&self, session: &AppSession, listed: Listed) -> Result<AnswerBody, Problem> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let filter = TargetFilter {
            address: given(listed.address).map(Secret::new),
            channel: given(listed.event)
                .map(|event| self.channel(&event))
                .transpose()?,
        };
        let count = listed.count.map_or(MOST, |count| count.0.min(MOST));
        let after = listed.after.map_or(0, |after| after.0);
        let (service, kind) = (Arc::clone(&self.rest.service), self.kind);
        let app = session.app.ident.clone();
        let pages = list::pages((after, count), move |(after, left)| {
            let (service, app, filter) = (Arc::clone(&service), app.clone(), filter.clone());
            async move {
                let wanted = usize::try_from(left).map_or(PAGE, |left| left.min(PAGE));
                let found = match wanted {
                    0 => Vec::new(),
                    _ => {
                        service
                            .list_targets(&app, kind, &filter, after, wanted)
                            .await?
                    }
                };
                let left = left - wanted as u64;
                let is_last = found.len() < wanted || left == 0;
                let after = found.last().map_or(after, |last| last.id);
                let items = found.iter().map(|found| dto::record(&app, found));
                Ok((ListPage::new(items, is_last), (after, left)))
            }
        });
        let of_app = Some((&*self.rest.service, &session.app.ident));
        list::body(of_app, "{\"subscriptions\":[", pages, "]}").await
    }

    /// Removes one registration, and answers its record.
    async fn delete_one(
        &self,
        session: &AppSession,
        address: &str,
        event: &str,
        force: Option<Param<YesNo>>,
    ) -> Result<String, Problem> {
        let (app, channel) = (&session.app.ident, self.channel(event)?);
        let removed = self
            .rest
            .service
            .remove_targets(app, self.kind, address, Some(&channel))
            .await?;
        match removed.first() {
            Some(removed) => Ok(dto::record(app, removed)),
            None if force.is_some_and(|force| force.0) => Err(Problem::not_found(
                "the target is not registered for this channel",
            )),
            None => Ok("{\"result\":\"success\"}".to_owned()),
        }
    }

    /// Removes all registrations of an address, and answers their records.
    async fn delete_all(&self, session: &AppSession, address: &str) -> Result<String, Problem> {
        let app = &session.app.ident;
        let removed = self
            .rest
            .service
            .remove_targets(app, self.kind, address, None)
            .await?;
        let records: Vec<String> = removed
            .iter()
            .map(|removed| dto::record(app, removed))
            .collect();
        Ok(format!("{{\"subscriptions\":[{}]}}", records.join(",")))
    }
}
