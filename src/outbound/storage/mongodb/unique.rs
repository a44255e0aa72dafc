//! Reservations of values that must be unique across apps. The original's indexes on these fields are not unique, so each
//! value is reserved by a document.

use std::time::Duration;

use mongodb::bson::doc;

use super::error::{classify, is_duplicate};
use super::{MongoStore, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Timestamp};
use crate::outbound::storage::StorageResult;

/// After this time a reservation without an app is abandoned: creating an app takes a few seconds at most.
const RESERVATION_EXPIRY: Duration = Duration::from_secs(60);

/// A unique field, by its name in the app's document and in errors.
#[derive(Clone, Copy)]
pub(super) struct UniqueField(pub &'static str);

pub(super) const IDENT: UniqueField = UniqueField("ident");
pub(super) const KEY: UniqueField = UniqueField("key");
/// The right to create the first app, which no document has as a field.
pub(super) const FIRST: UniqueField = UniqueField("first");

impl MongoStore {
    /// Reserves a value for an app; `Conflict` if another app has it or has reserved it.
    pub(super) async fn reserve_unique(
        &self,
        field: UniqueField,
        text: &str,
        app: &AppIdent,
        now: Timestamp,
    ) -> StorageResult<()> {
        let UniqueField(member) = field;
        let taken = || StorageError::Conflict(member);
        // Apps of the original have no reservations.
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
        let existing = self
            .collections
            .claims
            .find_one(doc! { "_id": &name })
            .await
            .map_err(classify)?
            .ok_or_else(taken)?;
        let mine = member != IDENT.0 && value::text(&existing, "ident")? == app.as_str();
        let since = Timestamp::from_micros(value::int(&existing, "at")?);
        if mine {
            return Ok(());
        }
        if since.plus(RESERVATION_EXPIRY) > now {
            return Err(taken());
        }
        // Of several calls that find it abandoned, only the first matches `at`.
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

    /// Deletes a reservation.
    pub(super) async fn release_unique(
        &self,
        UniqueField(member): UniqueField,
        text: &str,
        app: &AppIdent,
    ) -> StorageResult<()> {
        let claim = doc! { "_id": format!("{member}/{text}"), "ident": app.as_str() };
        self.collections
            .claims
            .delete_one(claim)
            .await
            .map(drop)
            .map_err(classify)
    }
}
