//! Dead letters after they are stored: publishing them to the dead-letter topic, finding them, and
//! what operators do with them (redrive, discard), and letting go of those that were settled long ago.
//!
//! Which records become dead letters, and how one is marked when its event comes back, is decided in
//! `ingest`; how often which state is counted, in `store::letters`.

mod announce;
mod desk;
mod discard;
mod events;
mod filter;
mod forecast;
mod foreign;
mod id;
mod list;
mod named;
mod publish;
mod read;
pub mod redrive;
mod remove;
mod retention;
mod revise;
mod search_log;
mod settings;
mod view;

pub use announce::AnnounceApplier;
pub use desk::{Desk, DeskError, Sources};
pub use discard::{DiscardApplier, DiscardOrder, Discarded, discard};
pub use events::{ReplayOrder, ReplayResult, ReplayStatus};
pub use filter::LetterFilter;
pub use forecast::{Forecast, Forecaster, Outlook, Standing};
pub use foreign::{FOREIGN_REASON, ForeignLetters};
pub use id::{ACCEPTED_ID, LetterId, NoLetterId};
pub use list::{GroupBy, LetterGroup, LetterPage, ListError, Listed};
pub use named::Deciding;
pub use publish::{PublishSettings, Publisher};
pub use read::{DeadLetter, dead_letters_from};
pub use remove::RemoveApplier;
pub use retention::{LetterRetention, Swept};
pub use revise::{Change, EventEdit, Hopeless, Revised, is_reserved};
pub use search_log::ReplayError;
pub use settings::LetterSettings;
pub use view::{CameBack, Episode, Examined, LetterView, Story};

#[cfg(test)]
mod list_tests;
#[cfg(test)]
pub(crate) mod testing;
