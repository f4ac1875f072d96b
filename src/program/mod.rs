//! Wing: the program. Its commands, its options, the demo, and who is wired to whom.

pub mod cli;
pub mod config;
pub mod demo;
pub mod wiring;
