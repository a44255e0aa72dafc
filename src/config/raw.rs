//! The configuration as given by flags, the environment and `.env`; every value is optional.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Command};

use super::variables::{ALL, SWITCH, Variable};

/// The given values by variable, not yet validated. Has no `Debug`, because the values include
/// secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Raw(BTreeMap<&'static str, String>);

impl Raw {
    /// Values from pairs of variable and value, instead of flags and the environment.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (Variable, &'a str)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(variable, value)| (variable.name, value.to_owned()))
                .collect(),
        )
    }

    /// The value of a variable; `None` if it is not set or blank.
    pub fn get(&self, variable: &Variable) -> Option<&str> {
        self.0
            .get(variable.name)
            .map(String::as_str)
            .filter(|value| !value.trim().is_empty())
    }

    /// A copy without the given variables.
    pub fn without(&self, variables: &[Variable]) -> Self {
        let mut copy = self.clone();
        copy.0
            .retain(|name, _| variables.iter().all(|variable| variable.name != *name));
        copy
    }

    /// Whether all of the given variables are unset or blank.
    pub fn none_of(&self, variables: &[Variable]) -> bool {
        variables
            .iter()
            .all(|variable| self.get(variable).is_none())
    }
}

fn arg(variable: &Variable) -> Arg {
    let mut help = variable.help.to_owned();
    if !variable.default.is_empty() {
        help.push_str(&format!(" [default: {}]", variable.default));
    }
    let arg = Arg::new(variable.name)
        .long(variable.flag())
        .env(variable.name)
        .hide_env_values(true)
        .value_name(variable.kind)
        .help(help)
        .help_heading(variable.heading);
    // Base64 for URLs may begin with a hyphen.
    let arg = arg.allow_hyphen_values(variable.is_credential());
    if variable.kind == SWITCH {
        arg.num_args(0..=1).default_missing_value("1")
    } else {
        arg
    }
}

impl clap::Args for Raw {
    fn augment_args(command: Command) -> Command {
        command.args(ALL.iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Raw {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |variable: &Variable| {
            matches
                .get_one::<String>(variable.name)
                .map(|value| (variable.name, value.clone()))
        };
        Ok(Self(ALL.iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;
    use crate::config::variables::{
        APP_HOST, APP_PORT, APP_SSL, PUSHI_OPEN_REGISTRATION, SERVER_SSL,
    };

    fn parse(args: &[&str]) -> Raw {
        let command = Raw::augment_args(Command::new("pushi").no_binary_name(true));
        Raw::from_arg_matches(&command.try_get_matches_from(args).unwrap()).unwrap()
    }

    #[test]
    fn flags_are_read() {
        let raw = parse(&[
            "--app-port",
            "1",
            "--open-registration",
            "--app-ssl=0",
            "--server-ssl",
            "1",
        ]);
        assert_eq!(raw.get(&APP_PORT), Some("1"));
        assert_eq!(raw.get(&PUSHI_OPEN_REGISTRATION), Some("1"));
        assert_eq!(raw.get(&APP_SSL), Some("0"));
        assert_eq!(raw.get(&SERVER_SSL), Some("1"));
    }

    #[test]
    fn every_variable_has_a_flag_and_is_read_from_the_environment() {
        let command = Raw::augment_args(Command::new("pushi"));
        for variable in ALL {
            let arg = command
                .get_arguments()
                .find(|arg| arg.get_long() == Some(&variable.flag()))
                .unwrap();
            assert_eq!(arg.get_env(), Some(variable.name.as_ref()));
            assert!(arg.is_hide_env_values_set());
        }
    }

    #[test]
    fn a_blank_value_is_unset() {
        let raw = Raw::from_pairs([(APP_HOST, ""), (APP_PORT, " ")]);
        assert!(raw.none_of(&[APP_HOST, APP_PORT]));
    }

    #[test]
    fn help_shows_every_default() {
        let help = Raw::augment_args(Command::new("pushi").term_width(0))
            .render_long_help()
            .to_string();
        for variable in ALL.iter().filter(|variable| !variable.default.is_empty()) {
            assert!(
                help.contains(&format!("[default: {}]", variable.default)),
                "{}",
                variable.name
            );
        }
    }
}
