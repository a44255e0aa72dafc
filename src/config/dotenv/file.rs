//! The syntax of a `.env` file, as the other programs that share the file read it: phpdotenv
//! (Laravel) and docker compose.
//!
//! Own code, because a value must be the same for all of them, and the crates (`dotenvy`,
//! `dotenv-parser`) expand `$NAME` in secrets and refuse a file for a line of another program.
//!
//! Both agree on: `NAME=value` with spaces around `=` and `export` before it; the last line of a
//! name applies; single quotes are literal; `\"`, `\\`, `\$`, `\n`, `\r`, `\t`, `\f` and `\v` in
//! double quotes, which may span lines; `${NAME}` is the value in the environment or of an earlier
//! line; a `#` after whitespace begins a comment; a byte order mark and CRLF are skipped.
//!
//! Where they differ:
//!
//! | text | phpdotenv | compose | here |
//! | --- | --- | --- | --- |
//! | `$NAME`, `$$` | characters | expanded | characters: secrets contain `$` |
//! | `ab#cd`, `=#ab` | comment | characters | characters: a shortened secret would go unnoticed |
//! | `= #ab`, tab and `#` | comment | characters | comment |
//! | `ab cd` without quotes | error | characters | error |
//! | `'it\'s'` | error | `it's` | error: single quotes are literal |
//! | single quotes over several lines | error | characters | characters |
//! | other escapes in double quotes | error | characters | error |
//! | `${NAME}` that is not set | characters | empty | error |
//! | `${NAME-x}`, `${NAME:-x}` | characters | default | default |
//! | other `${` | characters | error | error |
//! | `NAME: value` | error | `value` | error |
//!
//! Only the variables of this program cause an error. A line of another program that cannot be read
//! is skipped, and so is only its first line if its closing quote is missing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The maximum size of a file in bytes. It guards against a path that is another kind of file.
const MAX_BYTES: u64 = 1024 * 1024;

/// The variables of the file at `path`; none if there is no file. `is_own` selects the variables
/// that this program reads, `environment` looks up variables that take precedence over the file.
///
/// # Errors
/// One line that names the path, the line and the reason, but no value, which may be a secret.
pub(crate) fn read(
    path: &Path,
    is_own: impl Fn(&str) -> bool,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, String> {
    let failed = |reason: String| format!("{} cannot be read: {reason}", path.display());
    let mut bytes = Vec::new();
    let outcome =
        File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed(error.to_string())),
        Ok(_) if bytes.len() as u64 > MAX_BYTES => {
            return Err(failed(format!("it is larger than {MAX_BYTES} bytes")));
        }
        Ok(_) if bytes.contains(&0) => {
            return Err(failed(
                "it has NUL bytes, as UTF-16 text has: save it as UTF-8".to_owned(),
            ));
        }
        Ok(_) => {}
    }
    parse(&String::from_utf8_lossy(&bytes), is_own, environment).map_err(failed)
}

/// Adds variables to the environment of the process.
#[expect(
    unsafe_code,
    reason = "the environment of a process is not thread-safe"
)]
pub(crate) fn add_to_environment(values: &BTreeMap<String, String>) {
    for (name, value) in values {
        // SAFETY: called at the start of `main`, before any other thread is started. `read` gives
        // no name that is empty or has `=`, and no NUL.
        unsafe { std::env::set_var(name, value) };
    }
}

/// The variables of the text; the error names the line and the reason.
pub(crate) fn parse(
    text: &str,
    is_own: impl Fn(&str) -> bool,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let (mut rest, mut line) = (text.as_str(), 1);
    while !rest.is_empty() {
        let lookup = |name: &str| environment(name).or_else(|| values.get(name).cloned());
        let entry = Entry::parse(rest, lookup);
        match entry.value {
            Ok(Some(value)) => {
                values.insert(entry.name.to_owned(), value);
            }
            Ok(None) => {}
            Err(mistake) if is_own(entry.name) => {
                let name = shown(entry.name);
                return Err(format!("line {line}: {name} {}", mistake.describe(&name)));
            }
            Err(_) => {}
        }
        line += rest[..entry.length].matches('\n').count();
        rest = &rest[entry.length..];
    }
    Ok(values)
}

