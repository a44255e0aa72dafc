//! The entry points of fuzzing (`tests/fuzz`): each takes any bytes, and panics where a rule of its part does not hold.
//!
//! The targets live beside what they test, because most of that is private.

use crate::config::fuzzing as config;
use crate::inbound::listen::fuzzing as listen;
use crate::inbound::rest::fuzzing as rest;
use crate::inbound::websocket::dialect::fuzzing as decoders;
use crate::inbound::websocket::fuzzing as frames;
use crate::inbound::wire::fuzzing as wire;
use crate::outbound::redis::fuzzing as redis;

/// A target: its name, which is that of its folder in `tests/fuzz/corpus`, and its entry point.
pub type FuzzTarget = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [FuzzTarget; 9] = [
    ("request_head", listen::request_head),
    ("websocket_frames", frames::websocket_frames),
    ("pushi_decoder", decoders::pushi),
    ("pusher_decoder", decoders::pusher),
    ("signed_query", rest::signed_query),
    ("payload", wire::payload),
    ("bus_message", redis::bus_message),
    ("settings", config::settings),
    ("dotenv", config::dotenv),
];

/// Runs a target; an unknown name panics.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    match target {
        Some((_, target)) => target(bytes),
        None => panic!("there is no target {name}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Without a fuzzer: what was found once, and one valid input of each kind, on every run of the tests.
    #[test]
    fn the_committed_inputs_break_no_rule() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        for (name, target) in TARGETS {
            let inputs = fs::read_dir(corpus.join(name)).unwrap();
            let inputs: Vec<_> = inputs.map(|input| input.unwrap().path()).collect();
            assert!(!inputs.is_empty(), "{name} has no inputs");
            for input in inputs {
                let bytes = fs::read(&input).unwrap();
                // The harness shows the output of a test that fails.
                println!("{}", input.display());
                target(&bytes);
                // Cut at any place, as a broken connection leaves it.
                (0..bytes.len().min(512)).for_each(|length| target(&bytes[..length]));
            }
        }
    }
}
