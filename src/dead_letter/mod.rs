//! Dead letters after they are stored: publishing them to the dead-letter topic, finding them, and
//! what operators do with them (redrive, discard).
//!
//! Which records become dead letters, and how one is marked when its event comes back, is decided in
//! `ingest`; how often which state is counted, in `store::letters`.

mod desk;
mod discard;
mod events;
mod filter;
mod forecast;
mod foreign;
mod id;
mod list;
mod publish;
mod read;
pub mod redrive;
mod revise;
mod view;

pub use desk::{Desk, DeskError, Sources};
pub use discard::{DiscardApplier, DiscardOrder, Discarded, discard};
pub use events::{ReplayOrder, ReplayResult, ReplayStatus};
pub use filter::LetterFilter;
pub use forecast::{Forecast, Forecaster, Outlook, Standing};
pub use foreign::{FOREIGN_REASON, ForeignLetters};
pub use id::{ACCEPTED_ID, LetterId, NoLetterId};
pub use list::{GroupBy, LetterGroup, LetterPage, ListError, Listed};
pub use publish::{PublishSettings, Publisher};
pub use read::{DeadLetter, dead_letters_from};
pub use revise::{Change, EventEdit, Hopeless, Revised};
pub use view::{CameBack, Episode, Examined, LetterView, Story};

#[cfg(test)]
mod list_tests;
