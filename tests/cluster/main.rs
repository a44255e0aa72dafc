//! Several nodes act as one.

mod order;
