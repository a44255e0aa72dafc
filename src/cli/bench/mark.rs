//! The mark by which a delivery is known: the number of its publish, at a place that hardly ever changes.

use super::wire::words::find;

const BEGIN: &[u8] = b"#b";
const END: u8 = b'#';
const DIGITS: usize = 8;

/// Bytes of a mark.
pub const LENGTH: usize = BEGIN.len() + DIGITS + 1;

/// The data of an event: a mark of 0, filled up to `bytes`.
pub fn data(bytes: usize) -> String {
    let mark = format!("#b{:08x}#", 0);
    format!("{mark}{}", "x".repeat(bytes.saturating_sub(LENGTH)))
}

/// Where the digits of the mark are.
pub fn place(bytes: &[u8]) -> Option<usize> {
    let at = find(bytes, BEGIN)? + BEGIN.len();
    digits(bytes, at).map(|_| at)
}

/// Writes a number into the digits at `at`.
pub fn write(bytes: &mut [u8], at: usize, number: u32) {
    let digits = bytes.get_mut(at..at + DIGITS).unwrap_or_default();
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * place) & 15) as usize];
    }
}

fn digits(bytes: &[u8], at: usize) -> Option<u32> {
    let (digits, rest) = bytes.get(at..)?.split_at_checked(DIGITS)?;
    if rest.first() != Some(&END) || bytes.get(at.checked_sub(BEGIN.len())?..at) != Some(BEGIN) {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        Some(number << 4 | char::from(*digit).to_digit(16)?)
    })
}

/// Reads marks: first where the last one was.
#[derive(Default)]
pub struct Reader {
    at: usize,
}

impl Reader {
    /// The number in a delivery; `None`: it is none.
    pub fn number(&mut self, payload: &[u8]) -> Option<u32> {
        if let Some(number) = digits(payload, self.at) {
            return Some(number);
        }
        self.at = place(payload)?;
        digits(payload, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_wherever_it_is() {
        let mut reader = Reader::default();
        for (front, number) in [
            ("", 0),
            ("{\"data\":\"", 1),
            ("{\"data\":\"", u32::MAX),
            ("{\"channel\":\"#b\",\"data\":\"", 0xabc),
        ] {
            let mut frame = format!("{front}{}\"}}", data(64)).into_bytes();
            let Some(at) = place(&frame) else {
                // What looks like a mark and is none hides the one behind it: no channel is called so.
                assert_eq!(number, 0xabc);
                continue;
            };
            write(&mut frame, at, number);
            assert_eq!(reader.number(&frame), Some(number));
        }
        assert_eq!(reader.number(b"{\"event\":\"pusher:ping\"}"), None);
        assert_eq!(
            (data(64).len(), data(LENGTH).len(), data(0).len()),
            (64, LENGTH, LENGTH)
        );
    }
}