/// A name as an error shows it: at most 100 characters.
fn shown(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &name[..end]).into(),
        None => name.into(),
    }
}

/// A line of the file, or the lines of one value in quotes.
struct Entry<'a> {
    name: &'a str,
    /// `None` for a comment, a blank line and a name without a value.
    value: Result<Option<String>, Mistake>,
    /// The bytes of the entry with its line break.
    length: usize,
}

/// Why the value of a variable cannot be read.
#[derive(Debug, PartialEq, Eq)]
enum Mistake {
    NotAnAssignment,
    Name,
    Space,
    AfterQuote,
    MissingQuote(char),
    Escape(char),
    Braces,
    Unset(String),
    NotUtf8,
}

impl Mistake {
    fn describe(&self, name: &str) -> String {
        match self {
            Self::NotAnAssignment => format!("is not followed by =: write {name}=value"),
            Self::Name => {
                "is followed by other characters than =: a name has only letters, digits and _"
                    .to_owned()
            }
            Self::Space => "has a space in its value: put the value in quotes".to_owned(),
            Self::AfterQuote => {
                "has characters after the closing quote: only a comment may follow it".to_owned()
            }
            Self::MissingQuote(quote) => format!("has no closing {quote}"),
            Self::Escape(escaped) => format!(
                "has the unknown escape \\{} in double quotes: write \\\\ for a backslash, or use single quotes",
                escaped.escape_default()
            ),
            Self::Braces => "has a ${ that is not ${NAME} or ${NAME:-default}: use single quotes if the characters are meant".to_owned(),
            Self::Unset(other) => format!(
                "refers to ${{{}}}, which is set neither in the environment nor on an earlier line: use single quotes if the characters are meant",
                shown(other)
            ),
            Self::NotUtf8 => "has a value that is not UTF-8 text".to_owned(),
        }
    }
}

impl<'a> Entry<'a> {
    /// Reads the entry at the beginning of the text.
    fn parse(text: &'a str, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let end = text.find('\n').map_or(text.len(), |end| end + 1);
        let line = &text[..end];
        let statement = line.trim();
        let statement = match statement.strip_prefix("export") {
            Some(rest) if rest.starts_with(is_space) => rest.trim_start(),
            _ => statement,
        };
        // The name as far as it is one, so that an error can name it.
        let word = leading_word(statement.trim_start_matches(['"', '\'']));
        let of = |value, length| Self {
            name: word,
            value,
            length,
        };
        if statement.is_empty() || statement.starts_with('#') {
            return of(Ok(None), end);
        }
        let Some(equals) = line.find('=') else {
            // A name alone stands for the value in the environment.
            let is_name = word == statement;
            let value = if is_name {
                Ok(None)
            } else {
                Err(Mistake::NotAnAssignment)
            };
            return of(value, end);
        };
        let (value, length) = value(&text[equals + 1..], lookup);
        let left = statement.split('=').next().unwrap_or_default().trim_end();
        let value = if unquoted(left) != word || word.is_empty() {
            Err(Mistake::Name)
        } else if text[..equals + 1 + length].contains('\u{fffd}') {
            // What the conversion from bytes puts in place of invalid ones.
            Err(Mistake::NotUtf8)
        } else {
            value.map(Some)
        };
        of(value, equals + 1 + length)
    }
}

/// A name in quotes is a name, too, in phpdotenv.
fn unquoted(name: &str) -> &str {
    let within = |quote: char| name.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(name)
}

fn leading_word(text: &str) -> &str {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-[]".contains(c);
    &text[..text.find(|c| !is_name(c)).unwrap_or(text.len())]
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}')
}

