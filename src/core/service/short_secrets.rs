//! Apps whose secret can be guessed.

use std::fmt;

use super::{AppError, Service};
use crate::core::model::{App, AppIdent, Secret};

/// Apps per read of the store.
const PAGE: usize = 500;

/// The number of apps that are named.
const NAMED: usize = 5;

/// Apps with a short secret; their `Display` is a line for the operator.
#[derive(Debug, Default)]
pub struct ShortSecrets {
    count: usize,
    /// The first of them.
    named: Vec<AppIdent>,
}

impl ShortSecrets {
    /// Adds an app if one of its secrets is short.
    pub fn add(&mut self, app: &App) {
        if app.secrets().any(Secret::is_short) {
            self.count += 1;
            if self.named.len() < NAMED {
                self.named.push(app.ident.clone());
            }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for ShortSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.named.iter().map(AppIdent::as_str).collect();
        let more = if self.count > names.len() {
            ", …"
        } else {
            ""
        };
        write!(
            f,
            "{} {} a secret of fewer than {} characters, which can be guessed ({}{more}): rotate it (POST /apps/<id>/rotate)",
            self.count,
            if self.count == 1 {
                "app has"
            } else {
                "apps have"
            },
            Secret::SHORT,
            names.join(", "),
        )
    }
}

impl Service {
    /// The apps of the store that have a short secret.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn short_secrets(&self) -> Result<ShortSecrets, AppError> {
        let mut short = ShortSecrets::default();
        let mut after = 0;
        loop {
            let page = self.apps(after, PAGE).await?;
            page.iter().for_each(|app| short.add(app));
            match page.last() {
                Some(last) if page.len() == PAGE => after = last.id,
                _ => return Ok(short),
            }
        }
    }
}
