//! The AsyncAPI document names each frame and each code that the source does, and its examples are frames. That the frames
//! of all other tests are those of the document is checked by the clients that send and receive them.

use std::collections::BTreeSet;
use std::path::Path;

use pushi::core::ports::DialectId;
use pushi_test_support::{
    FrameSchema, FrameSender, check_frame, frame_schemas, product_code, schema_channel,
};
use serde_json::Value;

const DIALECTS: [DialectId; 2] = [DialectId::Pushi, DialectId::Pusher];
const SENDERS: [FrameSender; 2] = [FrameSender::Client, FrameSender::Server];

fn document() -> Value {
    serde_json::from_str(pushi::inbound::rest::asyncapi_document()).unwrap()
}

fn schemas() -> impl Iterator<Item = (DialectId, FrameSender, &'static FrameSchema)> {
    DIALECTS.into_iter().flat_map(|dialect| {
        SENDERS.into_iter().flat_map(move |sender| {
            let all = frame_schemas(dialect, sender).iter();
            all.map(move |schema| (dialect, sender, schema))
        })
    })
}

fn events_of(dialect: DialectId, sender: FrameSender) -> BTreeSet<String> {
    let schemas = frame_schemas(dialect, sender).iter();
    schemas.filter_map(|schema| schema.event.clone()).collect()
}

/// The events of the protocol that a file or folder names.
fn events_in(place: &str) -> BTreeSet<String> {
    let code = product_code(Path::new(env!("CARGO_MANIFEST_DIR")).join(place));
    let names = code.split('"').filter(|text| {
        ["pusher:", "pusher_internal:"].iter().any(|prefix| {
            text.strip_prefix(prefix).is_some_and(|name| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte == b'_' || byte.is_ascii_lowercase())
            })
        })
    });
    names.map(str::to_owned).collect()
}

/// The numbers from 4000 to 4399 that a file or folder names.
fn codes_in(place: &str) -> BTreeSet<u64> {
    /// A number of bytes.
    const NO_CODE: u64 = 4096;
    let code = product_code(Path::new(env!("CARGO_MANIFEST_DIR")).join(place));
    code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
        .filter_map(|word| word.parse().ok())
        .filter(|number| (4000..4400).contains(number) && *number != NO_CODE)
        .collect()
}

#[test]
fn each_message_belongs_to_an_operation() {
    let document = document();
    for dialect in DIALECTS {
        let channel = &document["channels"][schema_channel(dialect)];
        let described: BTreeSet<&String> =
            channel["messages"].as_object().unwrap().keys().collect();
        let used = SENDERS
            .iter()
            .flat_map(|sender| frame_schemas(dialect, *sender));
        assert_eq!(
            used.map(|schema| &schema.key).collect::<BTreeSet<_>>(),
            described
        );
        for sender in SENDERS {
            let any = frame_schemas(dialect, sender).iter();
            assert_eq!(any.filter(|schema| schema.event.is_none()).count(), 1);
        }
    }
}

#[test]
fn examples_are_frames_of_their_message() {
    for (dialect, sender, schema) in schemas() {
        let place = format!("{} {sender:?} {}", schema_channel(dialect), schema.key);
        assert!(!schema.examples.is_empty(), "{place}");
        for example in &schema.examples {
            let faults = schema.faults(example);
            assert!(faults.is_empty(), "{place}: {faults:?}");
            assert_eq!(
                check_frame(dialect, sender, &example.to_string()),
                Ok(()),
                "{place}"
            );
            // The schemas are closed: a member that is none is found.
            let mut other = example.clone();
            other["evnet"] = true.into();
            let open = (dialect, sender, schema.event.is_none())
                == (DialectId::Pushi, FrameSender::Server, true);
            assert_eq!(schema.faults(&other).is_empty(), open, "{place}");
        }
    }
}

#[test]
fn json_within_strings_is_checked() {
    let faulty = r#"{"event":"pusher:connection_established","data":"{\"socket_id\":7}"}"#;
    assert!(check_frame(DialectId::Pushi, FrameSender::Server, faulty).is_err());
    let nested = r#"{"event":"pusher:signin_success","data":"{\"user_data\":\"{}\"}"}"#;
    assert!(check_frame(DialectId::Pusher, FrameSender::Server, nested).is_err());
}

#[test]
fn every_event_of_the_source_is_described() {
    let described: BTreeSet<String> = schemas()
        .filter_map(|(_, _, schema)| schema.event.clone())
        .collect();
    assert_eq!(
        events_in("src/inbound/websocket"),
        described,
        "source and document"
    );
    for dialect in DIALECTS {
        let folder = format!("src/inbound/websocket/dialect/{}", schema_channel(dialect));
        let decoded = events_in(&format!("{folder}/decode.rs"));
        assert_eq!(decoded, events_of(dialect, FrameSender::Client), "{folder}");
        let encoded = events_in(&format!("{folder}/encode.rs"));
        let missing: Vec<_> = encoded
            .difference(&events_of(dialect, FrameSender::Server))
            .cloned()
            .collect();
        assert!(
            !encoded.is_empty() && missing.is_empty(),
            "{folder}: {missing:?}"
        );
    }
}

#[test]
fn every_code_of_the_source_is_described() {
    let document = document();
    let mut described = BTreeSet::new();
    for dialect in ["Pushi", "Pusher"] {
        let codes = &document["components"]["schemas"][format!("{dialect}ErrorCode")]["oneOf"];
        described.extend(
            codes
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|code| code["const"].as_u64()),
        );
        let closes = &document["channels"][dialect.to_lowercase()]["x-close-codes"];
        // Those below are WebSocket's own.
        let closes = closes
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|close| close["code"].as_u64());
        described.extend(closes.filter(|code| *code >= 4000));
    }
    let named: BTreeSet<u64> = [
        "src/inbound/websocket",
        "src/core/service/connect.rs",
        "src/core/model/settings.rs",
    ]
    .into_iter()
    .flat_map(codes_in)
    .collect();
    assert_eq!(named, described, "source and document");
}

#[test]
fn the_document_has_the_version_of_the_crate() {
    assert_eq!(
        document()["info"]["version"],
        env!("CARGO_PKG_VERSION"),
        "set info.version in openapi/asyncapi.json"
    );
}
