//! Dead letters after they are stored: reading them, and publishing them to the dead-letter topic.
//!
//! Which records become dead letters is decided in `ingest`.

mod publish;
mod read;

pub use publish::{PublishSettings, Publisher};
pub use read::{DeadLetter, dead_letters_from};
