//! The Lua scripts: each changes its keys and publishes the change in one atomic step.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// Registers an incarnation of a node.
    Register,
    /// Extends a node's lease and returns the incarnations that expired.
    Heartbeat,
    /// Adds channels to the index of an incarnation, or removes them.
    Index,
    /// Adds a connection to a presence channel.
    Join,
    /// Removes a connection from a presence channel.
    Leave,
    /// Removes what an expired incarnation left on a channel.
    Evict,
    /// Sets the number of a node's connections on a channel.
    Count,
}

/// The common beginning of the scripts of the node registry.
const REGISTRY: &str = include_str!("scripts/registry.lua");
/// The common beginning of the scripts of a presence channel.
const MEMBERS: &str = include_str!("scripts/members.lua");

impl Script {
    /// All scripts, in the order of their discriminants.
    pub(crate) const ALL: [Self; 7] = [
        Self::Register,
        Self::Heartbeat,
        Self::Index,
        Self::Join,
        Self::Leave,
        Self::Evict,
        Self::Count,
    ];

    /// The Lua source.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Register => REGISTRY.to_owned() + include_str!("scripts/register.lua"),
            Self::Heartbeat => REGISTRY.to_owned() + include_str!("scripts/heartbeat.lua"),
            Self::Index => include_str!("scripts/index.lua").to_owned(),
            Self::Join => MEMBERS.to_owned() + include_str!("scripts/join.lua"),
            Self::Leave => MEMBERS.to_owned() + include_str!("scripts/leave.lua"),
            Self::Evict => MEMBERS.to_owned() + include_str!("scripts/evict.lua"),
            Self::Count => include_str!("scripts/count.lua").to_owned(),
        }
    }
}
