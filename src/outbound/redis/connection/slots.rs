//! The distribution of keys over the servers of a Redis Cluster (Redis Cluster specification, "Key
//! distribution model").
//!
//! The driver's own slot function is private, and CRC-16 is too short to be worth a dependency.

use redis::Value;

/// The number of slots of a cluster.
const SLOTS: usize = 16_384;

/// The hash slot of a key or topic.
pub(crate) fn hash_slot(name: &str) -> usize {
    let name = name.as_bytes();
    let tag = name.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &name[open + 1..];
        rest.iter()
            .position(|byte| *byte == b'}')
            .filter(|length| *length > 0)
            .map(|length| &rest[..length])
    });
    usize::from(crc16(tag.unwrap_or(name))) % SLOTS
}

/// CRC-16/XMODEM, as in the appendix of the specification.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

/// The owners of all slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotMap {
    /// Host and port of each server that owns slots.
    pub servers: Vec<(String, u16)>,
    /// For each slot the index of its server.
    owners: Vec<u16>,
}

impl SlotMap {
    /// Parses the reply to `CLUSTER SLOTS`. `replying_host` is used where the reply leaves the host
    /// empty. `None`: a slot has no owner, or the reply is malformed.
    pub(super) fn parse(reply: &Value, replying_host: &str) -> Option<Self> {
        let Value::Array(ranges) = reply else {
            return None;
        };
        let mut map = Self {
            servers: Vec::new(),
            owners: vec![u16::MAX; SLOTS],
        };
        for range in ranges {
            let Value::Array(range) = range else {
                return None;
            };
            let [
                Value::Int(first),
                Value::Int(last),
                Value::Array(server),
                ..,
            ] = range.as_slice()
            else {
                return None;
            };
            let [host, Value::Int(port), ..] = server.as_slice() else {
                return None;
            };
            let host = match host {
                Value::BulkString(host) if !host.is_empty() => {
                    String::from_utf8(host.clone()).ok()?
                }
                Value::SimpleString(host) if !host.is_empty() => host.clone(),
                _ => replying_host.to_owned(),
            };
            let server = (host, u16::try_from(*port).ok()?);
            let index = map
                .servers
                .iter()
                .position(|known| *known == server)
                .unwrap_or_else(|| {
                    map.servers.push(server);
                    map.servers.len() - 1
                });
            let slots = usize::try_from(*first).ok()?..=usize::try_from(*last).ok()?;
            map.owners.get_mut(slots)?.fill(u16::try_from(index).ok()?);
        }
        map.owners
            .iter()
            .all(|owner| *owner != u16::MAX)
            .then_some(map)
    }

    /// The owner of a key or topic, an index into `servers`.
    pub(super) fn server_of(&self, name: &str) -> usize {
        self.owners
            .get(hash_slot(name))
            .map_or(0, |owner| usize::from(*owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_match_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(hash_slot("foo"), 12_182);
        assert_eq!(
            hash_slot("{user1000}.following"),
            hash_slot("{user1000}.followers")
        );
        assert_eq!(
            hash_slot("foo{}{bar}"),
            usize::from(crc16(b"foo{}{bar}")) % SLOTS
        );
        assert_eq!(
            hash_slot("foo{{bar}}zap"),
            usize::from(crc16(b"{bar")) % SLOTS
        );
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        Value::Array(vec![
            Value::Int(first),
            Value::Int(last),
            Value::Array(vec![
                text(host),
                Value::Int(port),
                text("id"),
                Value::Array(vec![]),
            ]),
        ])
    }

    #[test]
    fn a_map_finds_the_server_of_a_name() {
        let reply = Value::Array(vec![
            range(0, 8000, "", 1),
            range(8001, 16_000, "b", 2),
            range(16_001, 16_383, "", 1),
        ]);
        let map = SlotMap::parse(&reply, "a").unwrap();
        assert_eq!(map.servers, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(map.server_of("foo"), 1);
    }

    #[test]
    fn a_map_with_unowned_slots_is_rejected() {
        assert_eq!(
            SlotMap::parse(&Value::Array(vec![range(0, 8000, "a", 1)]), "a"),
            None
        );
        assert_eq!(
            SlotMap::parse(&Value::Array(vec![range(0, 20_000, "a", 1)]), "a"),
            None
        );
        assert_eq!(SlotMap::parse(&Value::Nil, "a"), None);
    }
}
