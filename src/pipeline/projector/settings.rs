//! How the projector works, as far as operators say.

use crate::settings::settings;

settings! {
    /// How the projector works.
    #[derive(Debug)]
    pub struct ProjectorSettings of [projector] {
        /// Projector threads; each saga belongs to one of them. 0 for half of the processors.
        #[option(Integer(0, 256))]
        pub shards: usize = 0,
        /// Events that are folded into one write of the projections, at most.
        #[option(Integer(1, 1_000_000))]
        pub window_events: usize = 8_192,
        /// How long a write of the projections waits for more events, at most, milliseconds: two while few come, the more the
        /// longer writes take. Bounds how stale answers are.
        #[option(Integer(1, 60_000))]
        pub window_ms: u64 = 20,
        /// Sagas whose state is kept in memory so that the next event need not read it, at most.
        #[option(Integer(1, 100_000_000))]
        pub remembered_sagas: usize = 16_384,
        /// Keep how all sagas stood at any instant: census; search, statistics and stuck sagas with asOf or knownAt;
        /// and how many sagas ever failed. A change takes effect after the rebuild that the next start begins.
        #[option(Switch)]
        pub past: bool = true,
        /// Keep which sagas are of a trace. Without it a search by traceId looks at sagas one by one. A change takes
        /// effect after the rebuild that the next start begins.
        #[option(Switch)]
        pub traces: bool = true,
        /// Keep what became of every offset: the ledger, its health and its metrics. A change takes effect after the
        /// rebuild that the next start begins.
        #[option(Switch)]
        pub ledger: bool = true,
    }
}

impl ProjectorSettings {
    pub(super) fn shard_count(&self) -> usize {
        match self.shards {
            0 => std::thread::available_parallelism()
                .map_or(1, |n| n.get().div_ceil(2))
                .min(16),
            given => given.min(256),
        }
    }
}