/// The value at the beginning of the text after `=`, and how many bytes it and the rest of its line
/// take.
fn value(text: &str, lookup: impl Fn(&str) -> Option<String>) -> (Result<String, Mistake>, usize) {
    let line_end = |from: usize| text[from..].find('\n').map_or(text.len(), |n| from + n + 1);
    let start = text.find(|c| !is_space(c)).unwrap_or(text.len());
    let quote = match text[start..].chars().next() {
        Some(quote @ ('"' | '\'')) => quote,
        _ => {
            let end = line_end(0);
            return (
                unquoted_value(text[..end].trim_end_matches('\n'), lookup),
                end,
            );
        }
    };
    let inner = &text[start + 1..];
    let Some(length) = closing_quote(inner, quote) else {
        return (Err(Mistake::MissingQuote(quote)), line_end(0));
    };
    let after = start + 1 + length + 1;
    let end = line_end(after);
    let trailing = text[after..end].trim_start();
    if !trailing.is_empty() && !trailing.starts_with('#') {
        // The quote of another line was taken for the closing one.
        return (Err(Mistake::AfterQuote), line_end(0));
    }
    let inner = &inner[..length];
    let value = match quote {
        '\'' => Ok(inner.to_owned()),
        _ => expand(inner, true, lookup),
    };
    (value, end)
}

/// Where the closing quote is.
fn closing_quote(inner: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    inner
        .char_indices()
        .find(|&(_, c)| {
            let closes = c == quote && !escaped;
            escaped = quote == '"' && c == '\\' && !escaped;
            closes
        })
        .map(|(at, _)| at)
}

fn unquoted_value(line: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, Mistake> {
    let comment = line
        .char_indices()
        .zip(line.chars().skip(1))
        .find(|((_, before), c)| is_space(*before) && *c == '#');
    let text = comment.map_or(line, |((at, _), _)| &line[..at]);
    let text = text.trim_matches(is_space);
    let value = expand(text, false, lookup)?;
    // The value of another variable may have spaces.
    if text.contains(is_space) && !text.contains("${") {
        return Err(Mistake::Space);
    }
    Ok(value)
}

/// Replaces `${NAME}`, and the escapes if the text was in double quotes.
fn expand(
    text: &str,
    escapes: bool,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<String, Mistake> {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(braced) = rest.strip_prefix("${") {
            let (inner, after) = braced.split_once('}').ok_or(Mistake::Braces)?;
            value.push_str(&referenced(inner, &lookup)?);
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if !(escapes && c == '\\') {
            value.push(c);
            continue;
        }
        // `closing_quote` leaves no backslash at the end.
        let escaped = rest.chars().next().ok_or(Mistake::Escape(' '))?;
        rest = &rest[escaped.len_utf8()..];
        value.push(match escaped {
            '"' | '\\' | '$' => escaped,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            'v' => '\u{b}',
            other => return Err(Mistake::Escape(other)),
        });
    }
    Ok(value)
}

/// The value of what stands between `${` and `}`.
fn referenced(inner: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, Mistake> {
    let name = leading_word(inner).split('-').next().unwrap_or_default();
    if name.is_empty() {
        return Err(Mistake::Braces);
    }
    let rest = &inner[name.len()..];
    let found = lookup(name);
    let default = match rest {
        "" => return found.ok_or_else(|| Mistake::Unset(name.to_owned())),
        _ if rest.starts_with(":-") => &rest[2..],
        _ if rest.starts_with('-') => &rest[1..],
        _ => return Err(Mistake::Braces),
    };
    if default.contains(['$', '\\']) {
        return Err(Mistake::Braces);
    }
    let blank_is_unset = rest.starts_with(':');
    let found = found.filter(|value| !(blank_is_unset && value.is_empty()));
    Ok(found.unwrap_or_else(|| default.to_owned()))
}
