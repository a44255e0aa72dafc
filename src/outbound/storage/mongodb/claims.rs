//! Values that only one app may have. The original has indexes on them that are not unique, so each is a document.

use std::time::Duration;

use mongodb::bson::doc;

use super::fault::{classify, is_duplicate};
use super::{MongoStore, Outcome, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Timestamp};

/// A claim of an app that is not there after so long was left by a node that died: creating takes seconds at most.
const ABANDONED: Duration = Duration::from_secs(60);

/// What can be claimed: as the app's document names it, and as an error names it.
#[derive(Clone, Copy)]
pub(super) struct Claimable(pub &'static str);

pub(super) const IDENT: Claimable = Claimable("ident");
pub(super) const KEY: Claimable = Claimable("key");

impl MongoStore {
    /// Claims a value for an app; `Conflict` where another app has it, or is about to.
    pub(super) async fn claim(
        &self,
        what: Claimable,
        text: &str,
        app: &AppIdent,
        now: Timestamp,
    ) -> Outcome<()> {
        let Claimable(member) = what;
        let taken = || StorageError::Conflict(member);
        // The original's apps claimed nothing.
        let other = doc! { member: text, "ident": { "$ne": app.as_str() } };
        let same = doc! { "ident": text };
        if self
            .collections
            .apps
            .find_one(if member == IDENT.0 { same } else { other })
            .await
            .map_err(classify)?
            .is_some()
        {
            return Err(taken());
        }
        let name = format!("{member}/{text}");
        let claim = doc! { "_id": &name, "ident": app.as_str(), "at": now.micros() };
        match self.collections.claims.insert_one(claim.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) if !is_duplicate(&error) => return Err(classify(error)),
            Err(_) => {}
        }
        let there = self
            .collections
            .claims
            .find_one(doc! { "_id": &name })
            .await
            .map_err(classify)?
            .ok_or_else(taken)?;
        let mine = member != IDENT.0 && value::text(&there, "ident")? == app.as_str();
        let since = Timestamp::from_micros(value::int(&there, "at")?);
        if mine {
            return Ok(());
        }
        if since.plus(ABANDONED) > now {
            return Err(taken());
        }
        // Of several that find it abandoned, the first changes what the others look for.
        let moved = self
            .collections
            .claims
            .replace_one(doc! { "_id": name, "at": since.micros() }, claim)
            .await
            .map_err(classify)?;
        if moved.matched_count == 1 {
            Ok(())
        } else {
            Err(taken())
        }
    }

    /// Gives a claim up.
    pub(super) async fn unclaim(
        &self,
        Claimable(member): Claimable,
        text: &str,
        app: &AppIdent,
    ) -> Outcome<()> {
        let claim = doc! { "_id": format!("{member}/{text}"), "ident": app.as_str() };
        self.collections
            .claims
            .delete_one(claim)
            .await
            .map(drop)
            .map_err(classify)
    }
}
