//! What goes over a connection, from the client's side.

pub mod answer;
pub mod frame;
pub mod line;
pub mod trust;
pub mod words;
