//! Dead letters after they are stored: publishing them to the dead-letter topic, finding them, and
//! what operators do with them (redrive, discard), and letting go of those that were settled long ago.
//!
//! Which records become dead letters, and how one is marked when its event comes back, is decided in
//! `ingest`; how often which state is counted, in `store::letters`.

mod announce;
mod discard;
mod events;
mod external;
mod filter;
mod forecast;
mod id;
mod list;
mod named;
mod publish;
mod query;
mod read;
pub mod redrive;
mod remove;
mod retention;
mod revise;
mod search_log;
mod settings;
mod view;

pub use announce::AnnounceApplier;
pub use discard::{DiscardApplier, DiscardOrder, Discarded, discard};
pub use events::{ReplayOrder, ReplayResult, ReplayStatus};
pub use external::{EXTERNAL_REASON, ExternalDeadLetters};
pub use filter::DeadLetterFilter;
pub use forecast::{Forecast, Forecaster, PredictedOutcome, Standing};
pub use id::{ACCEPTED_ID, DeadLetterId, NoDeadLetterId};
pub use list::{DeadLetterGroup, DeadLetterPage, GroupBy, ListError, Listed};
pub use named::Deciding;
pub use publish::Publisher;
pub use query::{DeadLetterQuery, DeadLetterQueryError, Sources};
pub use read::{DeadLetter, dead_letters_from};
pub use remove::RemoveApplier;
pub use retention::{DeadLetterRetention, Swept};
pub use revise::{CannotRedrive, Change, EventEdit, Revised, is_reserved};
pub use search_log::ReplayError;
pub use settings::DeadLetterSettings;
pub use view::{DeadLetterHistory, DeadLetterView, Examined, HistoryEntry, RedriveOutcome};

use crate::operations::decisions::Applier;
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::dead_letters::DeadLetterLock;

/// Who applies decisions about dead letters.
pub fn appliers(book: &DeadLetterLock, topics: &DeadLetterTopics) -> Vec<Box<dyn Applier>> {
    let (book, topics) = (|| book.clone(), || topics.clone());
    vec![
        Box::new(DiscardApplier {
            book: book(),
            topics: topics(),
        }),
        Box::new(AnnounceApplier {
            book: book(),
            topics: topics(),
        }),
        Box::new(RemoveApplier {
            book: book(),
            topics: topics(),
        }),
    ]
}

#[cfg(test)]
mod list_tests;
#[cfg(test)]
pub(crate) mod testing;
