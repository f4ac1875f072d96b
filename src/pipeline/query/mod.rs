//! Questions and answers, apart from how they travel (HTTP, CLI, page).
//!
//! Every answer is read from one snapshot of the store, so its parts agree with each other.

mod census;
mod counts;
mod definitions;
mod diff;
mod flow;
mod grid;
mod history;
mod ledger;
mod moment;
mod node;
mod order;
mod outcomes;
mod past;
mod past_event;
mod past_state;
mod saga;
mod saga_offsets;
mod search;
mod seek;
mod serving;
mod since;
mod statistics;
mod steps;
mod stuck_sagas;
mod timeline;
mod totals;
mod trees;
mod trial;
mod unkept;
mod walk;
mod walk_at;

pub use crate::domain::COMPENSATION_BUCKETS;
use crate::domain::{
    Cut, Event, Judgement, Millis, OrderId, PurgedSaga, SagaDefinitions, SagaId, SagaState, SagaStatus,
    SagaType, SharedDefinitions, TimelineKey,
};
use crate::store::dead_letters::{self, DeadLetterCounts};
pub use crate::store::records::CensusRecord;
use crate::store::stoppable::{self, Stop};
use crate::store::{SharedStore, StoreError, reads, totals as totals_names};
pub use census::Census;
pub use definitions::{DefinitionsInForce, UnnamedSteps, unnamed_steps};
pub use diff::{Difference, MAX_ONE_SIDED};
pub use flow::{Flow, FlowEdge, FlowRequest, FlowStep, MAX_FLOW_SAGAS};
pub use history::{MAX_HISTORY_EVENTS, MAX_REMARKABLE, PastState};
pub use ledger::{Ledger, LedgerRequest, OffsetsByClass, PartitionLedger};
pub use moment::{Deliveries, MAX_REPEATED, Moment};
pub use outcomes::{Durations, Outcomes, TypeOutcomes};
pub use past_event::{OperatorNote, PastEvent};
pub use saga_offsets::SagaOffset;
pub use statistics::Statistics;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
pub use steps::TimelineStep;
pub use stuck_sagas::{StuckPage, StuckRequest};
pub use timeline::{Basis, Timeline};
pub use trial::{Change, Counts, Divergence, MAX_TRIED_SAGAS, Told, Trial, TrialRequest};

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cursor is not one that this tracker gave out for this search.
    #[error("cursor is not one that this search gave out; leave it out to start from the first page")]
    BadCursor,
    /// Sorting by the last event before an instant is done in memory, and these are too many.
    #[error(
        "{found} sagas matched then, and at most {limit} of an instant are sorted by updatedAt or looked through by \
         orderId; sort by startedAt, or narrow the search by type, status or dates"
    )]
    TooManyToSort {
        /// Sagas that matched.
        found: u64,
        /// How many are sorted.
        limit: usize,
    },
    /// Too many sagas had failed to look through all of them for what is owed.
    #[error(
        "{found} sagas had failed long enough ago, and at most {limit} are looked through for compensations that are \
         overdue; narrow the question by sagaType, fromDate or toDate, or ask for rule=PAST_DEADLINE alone"
    )]
    TooManyFailed {
        /// Sagas that had failed.
        found: u64,
        /// How many are looked through.
        limit: u64,
    },
    /// The flow of a period is too much for one answer.
    #[error("the flow would be of {0}; narrow it by fromDate or toDate")]
    TooMuchFlow(String),
    /// Too many sagas have so many changes of status that only the log can tell what they were.
    #[error(
        "more than {limit} sagas had changed their status so often by then that each would have to be folded from \
         the log; ask for another instant, or for single sagas"
    )]
    TooManyChanges {
        /// How many are folded.
        limit: usize,
    },
    /// Too much arrived since an instant to tell what was known of all sagas then.
    #[error(
        "more than {deliveries} deliveries, or ones of more than {sagas} sagas, arrived after knownAt; ask for a \
         later knownAt, or for single sagas, which are answered at any"
    )]
    TooManySince {
        /// How many are looked through.
        deliveries: usize,
        /// How many sagas are folded.
        sagas: usize,
    },
    /// The saga had not begun at that moment.
    #[error("saga {saga:?} had not begun {moment}; by what is known now it began at {started_at}")]
    NotBegun {
        /// The saga.
        saga: SagaId,
        /// The moment.
        moment: Moment,
        /// Its first event's time.
        started_at: Millis,
    },
    /// Too many events of the saga came again to tell which delivery of each was known.
    #[error(
        "more than {0} events of the saga came more than once by then, too many to tell which delivery of each \
         stood; ask without knownAt, or for an earlier one"
    )]
    TooManyRepeated(usize),
    /// The saga has too many events for a history.
    #[error("the saga has more than {0} events, too many for a history; its steps are answered at any size")]
    TooLong(usize),
    /// Deliveries that somebody else reads could not be read; that one knows why.
    #[error("the deliveries of the saga could not be read")]
    Unreadable,
}

