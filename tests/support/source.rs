//! The source as text.

use std::fs;
use std::path::Path;

/// The code of a file, or of all files below a folder, without comments and without what only tests compile.
pub fn product_code(place: impl AsRef<Path>) -> String {
    let place = place.as_ref();
    if place.is_dir() {
        let entries = fs::read_dir(place).unwrap();
        return entries
            .map(|entry| product_code(entry.unwrap().path()))
            .collect();
    }
    let is_source = place.extension().is_some_and(|extension| extension == "rs");
    if !is_source || place.ends_with("tests.rs") {
        return String::new();
    }
    let text = fs::read_to_string(place).unwrap();
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = product
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}
