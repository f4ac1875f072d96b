//! How retention works.

use crate::domain::DefaultDays;
use crate::settings::settings;

settings! {
    /// When sagas are purged, and how fast.
    #[derive(Debug)]
    pub struct RetentionSettings of [retention] {
        /// Whether this tracker decides what is purged. Of several replicas one should: every replica applies what
        /// was decided.
        #[option(Switch)]
        pub enabled: bool = false,
        /// Days after its last event that a saga in COMPLETED, FAILED or COMPENSATED is kept, unless its definition
        /// says otherwise.
        #[option(Integer(0, 36_500))]
        pub finished_days: u64 = 90,
        /// Days after its last event that any other saga is kept, unless its definition says otherwise.
        #[option(Integer(0, 36_500))]
        pub unfinished_days: u64 = 365,
        /// Hours after the arrival of its last delivery within which no saga is purged, however old its events are.
        #[option(Integer(0, 87_600))]
        pub quiet_hours: u64 = 24,
        /// Sagas that are purged in a second, at most.
        #[option(Integer(1, 1_000_000))]
        pub sagas_per_second: u64 = 500,
        /// Sagas in one decision, and in one object of the archive, at most.
        #[option(Integer(1, 5_000))]
        pub batch_sagas: usize = 1_000,
        /// Seconds between the end of one search for sagas that are due and the next.
        #[option(Integer(1, 86_400))]
        pub pause_seconds: u64 = 600,
        /// Percent of the log that must have been purged before its files are merged, which frees their space.
        #[option(Integer(1, 100))]
        pub reclaim_percent: u64 = 10,
        /// Whether sagas are archived under objects.url before they are purged; then none is purged that is not
        /// archived.
        #[option(Switch)]
        pub archive: bool = false,
    }
}

impl RetentionSettings {
    /// What counts where no definition names days.
    pub fn default_days(&self) -> DefaultDays {
        DefaultDays {
            finished: self.finished_days,
            unfinished: self.unfinished_days,
        }
    }
}
