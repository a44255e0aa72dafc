//! What the server should count, as the generator knows it, and what it does count.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::clients::{Client, ClientState};

/// Counts by their names, in the order of the report.
pub(super) type Counts = BTreeMap<&'static str, u64>;

/// The gauges of `/metrics` that the generator knows, by the names of [`Counts`].
const GAUGES: [(&str, &str); 3] = [
    ("connections", "pushi_connections"),
    ("subscriptions", "pushi_subscriptions"),
    ("channels", "pushi_channels"),
];

/// The number of presence members, which no gauge shows.
pub(super) const MEMBERS: &str = "members";

/// What the server should count: all clients that are ready, without the subscriptions (client, channel) that they ended.
pub(super) fn expected(clients: &[Client], ended: &HashSet<(usize, u32)>) -> Counts {
    let ready = || {
        let clients = clients.iter().enumerate();
        clients.filter(|(_, client)| client.state == ClientState::Ready)
    };
    let subscriptions: Vec<(usize, u32)> = ready()
        .flat_map(|(index, client)| client.channels.iter().map(move |channel| (index, *channel)))
        .filter(|subscription| !ended.contains(subscription))
        .collect();
    let channels: BTreeSet<u32> = subscriptions.iter().map(|(_, channel)| *channel).collect();
    let members: BTreeSet<(u32, usize)> = ready()
        .filter_map(|(_, client)| Some((*client.channels.first()?, client.member()?)))
        .collect();
    Counts::from([
        ("connections", size(ready().count())),
        ("subscriptions", size(subscriptions.len())),
        ("channels", size(channels.len())),
        (MEMBERS, size(members.len())),
    ])
}

/// The gauges in an answer of `/metrics`.
pub(super) fn gauges(metrics: &str) -> Counts {
    let value = |gauge: &str| {
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(gauge)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    };
    GAUGES
        .iter()
        .filter_map(|(name, gauge)| Some((*name, value(gauge)?)))
        .collect()
}

/// What differs, as text: what the server counts besides the `others` that were there before the run, and what is true.
pub(super) fn differences(truth: &Counts, counted: &Counts, others: &Counts) -> Vec<String> {
    let differs = |(name, expected): (&&str, &u64)| {
        let Some(counted) = counted.get(name) else {
            return Some(format!("{name} are not counted"));
        };
        let counted = counted.saturating_sub(others.get(name).copied().unwrap_or(0));
        (counted != *expected).then(|| format!("{counted} {name} instead of {expected}"))
    };
    truth.iter().filter_map(differs).collect()
}

fn size(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_clients_and_what_they_did_not_end_count() {
        let mut clients = vec![
            Client::new(vec![0, 1], None),
            Client::new(vec![2], Some(7)),
            Client::new(vec![2], Some(7)),
            Client::new(vec![3], None),
        ];
        for client in &mut clients[..3] {
            client.state = ClientState::Ready;
        }
        let truth = expected(&clients, &HashSet::from([(0, 1)]));
        let counts = [
            ("connections", 3),
            ("subscriptions", 3),
            ("channels", 2),
            (MEMBERS, 1),
        ];
        assert_eq!(truth, Counts::from(counts));
    }

    #[test]
    fn a_gauge_that_differs_is_named() {
        let metrics = "# HELP x\npushi_connections_opened_total 9\npushi_connections 5\npushi_subscriptions 3\npushi_channels 2\n";
        let counted = gauges(metrics);
        assert_eq!(counted["connections"], 5);
        let others = Counts::from([("connections", 1)]);
        let truth = Counts::from([("connections", 4), ("subscriptions", 3), ("channels", 2)]);
        assert!(differences(&truth, &counted, &others).is_empty());
        let truth = Counts::from([("connections", 5), (MEMBERS, 1)]);
        assert_eq!(
            differences(&truth, &counted, &others),
            ["4 connections instead of 5", "members are not counted"]
        );
    }
}