/// Answers questions about the projections that serve now.
#[derive(Clone)]
pub struct Query {
    store: SharedStore,
    /// The tracker topic, for who asks about its offsets.
    topic: Arc<str>,
    in_force: SharedDefinitions,
}

/// One saga.
#[derive(Clone, Debug, PartialEq)]
pub struct SagaView {
    /// Its id.
    pub saga_id: SagaId,
    /// Its state.
    pub state: SagaState,
}

/// A saga that was removed.
#[derive(Clone, Debug, PartialEq)]
pub struct PurgedView {
    /// Its id.
    pub saga_id: SagaId,
    /// The record of it.
    pub purged: PurgedSaga,
    /// The first deliveries that came after it was removed; `None` when it was brought back.
    pub late: Vec<Event>,
    /// All of them, counted.
    pub late_count: u64,
}

/// Which sagas; all that is given must hold.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Filter {
    /// Of this order.
    pub order_id: Option<OrderId>,
    /// Of this type.
    pub saga_type: Option<SagaType>,
    /// In this status.
    pub status: Option<SagaStatus>,
    /// Started at or after.
    pub from: Option<Millis>,
    /// Started at or before.
    pub to: Option<Millis>,
    /// As they stood at this moment; then the others are held against that.
    pub moment: Moment,
}

/// What to sort by; ties by saga id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// First event.
    StartedAt,
    /// Last event.
    UpdatedAt,
}

/// In which order to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The key.
    pub key: SortKey,
    /// Largest first; then ties are in descending order of saga id too.
    pub descending: bool,
}

/// Which part of the matching sagas.
#[derive(Clone, Debug, PartialEq)]
pub enum Window {
    /// By number, from 0.
    Page {
        /// The page.
        number: u64,
        /// Sagas on a page.
        size: usize,
    },
    /// Behind the last saga of an earlier answer.
    After {
        /// The cursor of that answer.
        cursor: String,
        /// At most so many.
        size: usize,
    },
}

/// A search.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchRequest {
    /// Which sagas.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// Which part of them.
    pub window: Window,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchPage {
    /// The sagas of this part.
    pub sagas: Vec<SagaView>,
    /// How many match in all. Exact.
    pub total: u64,
    /// Leads to the next part; `None` when this was the last.
    pub next_cursor: Option<String>,
    /// What they were found in.
    pub basis: Basis,
}

