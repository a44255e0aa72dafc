//! Configuration: the values as given ([`Raw`]) and as typed settings ([`Settings`]).
//!
//! Every variable is one row of [`variables`]: its name, default and help text. [`Raw`] collects
//! the optional values of the flags, the environment and the `.env` file, in this order of
//! precedence. [`resolve`] validates them and converts them to [`Settings`]. An invalid value is a
//! [`ConfigError`]: one line that names the variable, its value and the expected format.
//!
//! To add a variable: add its row in `variables.rs`, a field in `settings.rs`, and the line in
//! `resolve/` that reads it.
//!
//! The table is hand-written, because `figment` and `config` report neither the variable and the
//! expected format of an invalid value, nor aliases of a variable. `clap` reads the flags and the
//! environment.

mod dotenv;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod raw;
mod resolve;
mod settings;
mod unknown;
mod url;
mod value;
pub mod variables;

pub use dotenv::DotEnv;
pub use error::ConfigError;
pub use raw::Raw;
pub use resolve::compat::{app_variables, bootstrap_variables};
pub use resolve::{Resolved, resolve};
pub use settings::{
    AccessSettings, BootstrapApp, ListenSettings, Listener, ListenerVariables, LogSettings,
    Settings, StoreSettings, TimeSettings, TlsSettings, WebhookSettings,
};
pub use unknown::environment_warnings;
pub use url::{BusUrl, StoreUrl};
pub(crate) use value::parse_duration;
pub use variables::Variable;
