//! The members of the bodies of direct messages.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::core::service::MAX_DIRECT_TARGETS;
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::settings::is_web_address;
use crate::inbound::wire::{RawMembers, compact, read_string, read_strings};

/// The members of a body, each as its JSON text.
pub(super) struct DirectBody<'a>(RawMembers<'a>);

impl<'a> DirectBody<'a> {
    /// Reads the JSON object that a body must be.
    pub(super) fn read(text: &'a [u8]) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(Problem::bad_request(
                "the body is empty: send a JSON object",
            ));
        }
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| match error.classify() {
                serde_json::error::Category::Data => {
                    Problem::bad_request("the body must be a JSON object")
                }
                _ => Problem::bad_request(format!("the body is not JSON: {error}")),
            })
    }

    /// The members of an object within a body; `None`: it is something else.
    pub(super) fn nested(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// The JSON text of a member; `None`: it is missing or null.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)
    }

    /// The members with their names.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.0.iter().map(|(name, json)| (name.as_ref(), *json))
    }

    /// A string; `None`: it is missing, null or empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        let Some(json) = self.get(name) else {
            return Ok(None);
        };
        match read_string(json) {
            Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            None => Err(Problem::bad_request(format!("{name} must be a string"))),
        }
    }

    /// Yes or no; `None`: it is missing or null.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Problem::bad_request(format!(
                "{name} must be true or false"
            ))),
        }
    }

    /// A list of strings without repetitions, or a string that stands for a list of one; empty where it is missing or null.
    pub(super) fn targets(&self, name: &str) -> Result<Vec<String>, Problem> {
        let Some(json) = self.get(name) else {
            return Ok(Vec::new());
        };
        let list = match read_string(json) {
            Some(text) if text.is_empty() => Vec::new(),
            Some(text) => vec![text],
            None => read_strings(json).ok_or_else(|| {
                Problem::bad_request(format!("{name} must be a string or a list of strings"))
            })?,
        };
        check_number(name, list.len())?;
        let mut seen = HashSet::with_capacity(list.len());
        let fresh = |text: Cow<'_, str>| {
            seen.insert(text.clone().into_owned())
                .then(|| text.into_owned())
        };
        Ok(list.into_iter().filter_map(fresh).collect())
    }

    /// Refuses a member that is no address, whether it is used or not.
    pub(super) fn check_address(&self, name: &str) -> Result<(), Problem> {
        match self.get(name) {
            Some(json) => check_address(name, &read_string(json).unwrap_or_default()),
            None => Ok(()),
        }
    }

    /// What a member says: a string as it is, and anything else as its JSON text.
    pub(super) fn content(&self, name: &str) -> Option<Cow<'a, str>> {
        let json = self.get(name)?;
        Some(read_string(json).unwrap_or_else(|| compact(json)))
    }
}

/// Refuses more targets than a request may have.
pub(super) fn check_number(name: &str, targets: usize) -> Result<(), Problem> {
    if targets > MAX_DIRECT_TARGETS {
        return Err(Problem::bad_request(format!(
            "{name} has {targets} entries: send at most {MAX_DIRECT_TARGETS} in one request"
        )));
    }
    Ok(())
}

/// Refuses what is no address of a web hook or a push service.
pub(super) fn check_address(name: &str, address: &str) -> Result<(), Problem> {
    if is_web_address(address) {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "{name} must be an http:// or https:// address without credentials and spaces"
    )))
}