/// The sums that metrics are made of. All derive from stored state, so they survive restarts and
/// count nothing twice. What only counts goes on where it was when projections made under other rules come to
/// serve, even where these have less of it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Totals {
    /// Sagas now in each status; all five are there.
    pub active: BTreeMap<SagaStatus, u64>,
    /// Times that a saga entered FAILED.
    pub failed: u64,
    /// Times that a saga entered COMPENSATED.
    pub compensated: u64,
    /// Latest event time of an event that reports FAILED.
    pub last_failed_at: Option<Millis>,
    /// Time from FAILED to COMPENSATED: observations per bucket of [`COMPENSATION_BUCKETS`], the
    /// last one for all beyond. Not cumulative.
    pub compensation_buckets: Vec<u64>,
    /// Sum of those times, milliseconds.
    pub compensation_millis: u64,
    /// Events in timelines (duplicates left out), by status and step: as many as were asked for.
    pub processed: BTreeMap<(SagaStatus, String), u64>,
    /// The others, by status.
    pub processed_elsewhere: BTreeMap<SagaStatus, u64>,
    /// Deliveries that were duplicates.
    pub duplicates: u64,
    /// Events of which different bodies were delivered.
    pub conflicts: u64,
    /// Sagas that were removed and not brought back.
    pub purged_sagas: u64,
    /// Their deliveries.
    pub purged_events: u64,
    /// Deliveries of sagas that were gone already.
    pub late: u64,
    /// Anomalies by kind.
    pub anomalies: BTreeMap<&'static str, u64>,
    /// The cut that all of this is the fold of.
    pub cursor: Cut,
}

/// Gaps in the offsets that the broker delivered, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct GapCounts {
    /// How many there are.
    pub gaps: BTreeMap<String, u64>,
    /// How many offsets lie in them.
    pub offsets: BTreeMap<String, u64>,
}

impl Query {
    /// Answers from this store, under these definitions.
    pub fn new(store: SharedStore, definitions: impl Into<SharedDefinitions>) -> Self {
        Self {
            store,
            topic: "".into(),
            in_force: definitions.into(),
        }
    }

    /// The same, of a store that is filled from that topic. Without it the ledger knows no partitions.
    #[must_use]
    pub fn of_topic(self, topic: &str) -> Self {
        Self {
            topic: topic.into(),
            ..self
        }
    }

    /// The same, whose answers end early when told to.
    #[must_use]
    pub fn until(&self, stop: Stop) -> Self {
        Self {
            store: stoppable::until(self.store.clone(), stop),
            topic: self.topic.clone(),
            in_force: self.in_force.clone(),
        }
    }

