//! What other servers call what is set here: whoever comes from one of them need not rename anything.

use super::super::raw::Raw;
use super::super::variables::{
    PUSHER_APP_ID, PUSHER_APP_KEY, PUSHER_APP_SECRET, PUSHI_APP_ID, PUSHI_APP_KEY, PUSHI_APP_NAME,
    PUSHI_APP_SECRET, REVERB_APP_ID, REVERB_APP_KEY, REVERB_APP_SECRET, REVERB_SERVER_HOST,
    REVERB_SERVER_PORT, SERVER_HOST, SERVER_PORT, SOKETI_DEFAULT_APP_ID, SOKETI_DEFAULT_APP_KEY,
    SOKETI_DEFAULT_APP_SECRET, SOKETI_HOST, SOKETI_PORT, Variable,
};

/// The id, key and secret of an app, by our names.
const OURS: [Variable; 3] = [PUSHI_APP_ID, PUSHI_APP_KEY, PUSHI_APP_SECRET];

/// … and by those of others.
const THEIRS: [[Variable; 3]; 3] = [
    [
        SOKETI_DEFAULT_APP_ID,
        SOKETI_DEFAULT_APP_KEY,
        SOKETI_DEFAULT_APP_SECRET,
    ],
    [REVERB_APP_ID, REVERB_APP_KEY, REVERB_APP_SECRET],
    [PUSHER_APP_ID, PUSHER_APP_KEY, PUSHER_APP_SECRET],
];

/// Everything that says which app there is.
pub fn of_the_app() -> impl Iterator<Item = Variable> {
    OURS.into_iter()
        .chain([PUSHI_APP_NAME])
        .chain(THEIRS.into_iter().flatten())
}

/// The variables that say an app's id, key and secret: ours where one of them is set, else the first three of others that are
/// all there. Half of theirs is about something else.
pub fn app_variables(raw: &Raw) -> [Variable; 3] {
    let whole = |names: &[Variable; 3]| names.iter().all(|name| raw.get(name).is_some());
    let theirs = THEIRS
        .into_iter()
        .find(whole)
        .filter(|_| raw.none_of(&OURS));
    theirs.unwrap_or(OURS)
}

/// The variable that says the WebSocket listener's host.
pub fn host(raw: &Raw) -> Variable {
    first_of(raw, [SERVER_HOST, SOKETI_HOST, REVERB_SERVER_HOST])
}

/// The variable that says its port.
pub fn port(raw: &Raw) -> Variable {
    first_of(raw, [SERVER_PORT, SOKETI_PORT, REVERB_SERVER_PORT])
}

/// The first that is set; ours, which has the default, where none is.
fn first_of(raw: &Raw, names: [Variable; 3]) -> Variable {
    names
        .into_iter()
        .find(|name| raw.get(name).is_some())
        .unwrap_or(names[0])
}

/// What is to be said of names that stand for ours.
pub fn notices(raw: &Raw) -> Vec<String> {
    let [app, ..] = app_variables(raw);
    let read = [
        (app, PUSHI_APP_ID),
        (host(raw), SERVER_HOST),
        (port(raw), SERVER_PORT),
    ];
    let stands = |(theirs, ours): (Variable, Variable)| {
        format!("{} is read, because {} is not set", theirs.name, ours.name)
    };
    read.into_iter()
        .filter(|(theirs, ours)| theirs != ours)
        .map(stands)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(pairs: &[(Variable, &'static str)]) -> Raw {
        Raw::of(pairs.iter().copied())
    }

    #[test]
    fn ours_count_first_and_half_of_theirs_is_not_meant() {
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
        assert_eq!(first(&pusher), "PUSHI_APP_ID", "what is empty is not set");
    }

    #[test]
    fn what_stands_for_ours_is_said() {
        assert!(notices(&raw(&[(SERVER_PORT, "1"), (SOKETI_PORT, "2")])).is_empty());
        let said = notices(&raw(&[
            (SOKETI_PORT, "6001"),
            (REVERB_SERVER_PORT, "8080"),
            (REVERB_SERVER_HOST, "0.0.0.0"),
        ]));
        let expected = [
            "REVERB_SERVER_HOST is read, because SERVER_HOST is not set",
            "SOKETI_PORT is read, because SERVER_PORT is not set",
        ];
        assert_eq!(said, expected);
    }
}
