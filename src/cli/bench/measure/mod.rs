//! What was measured, and how it is shown.

pub mod machine;
pub mod progress;
pub mod report;
pub mod times;