    /// The state of a saga; `None` when nothing is known of it.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn saga(&self, id: &SagaId) -> Result<Option<SagaView>, QueryError> {
        saga::find(&*self.store, id)
    }

    /// The same, and what the definition of its type says of it at an instant.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn judged_saga(&self, id: &SagaId, now: Millis) -> Result<Option<(SagaView, Judgement)>, QueryError> {
        definitions::judged(&*self.store, &self.in_force.in_force(), id, now)
    }

    /// Asks about a saga's timeline, at any moment. `None` when nothing is known of it.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn timeline<T>(
        &self,
        id: &SagaId,
        ask: impl FnOnce(&mut Timeline<'_>) -> Result<T, QueryError>,
    ) -> Result<Option<T>, QueryError> {
        saga::timeline(&*self.store, &self.in_force.in_force(), id, ask)
    }

    /// The same of deliveries that somebody else reads, of a saga that began then, and whether any of them does
    /// not stand.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn timeline_of<T>(
        &self,
        saga: (&SagaId, Millis, bool),
        deliveries: &mut dyn Deliveries,
        ask: impl FnOnce(&mut Timeline<'_>) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        saga::timeline_of(&*self.store, &self.definitions(), saga, deliveries, ask)
    }

    /// Visits the steps of a saga behind `after` (none: from the first), in the order of the timeline,
    /// one after the other. Whether anything is known of the saga.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn steps(
        &self,
        id: &SagaId,
        after: Option<TimelineKey>,
        mut visit: impl FnMut(&TimelineStep<'_>) -> ControlFlow<()>,
    ) -> Result<bool, QueryError> {
        self.timeline(id, |timeline| {
            timeline.steps(Moment::default(), after, &mut visit)
        })
        .map(|found| found.is_some())
    }

    /// What is known of a removed saga; `None` when it was never removed.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn purged(&self, id: &SagaId) -> Result<Option<PurgedView>, QueryError> {
        saga::purged(&*self.store, id)
    }

    /// The sagas that match, in order, and how many there are.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn search(&self, request: &SearchRequest) -> Result<SearchPage, QueryError> {
        search::search(&*self.store, &self.definitions(), request)
    }

    /// Numbers about the sagas that match. The order and the status of the filter count too.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn statistics(&self, filter: &Filter) -> Result<Statistics, QueryError> {
        statistics::statistics(&*self.store, &self.definitions(), filter)
    }

    /// Which step follows which in the sagas of a type.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn flow(&self, request: &FlowRequest) -> Result<Flow, QueryError> {
        flow::flow(&*self.store, &self.definitions(), request)
    }

    /// The sagas that were stuck at an instant.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn stuck(&self, request: &StuckRequest) -> Result<StuckPage, QueryError> {
        stuck_sagas::stuck_sagas(&*self.store, &self.in_force.in_force(), request)
    }

    /// How many of the sagas that match stood where at some moments, all read from one snapshot. The order,
    /// the status and the moment of the filter do not count.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn censuses(&self, filter: &Filter, moments: &[Moment]) -> Result<Vec<Census>, QueryError> {
        census::censuses(&*self.store, &self.definitions(), filter, moments)
    }

    /// What every offset of the topic came to.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn ledger(&self, request: &LedgerRequest) -> Result<Ledger, QueryError> {
        ledger::ledger(&*self.store, &self.topic, request)
    }

    /// Visits the deliveries of a saga behind `after` (none: from the first), in the order of the timeline. Whether
    /// anything stands of the saga.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn saga_offsets(
        &self,
        id: &SagaId,
        after: Option<TimelineKey>,
        visit: impl FnMut(SagaOffset) -> ControlFlow<()>,
    ) -> Result<bool, QueryError> {
        saga_offsets::offsets(&*self.store, id, after, visit)
    }

    /// The sums over all sagas, with every step there is.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn totals(&self) -> Result<Totals, QueryError> {
        self.totals_of(&|_| false, usize::MAX)
    }

    /// The same, with the steps that are known, and beyond those the `most` pairs of status and step that
    /// have the most events. However many steps there are, no more are kept in memory.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn totals_of(&self, is_known: &dyn Fn(&str) -> bool, limit: usize) -> Result<Totals, QueryError> {
        totals::totals(&*self.store, is_known, limit)
    }

    /// What became of the sagas of each type that is known, and of so many others. However many types there are,
    /// few more are kept in memory.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn outcomes(&self, is_known: &dyn Fn(&str) -> bool, limit: usize) -> Result<Outcomes, QueryError> {
        outcomes::outcomes(&*self.store, is_known, limit)
    }

    /// Dead letters by reason and by what happened to them.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn letter_counts(&self) -> Result<BTreeMap<String, DeadLetterCounts>, QueryError> {
        Ok(dead_letters::counts(&*self.store.snapshot())?)
    }

    /// Messages of the ops topic, by `kind outcome`.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn decision_counts(&self) -> Result<BTreeMap<String, u64>, QueryError> {
        Ok(reads::meta_counts(&*self.store, totals_names::DECISION_COUNTS)?)
    }

    /// Gaps in the offsets.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn gap_counts(&self) -> Result<GapCounts, QueryError> {
        Ok(GapCounts {
            gaps: reads::meta_counts(&*self.store, totals_names::GAP_COUNTS)?,
            offsets: reads::meta_counts(&*self.store, totals_names::GAP_OFFSETS)?,
        })
    }

    /// The definitions that answers are given under, and the steps in use that they do not name.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn definitions_in_force(&self) -> Result<DefinitionsInForce, QueryError> {
        definitions::in_force(&*self.store, &self.in_force.in_force())
    }

    /// What other definitions would make of a part of the sagas.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn trial(&self, request: &TrialRequest) -> Result<Trial, QueryError> {
        trial::trial(&*self.store, &self.in_force.in_force(), request)
    }

    /// The definitions in force, whether or not the projections are made under them yet.
    pub fn definitions(&self) -> Arc<SagaDefinitions> {
        self.in_force.get()
    }

    /// The store that is asked.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }
}
#[cfg(test)]
mod tests;
