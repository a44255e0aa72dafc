//! The member `reset` of a change: the settings that return to their defaults.

use poem_openapi::registry::MetaSchema;
use serde_json::Value;

use super::{SETTINGS, Setting};
use crate::inbound::rest::body::BodyMembers;
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::schema::{inline, plain};

/// The name of the member.
pub(in crate::inbound::rest) const RESET: &str = "reset";

/// Maximum number of names in the list; a repeated name has no further effect.
const MAX_NAMES: usize = 100;

/// The schema of the member.
pub(in crate::inbound::rest) fn schema() -> MetaSchema {
    let names = SETTINGS.iter().filter(|setting| setting.resets());
    let item = MetaSchema {
        enum_items: names.map(|setting| setting.name.into()).collect(),
        ..plain("string", "The name of a setting.")
    };
    MetaSchema {
        items: Some(Box::new(inline(item))),
        max_items: Some(MAX_NAMES),
        nullable: true,
        ..plain(
            "array",
            "Settings that return to their defaults; `previous_secret` is revoked. Each requires the permission to set it, and must \
             not be set in the same request.",
        )
    }
}

/// The settings that a change resets.
pub(super) fn read(members: &BodyMembers) -> Result<Vec<&'static Setting>, Problem> {
    let must = || {
        Problem::bad_request(format!(
            "{RESET} must be a list of at most {MAX_NAMES} names of settings"
        ))
    };
    let names: Vec<&str> = match members.get(RESET) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= MAX_NAMES => list
            .iter()
            .map(|name| name.as_str().ok_or_else(must))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(must()),
    };
    refuse(
        names.iter().filter(|name| Setting::find(name).is_none()),
        "unknown: see AppChange in /docs for the settings",
    )?;
    let settings: Vec<_> = names
        .iter()
        .filter_map(|name| Setting::find(name))
        .collect();
    let named = |keep: fn(&Setting) -> bool| {
        let kept = settings.iter().filter(move |setting| keep(setting));
        kept.map(|setting| &setting.name)
    };
    refuse(
        named(|setting| !setting.resets()),
        "without a default: set a value",
    )?;
    refuse(
        settings
            .iter()
            .map(|setting| &setting.name)
            .filter(|name| members.get(**name).is_some_and(|value| !value.is_null())),
        "also set: either set or reset a setting",
    )?;
    Ok(settings)
}

/// Refuses a request in which `names` have a fault.
fn refuse<'a>(names: impl Iterator<Item = &'a &'a str>, fault: &str) -> Result<(), Problem> {
    let names: Vec<_> = names.copied().collect();
    if names.is_empty() {
        return Ok(());
    }
    let names = names.join(", ");
    Err(Problem::bad_request(format!(
        "{RESET} has names that are {fault} ({names})"
    )))
}
