//! What Redis does in one step.

/// A script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// A node begins a life.
    Enter,
    /// A node says that it lives, and hears who does not.
    Beat,
    /// A node notes on which presence channels it is.
    Note,
    /// A connection comes to a presence channel.
    Join,
    /// A connection leaves a presence channel.
    Leave,
    /// What a life of a node left on a channel goes.
    Evict,
    /// A node says how many of its connections are on a channel.
    Count,
}

/// What every script of the register begins with.
const REGISTER: &str = include_str!("scripts/register.lua");
/// What every script of a presence list begins with.
const LIST: &str = include_str!("scripts/list.lua");

impl Script {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Enter,
        Self::Beat,
        Self::Note,
        Self::Join,
        Self::Leave,
        Self::Evict,
        Self::Count,
    ];

    /// Its text.
    pub fn text(self) -> String {
        match self {
            Self::Enter => REGISTER.to_owned() + include_str!("scripts/enter.lua"),
            Self::Beat => REGISTER.to_owned() + include_str!("scripts/beat.lua"),
            Self::Note => include_str!("scripts/note.lua").to_owned(),
            Self::Join => LIST.to_owned() + include_str!("scripts/join.lua"),
            Self::Leave => LIST.to_owned() + include_str!("scripts/leave.lua"),
            Self::Evict => LIST.to_owned() + include_str!("scripts/evict.lua"),
            Self::Count => include_str!("scripts/count.lua").to_owned(),
        }
    }
}
