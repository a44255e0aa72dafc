//! Aliases: variables of soketi, Laravel Reverb and Pusher that are read if those of Pushi are not
//! set, so that an existing environment works without changes.

use crate::config::raw::Raw;
use crate::config::variables::{
    PUSHER_APP_ID, PUSHER_APP_KEY, PUSHER_APP_SECRET, PUSHI_APP_ID, PUSHI_APP_KEY, PUSHI_APP_NAME,
    PUSHI_APP_SECRET, REVERB_APP_ID, REVERB_APP_KEY, REVERB_APP_SECRET, REVERB_SERVER_HOST,
    REVERB_SERVER_PORT, SERVER_HOST, SERVER_PORT, SOKETI_DEFAULT_APP_ID, SOKETI_DEFAULT_APP_KEY,
    SOKETI_DEFAULT_APP_SECRET, SOKETI_HOST, SOKETI_PORT, Variable,
};

/// The variables of Pushi for the id, key and secret of the bootstrap app.
const PUSHI_NAMES: [Variable; 3] = [PUSHI_APP_ID, PUSHI_APP_KEY, PUSHI_APP_SECRET];

/// Their aliases, in order of precedence.
const OTHER_NAMES: [[Variable; 3]; 3] = [
    [
        SOKETI_DEFAULT_APP_ID,
        SOKETI_DEFAULT_APP_KEY,
        SOKETI_DEFAULT_APP_SECRET,
    ],
    [REVERB_APP_ID, REVERB_APP_KEY, REVERB_APP_SECRET],
    [PUSHER_APP_ID, PUSHER_APP_KEY, PUSHER_APP_SECRET],
];

/// All variables that configure the bootstrap app, aliases included.
pub fn bootstrap_variables() -> impl Iterator<Item = Variable> {
    PUSHI_NAMES
        .into_iter()
        .chain([PUSHI_APP_NAME])
        .chain(OTHER_NAMES.into_iter().flatten())
}

/// The variables to read the id, key and secret of the bootstrap app from: those of Pushi if any of
/// them is set, else the first set of aliases that is complete. An incomplete set of aliases is
/// ignored, since it may be meant for another program.
pub fn app_variables(raw: &Raw) -> [Variable; 3] {
    let complete = |names: &[Variable; 3]| names.iter().all(|name| raw.get(name).is_some());
    let aliases = OTHER_NAMES
        .into_iter()
        .find(complete)
        .filter(|_| raw.none_of(&PUSHI_NAMES));
    aliases.unwrap_or(PUSHI_NAMES)
}

/// Whether the variable for the id of the bootstrap app is that of Pushi. The aliases are for apps
/// whose clients speak the Pusher protocol.
pub(super) fn is_pushi_name(ident: &Variable) -> bool {
    *ident == PUSHI_APP_ID
}

/// The variable to read the host of the WebSocket listener from.
pub(crate) fn host_variable(raw: &Raw) -> Variable {
    first_set(raw, [SERVER_HOST, SOKETI_HOST, REVERB_SERVER_HOST])
}

/// The variable to read the port of the WebSocket listener from.
pub(crate) fn port_variable(raw: &Raw) -> Variable {
    first_set(raw, [SERVER_PORT, SOKETI_PORT, REVERB_SERVER_PORT])
}

/// The first variable that is set; if none is, the one of Pushi, which has the default.
fn first_set(raw: &Raw, names: [Variable; 3]) -> Variable {
    names
        .into_iter()
        .find(|name| raw.get(name).is_some())
        .unwrap_or(names[0])
}

/// One log line per alias in use.
pub(crate) fn notices(raw: &Raw) -> Vec<String> {
    let [app, ..] = app_variables(raw);
    let read = [
        (app, PUSHI_APP_ID),
        (host_variable(raw), SERVER_HOST),
        (port_variable(raw), SERVER_PORT),
    ];
    let notice = |(alias, name): (Variable, Variable)| {
        format!("{} is used, because {} is not set", alias.name, name.name)
    };
    read.into_iter()
        .filter(|(alias, name)| alias != name)
        .map(notice)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(pairs: &[(Variable, &'static str)]) -> Raw {
        Raw::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn pushi_names_take_precedence_and_incomplete_aliases_are_ignored() {
        let reverb = [
            (REVERB_APP_ID, "1"),
            (REVERB_APP_KEY, "k"),
            (REVERB_APP_SECRET, "s"),
        ];
        let first = |pairs: &[(Variable, &'static str)]| app_variables(&raw(pairs))[0].name;
        assert_eq!(first(&[]), "PUSHI_APP_ID");
        assert_eq!(first(&reverb), "REVERB_APP_ID");
        assert_eq!(first(&reverb[..2]), "PUSHI_APP_ID");
        assert_eq!(
            first(&[&reverb[..], &[(PUSHI_APP_KEY, "k")]].concat()),
            "PUSHI_APP_ID"
        );
        let soketi = [
            (SOKETI_DEFAULT_APP_ID, "2"),
            (SOKETI_DEFAULT_APP_KEY, "k"),
            (SOKETI_DEFAULT_APP_SECRET, "s"),
        ];
        assert_eq!(
            first(&[&reverb[..], &soketi].concat()),
            "SOKETI_DEFAULT_APP_ID"
        );
        let pusher = [
            (PUSHER_APP_ID, "3"),
            (PUSHER_APP_KEY, "k"),
            (PUSHER_APP_SECRET, " "),
        ];
        assert_eq!(first(&pusher), "PUSHI_APP_ID", "a blank value is unset");
    }

    #[test]
    fn an_alias_in_use_gives_a_notice() {
        assert!(notices(&raw(&[(SERVER_PORT, "1"), (SOKETI_PORT, "2")])).is_empty());
        let notices = notices(&raw(&[
            (SOKETI_PORT, "6001"),
            (REVERB_SERVER_PORT, "8080"),
            (REVERB_SERVER_HOST, "0.0.0.0"),
        ]));
        let expected = [
            "REVERB_SERVER_HOST is used, because SERVER_HOST is not set",
            "SOKETI_PORT is used, because SERVER_PORT is not set",
        ];
        assert_eq!(notices, expected);
    }
}
