//! How long what is settled about dead letters is kept, and how much a replay by ids may read.

use crate::settings::settings;

settings! {
    /// How long dead letters and redrives are kept.
    #[derive(Debug)]
    pub struct DeadLetterSettings of [dead_letters] {
        /// Days after which dead letters that were redriven or discarded are no longer kept, on every replica; 0
        /// keeps all. Open ones always stay.
        #[option(Integer(0, 36_500))]
        pub settled_days: u64 = 90,
        /// Days after its end for which what became of a redrive, or of a dry run, is kept; 0 keeps all.
        #[option(Integer(0, 36_500))]
        pub redrive_days: u64 = 90,
        /// Events of the log that one replay by event ids looks through, at most; beyond that the sagas have to be
        /// named.
        #[option(Integer(0, 1_000_000_000_000))]
        pub replay_events: u64 = 20_000_000,
    }
}
