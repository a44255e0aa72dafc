//! Configuration: what was typed ([`Raw`]), and what it means ([`Settings`]).
//!
//! Every variable is one row of [`variables`]: its name, default and help. [`Raw`] collects what the environment, the
//! `.env` file and the flags say, all optional; [`resolve`] turns it into [`Settings`], whose types cannot be wrong. A
//! value that cannot be used is a [`Complaint`]: one line that names the variable, the value and what it accepts.
//!
//! To add a variable: add its row in `variables.rs`, a field in `settings.rs`, and the line in `resolve/` that reads it.

mod complaint;
mod dotenv;
mod raw;
mod resolve;
mod settings;
mod unknown;
mod url;
mod value;
pub mod variables;

pub use complaint::Complaint;
pub use dotenv::DotEnv;
pub use raw::Raw;
pub use resolve::elsewhere::{app_variables, of_the_app};
pub use resolve::{Resolved, resolve};
pub use settings::{
    AccessSettings, AppOfStart, ListenSettings, Listener, ListenerVariables, LogSettings, Settings,
    StoreSettings, TimeSettings, TlsFiles, WebhookSettings,
};
pub use unknown::environment_warnings;
pub use url::{BusUrl, StoreUrl};
pub use variables::Variable;
