//! A frame from the server.

use serde_json::Value;

/// A frame from the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub value: Value,
    pub text: String,
}

impl Frame {
    pub fn read(text: &str) -> Self {
        let value: Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"));
        assert!(value.is_object(), "not an object: {text}");
        Self {
            value,
            text: text.to_owned(),
        }
    }

    pub fn event(&self) -> &str {
        self.value["event"]
            .as_str()
            .unwrap_or_else(|| panic!("no event: {self:?}"))
    }

    pub fn channel(&self) -> &str {
        self.value["channel"]
            .as_str()
            .unwrap_or_else(|| panic!("no channel: {self:?}"))
    }

    /// `data`, which is a string.
    pub fn data(&self) -> &str {
        self.value["data"]
            .as_str()
            .unwrap_or_else(|| panic!("data is no string: {self:?}"))
    }

    /// `data`, parsed as JSON.
    pub fn inner(&self) -> Value {
        serde_json::from_str(self.data())
            .unwrap_or_else(|error| panic!("data is not JSON ({error}): {self:?}"))
    }

    /// `member`, parsed as JSON.
    pub fn member(&self) -> Value {
        let text = self.value["member"]
            .as_str()
            .unwrap_or_else(|| panic!("no member: {self:?}"));
        serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("member is not JSON ({error}): {self:?}"))
    }

    pub fn serial(&self) -> u64 {
        self.value["serial"]
            .as_u64()
            .unwrap_or_else(|| panic!("no serial: {self:?}"))
    }

    /// An error frame's code.
    pub fn code(&self) -> u64 {
        self.value["data"]["code"]
            .as_u64()
            .unwrap_or_else(|| panic!("no code: {self:?}"))
    }

    /// An error frame's message.
    pub fn message(&self) -> &str {
        self.value["data"]["message"]
            .as_str()
            .unwrap_or_else(|| panic!("no message: {self:?}"))
    }
}

/// The data of past events.
pub fn event_texts(state: &Value) -> Vec<&str> {
    events(state)
        .iter()
        .map(|event| event["data"]["data"].as_str().unwrap())
        .collect()
}

/// The serials of past events.
pub fn serials(state: &Value) -> Vec<u64> {
    events(state)
        .iter()
        .map(|event| event["serial"].as_u64().unwrap())
        .collect()
}

fn events(state: &Value) -> &Vec<Value> {
    state["events"].as_array().unwrap()
}

/// The users on a presence channel, as listed.
pub fn users(state: &Value) -> Vec<&str> {
    state["members"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}
