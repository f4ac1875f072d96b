//! The only place that reads the clock or draws an identifier. Everything else takes them as arguments.

use jiff::Timestamp;
use uuid::Uuid;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Makes event ids.
pub trait EventIds: Send + Sync {
    /// An id that no other event has.
    fn next(&self) -> String;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else takes as an argument"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Random UUIDs (version 4).
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomEventIds;

impl EventIds for RandomEventIds {
    fn next(&self) -> String {
        Uuid::new_v4().to_string()
    }
}
