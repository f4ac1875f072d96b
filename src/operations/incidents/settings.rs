//! Who may send alerts, and for how long they are kept.

use crate::settings::settings;
use std::path::PathBuf;

settings! {
    /// Alerts that come in.
    #[derive(Debug)]
    pub struct IncidentSettings of [incidents] {
        /// File that holds the bearer token with which alerts are sent (POST /api/v1/alerts); without it, whoever
        /// reaches the port may send them. It is read again for each call.
        #[option(Path)]
        pub token_file: Option<PathBuf> = None,
        /// Incidents that are kept, at most, with 16 MiB of texts; those that are over go first, by how long ago they
        /// were told of.
        #[option(Integer(1, 10_000))]
        pub kept: usize = 1_000,
        /// Days after its end for which an incident is kept.
        #[option(Integer(1, 3_650))]
        pub kept_days: u64 = 90,
        /// Hours after which an open incident that nobody tells of any more counts as over. Longer than Alertmanager's
        /// repeat_interval.
        #[option(Integer(1, 8_760))]
        pub silent_hours: u64 = 72,
    }
}
