//! What comes out of a run: a table for people, or JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::machine::Usage;
use super::times::Times;

/// How a number is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Count,
    /// With two digits behind the point.
    Ratio,
    /// In seconds.
    Seconds,
    /// Microseconds, shown as milliseconds.
    Micros,
    /// Bytes, shown as MiB where they are many.
    Bytes,
}

/// The figures of a run, in the order in which they are shown.
#[derive(Default)]
pub struct Report(Vec<Row>);

struct Row {
    /// In JSON.
    key: String,
    /// In the table.
    label: String,
    value: Value,
    unit: Unit,
}

impl Report {
    /// Adds a text.
    pub fn text(&mut self, key: &str, label: &str, text: &str) {
        self.row(key, label, text.into(), Unit::Count);
    }

    /// Adds a whole number.
    pub fn count(&mut self, key: &str, label: &str, count: impl TryInto<u64>) {
        let count = count.try_into().unwrap_or(u64::MAX);
        self.row(key, label, count.into(), Unit::Count);
    }

    /// Adds a number of some unit; one that is none (divided by nothing) is left out.
    pub fn figure(&mut self, key: &str, label: &str, unit: Unit, figure: f64) {
        if figure.is_finite() {
            self.row(key, label, json!((figure * 1000.0).round() / 1000.0), unit);
        }
    }

    /// Adds the shares of many times; nothing where there were none.
    pub fn times(&mut self, key: &str, label: &str, times: &Times) {
        if times.count() == 0 {
            return;
        }
        for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
            self.row(
                &format!("{key}_{name}_us"),
                &format!("{label}, {name}"),
                times.at(share).into(),
                Unit::Micros,
            );
        }
        self.row(
            &format!("{key}_max_us"),
            &format!("{label}, longest"),
            times.longest().into(),
            Unit::Micros,
        );
    }

    /// Adds numbers by code; in the table only where there are some.
    pub fn codes(&mut self, key: &str, label: &str, codes: &BTreeMap<u16, u64>) {
        let object: Map<_, _> = codes
            .iter()
            .map(|(code, count)| (code.to_string(), (*count).into()))
            .collect();
        self.row(key, label, Value::Object(object), Unit::Count);
    }

    /// Adds what the server has cost between two moments, for each of so many of something (`per`: one word in the key).
    pub fn cost(
        &mut self,
        before: Option<Usage>,
        after: Option<Usage>,
        seconds: f64,
        (per, times): (&str, u64),
    ) {
        let (Some(before), Some(after)) = (before, after) else {
            return;
        };
        let cpu = after.cpu - before.cpu;
        self.figure("server_cpu", "server, cores", Unit::Ratio, cpu / seconds);
        if times > 0 {
            self.figure(
                &format!("server_us_per_{per}"),
                &format!("server, µs per {per}"),
                Unit::Ratio,
                cpu * 1e6 / times as f64,
            );
        }
        self.figure(
            "server_rss_before_bytes",
            "server memory before",
            Unit::Bytes,
            before.resident as f64,
        );
        self.figure(
            "server_rss_after_bytes",
            "server memory after",
            Unit::Bytes,
            after.resident as f64,
        );
        self.figure(
            "server_rss_peak_bytes",
            "server memory, peak",
            Unit::Bytes,
            after.peak as f64,
        );
    }

    /// Adds what the generator took: where that is near 1.00, it was the limit.
    pub fn generator(&mut self, before: Usage, after: Usage, seconds: f64) {
        self.figure(
            "generator_cpu",
            "generator, cores",
            Unit::Ratio,
            (after.cpu - before.cpu) / seconds,
        );
    }

    fn row(&mut self, key: &str, label: &str, value: Value, unit: Unit) {
        self.0.push(Row {
            key: key.to_owned(),
            label: label.to_owned(),
            value,
            unit,
        });
    }

    /// As one JSON object.
    pub fn json(self) -> String {
        Value::Object(self.0.into_iter().map(|row| (row.key, row.value)).collect()).to_string()
    }

    /// As a table.
    pub fn table(&self) -> String {
        let shown: Vec<_> = self
            .0
            .iter()
            .filter(|row| row.is_shown())
            .map(|row| (row.label.as_str(), row.shown()))
            .collect();
        let label = shown
            .iter()
            .map(|(label, _)| label.chars().count())
            .max()
            .unwrap_or(0);
        let value = shown
            .iter()
            .map(|(_, value)| value.chars().count())
            .max()
            .unwrap_or(0);
        shown
            .iter()
            .map(|(name, text)| format!("{name:<label$}  {text:>value$}"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Row {
    fn is_shown(&self) -> bool {
        self.value.as_object().is_none_or(|codes| !codes.is_empty())
    }

    fn shown(&self) -> String {
        match (&self.value, self.unit) {
            (Value::String(text), _) => text.chars().filter(|c| !c.is_control()).collect(),
            (Value::Object(codes), _) => codes
                .iter()
                .map(|(code, count)| format!("{code}: {count}"))
                .collect::<Vec<_>>()
                .join(", "),
            (value, unit) => number(value.as_f64().unwrap_or_default(), unit),
        }
    }
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => grouped(value),
        Unit::Ratio => format!("{value:.2}"),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Micros => format!("{:.2} ms", value / 1000.0),
        Unit::Bytes if value.abs() >= 10.0 * 1024.0 * 1024.0 => {
            format!("{:.1} MiB", value / 1024.0 / 1024.0)
        }
        Unit::Bytes => format!("{} B", grouped(value)),
    }
}

/// Rounded, with a comma before every three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < -0.5 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_leaves_out_what_is_empty() {
        let mut report = Report::default();
        report.text("target", "target", "ws://a/\u{1b}k");
        report.count("ready", "connected", 1_234_567_u64);
        report.figure("rate", "rate", Unit::Ratio, f64::NAN);
        report.codes("refused", "refused", &BTreeMap::new());
        report.codes("closed", "closed", &BTreeMap::from([(4100, 3)]));
        report.figure("memory", "memory", Unit::Bytes, 20.0 * 1024.0 * 1024.0);
        assert_eq!(
            report.table(),
            "target      ws://a/k\nconnected  1,234,567\nclosed       4100: 3\nmemory      20.0 MiB"
        );
        let json: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(
            (&json["ready"], &json["refused"], &json["closed"]["4100"]),
            (&json!(1_234_567), &json!({}), &json!(3))
        );
        assert!(json.get("rate").is_none());
    }

    #[test]
    fn numbers_are_grouped() {
        let text = [0.0, 999.0, 1000.0, -1234.0, 1e6].map(grouped);
        assert_eq!(text, ["0", "999", "1,000", "-1,234", "1,000,000"]);
    }
}
