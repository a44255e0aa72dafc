//! The content of error frames, the same in all dialects.

/// What error frames repeat of the frame that caused them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The frame's `event`; empty where it had none.
    pub event: String,
    /// The frame's `ref`.
    pub reference: Option<String>,
}

/// An error frame. The Pusher dialect sends code and message only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorFrame {
    /// A code of the protocol page.
    pub code: u16,
    /// The problem and its remedy.
    pub message: String,
    /// The channel that the error is about; empty for none.
    pub channel: String,
    /// The frame that caused the error.
    pub request: RequestContext,
}

impl ErrorFrame {
    /// An error about the connection as a whole.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            ..Self::default()
        }
    }
}
