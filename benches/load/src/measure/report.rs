//! The result of a run, as a table or as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::histogram::LatencyHistogram;
use super::process::ProcessUsage;

/// The unit of a number, and so its format in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A whole number.
    Count,
    /// A number with two decimals.
    Ratio,
    Seconds,
    /// Microseconds, formatted as milliseconds.
    Micros,
    /// Bytes, formatted as MiB from 10 MiB up.
    Bytes,
}

/// The rows of a report, in the order of the table.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

struct Row {
    /// The member's name in JSON.
    key: String,
    /// The name in the table.
    label: String,
    value: Value,
    unit: Unit,
}

impl Report {
    pub(crate) fn text(&mut self, key: &str, label: &str, text: &str) {
        self.row(key, label, text.into(), Unit::Count);
    }

    /// Adds a whole number.
    pub(crate) fn count(&mut self, key: &str, label: &str, count: impl TryInto<u64>) {
        let count = count.try_into().unwrap_or(u64::MAX);
        self.row(key, label, count.into(), Unit::Count);
    }

    /// Adds a number, rounded to three decimals. NaN and infinity (division by zero) are left out.
    pub(crate) fn figure(&mut self, key: &str, label: &str, unit: Unit, figure: f64) {
        if figure.is_finite() {
            self.row(key, label, json!((figure * 1000.0).round() / 1000.0), unit);
        }
    }

    /// Adds quantiles and maximum of a histogram, unless it is empty.
    pub(crate) fn latencies(&mut self, key: &str, label: &str, times: &LatencyHistogram) {
        if times.count() == 0 {
            return;
        }
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
            self.row(
                &format!("{key}_{name}_us"),
                &format!("{label}, {name}"),
                times.quantile(quantile).into(),
                Unit::Micros,
            );
        }
        self.row(
            &format!("{key}_max_us"),
            &format!("{label}, longest"),
            times.max().into(),
            Unit::Micros,
        );
    }

    /// Adds counts by code. The table leaves an empty map out.
    pub(crate) fn codes(&mut self, key: &str, label: &str, codes: &BTreeMap<u16, u64>) {
        let object: Map<_, _> = codes
            .iter()
            .map(|(code, count)| (code.to_string(), (*count).into()))
            .collect();
        self.row(key, label, Value::Object(object), Unit::Count);
    }

    /// Adds the CPU time and memory that the server used between two measurements, and its CPU time
    /// per operation: the name of an operation, as a part of the key, and the number of operations.
    pub(crate) fn server_usage(
        &mut self,
        before: Option<ProcessUsage>,
        after: Option<ProcessUsage>,
        seconds: f64,
        (operation, count): (&str, u64),
    ) {
        let (Some(before), Some(after)) = (before, after) else {
            return;
        };
        let cpu = after.cpu - before.cpu;
        self.figure("server_cpu", "server, cores", Unit::Ratio, cpu / seconds);
        if count > 0 {
            self.figure(
                &format!("server_us_per_{operation}"),
                &format!("server, µs per {operation}"),
                Unit::Ratio,
                cpu * 1e6 / count as f64,
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

    /// Adds the CPU cores that the generator used; near 1.00 the generator was the limit.
    pub(crate) fn generator_usage(
        &mut self,
        before: ProcessUsage,
        after: ProcessUsage,
        seconds: f64,
    ) {
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

    /// The report as one JSON object.
    pub(crate) fn json(self) -> String {
        Value::Object(self.0.into_iter().map(|row| (row.key, row.value)).collect()).to_string()
    }

    /// The report as lines of label and value.
    pub(crate) fn table(&self) -> String {
        let rows: Vec<_> = self
            .0
            .iter()
            .filter(|row| row.is_in_table())
            .map(|row| (row.label.as_str(), row.formatted()))
            .collect();
        let label = rows
            .iter()
            .map(|(label, _)| label.chars().count())
            .max()
            .unwrap_or(0);
        let value = rows
            .iter()
            .map(|(_, value)| value.chars().count())
            .max()
            .unwrap_or(0);
        rows.iter()
            .map(|(name, text)| format!("{name:<label$}  {text:>value$}"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Row {
    fn is_in_table(&self) -> bool {
        self.value.as_object().is_none_or(|codes| !codes.is_empty())
    }

    fn formatted(&self) -> String {
        match (&self.value, self.unit) {
            (Value::String(text), _) => text.chars().filter(|c| !c.is_control()).collect(),
            (Value::Object(codes), _) => codes
                .iter()
                .map(|(code, count)| format!("{code}: {count}"))
                .collect::<Vec<_>>()
                .join(", "),
            (value, unit) => format_number(value.as_f64().unwrap_or_default(), unit),
        }
    }
}

fn format_number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => group_digits(value),
        Unit::Ratio => format!("{value:.2}"),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Micros => format!("{:.2} ms", value / 1000.0),
        Unit::Bytes if value.abs() >= 10.0 * 1024.0 * 1024.0 => {
            format!("{:.1} MiB", value / 1024.0 / 1024.0)
        }
        Unit::Bytes => format!("{} B", group_digits(value)),
    }
}

/// The rounded number with thousands separators.
fn group_digits(value: f64) -> String {
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
    fn a_table_is_aligned_and_leaves_empty_values_out() {
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
    fn digits_are_grouped() {
        let text = [0.0, 999.0, 1000.0, -1234.0, 1e6].map(group_digits);
        assert_eq!(text, ["0", "999", "1,000", "-1,234", "1,000,000"]);
    }
}
