//! Dead letters after they are stored: publishing them to the dead-letter topic, finding them, and
//! what operators do with them (redrive, discard), and letting go of those that were settled long ago.
//!
//! Which records become dead letters, and how one is marked when its event comes back, is decided in
//! `ingest`; how often which state is counted, in `store::dead_letters`.

mod announce;
mod applier;
mod asking;
mod consumption;
mod discard;
mod events;
mod external;
mod filter;
mod forecast;
mod id;
mod list;
mod listed;
mod named;
mod publish;
mod query;
pub mod redrive;
mod remove;
mod retention;
mod revise;
mod search_log;
mod settings;
mod stored;
mod stored_bytes;
mod view;

pub use applier::appliers;
pub use consumption::Consumption;
pub use discard::{DiscardOrder, Discarded, discard};
pub use events::{ReplayOrder, ReplayResult, ReplayStatus};
pub use external::{EXTERNAL_REASON, ExternalDeadLetters};
pub use filter::DeadLetterFilter;
pub use forecast::{Forecast, Forecaster, PredictedOutcome, Standing};
pub use id::{ACCEPTED_ID, DeadLetterId, NoDeadLetterId};
pub use list::{DeadLetterGroup, DeadLetterPage, GroupBy, ListError};
pub use listed::Listed;
pub use named::Deciding;
pub use publish::Publisher;
pub use query::{DeadLetterQuery, DeadLetterQueryError, Sources};
pub use retention::{DeadLetterRetention, Swept};
pub use revise::{CannotRedrive, Change, EventEdit, Revised, is_reserved};
pub use search_log::ReplayError;
pub use settings::DeadLetterSettings;
pub use stored::{DeadLetter, dead_letters_from};
pub use view::{DeadLetterHistory, DeadLetterView, Examined, HistoryEntry, RedriveOutcome};

#[cfg(test)]
pub(crate) mod testing;
