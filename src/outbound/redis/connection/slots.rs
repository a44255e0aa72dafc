//! Which server of a Redis Cluster has what (Redis Cluster specification, "Key distribution model").

use redis::Value;

/// How many slots there are.
const SLOTS: usize = 16_384;

/// The slot of a key or topic.
pub fn slot(name: &str) -> usize {
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

/// CRC-16/XMODEM, as the specification's appendix has it.
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

/// Which server has which slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotMap {
    /// Host and port of each server that has any.
    pub servers: Vec<(String, u16)>,
    owners: Vec<u16>,
}

impl SlotMap {
    /// Reads the answer to `CLUSTER SLOTS`; `asked` is the host that gave it, which it need not name. `None`: slots
    /// are missing, or it is no such answer.
    pub fn read(answer: &Value, asked: &str) -> Option<Self> {
        let Value::Array(ranges) = answer else {
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
                _ => asked.to_owned(),
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

    /// The server that has a key or topic, an index into `servers`.
    pub fn server(&self, name: &str) -> usize {
        self.owners
            .get(slot(name))
            .map_or(0, |owner| usize::from(*owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
        assert_eq!(
            slot("foo{}{bar}"),
            usize::from(crc16(b"foo{}{bar}")) % SLOTS
        );
        assert_eq!(slot("foo{{bar}}zap"), usize::from(crc16(b"{bar")) % SLOTS);
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
    fn a_map_tells_the_server_of_a_name() {
        let answer = Value::Array(vec![
            range(0, 8000, "", 1),
            range(8001, 16_000, "b", 2),
            range(16_001, 16_383, "", 1),
        ]);
        let map = SlotMap::read(&answer, "a").unwrap();
        assert_eq!(map.servers, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(map.server("foo"), 1);
    }

    #[test]
    fn a_map_with_holes_is_none() {
        assert_eq!(
            SlotMap::read(&Value::Array(vec![range(0, 8000, "a", 1)]), "a"),
            None
        );
        assert_eq!(
            SlotMap::read(&Value::Array(vec![range(0, 20_000, "a", 1)]), "a"),
            None
        );
        assert_eq!(SlotMap::read(&Value::Nil, "a"), None);
    }
}
