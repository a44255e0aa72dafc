//! The targets `settings` and `dotenv`.

use super::dotenv;
use super::variables::ALL;
use super::{Raw, resolve};

/// A part of each secret, which no error shows.
const MARK: &str = "Zq7Zq7Zq7";

/// Values of variables, one `NAME=value` a line (an unknown name selects one by its length), are settings or have an error of
/// one line without a secret.
pub(crate) fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let values: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| {
            let known = ALL.iter().find(|variable| variable.name == name);
            let variable = known.unwrap_or(&ALL[name.len() % ALL.len()]);
            let mark = if variable.is_secret() { MARK } else { "" };
            (*variable, format!("{value}{mark}"))
        })
        .collect();
    let pairs = values.iter().map(|(name, value)| (*name, value.as_str()));
    if let Err(error) = resolve(&Raw::from_pairs(pairs)) {
        is_one_line(&error.to_string());
    }
}

fn is_one_line(error: &str) {
    assert!(!error.contains('\n') && error.len() <= 2000, "{error}");
    assert!(!error.contains(MARK), "{error}");
}

/// A file is variables that can be set, or has an error of one line; and what stands in single quotes is taken as it is.
pub(crate) fn dotenv(bytes: &[u8]) {
    if bytes.contains(&0) {
        return;
    }
    let text = String::from_utf8_lossy(bytes);
    let parse = |text: &str| dotenv::parse(text, |name| name.starts_with("PUSHI_"), |_| None);
    match parse(&text) {
        Ok(values) => {
            for name in values.keys() {
                assert!(!name.is_empty() && !name.contains(['=', '\0']), "{name}");
            }
        }
        Err(error) => is_one_line(&error),
    }
    // U+FFFD stands for bytes that are no UTF-8, which an error names.
    if !text.contains(['\'', '\u{fffd}']) {
        let quoted = parse(&format!("PUSHI_X='{text}'\n")).unwrap_or_default();
        let literal = text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(quoted.get("PUSHI_X"), Some(&literal));
    }
}
