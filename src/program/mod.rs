//! Wing: the program. Its commands, its options, the demo, what monitors it, and who is wired to whom.

pub mod cli;
pub mod config;
pub mod demo;
pub mod monitoring;
pub mod wiring;
