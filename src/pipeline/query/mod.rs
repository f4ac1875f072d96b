//! Questions and answers, apart from how they travel (HTTP, CLI, page).
//!
//! Every answer is read from one snapshot of the store, so its parts agree with each other.

mod arrivals;
mod ask;
mod broken_rules;
mod by_time;
mod candidates;
mod catalogue;
mod census;
mod columns;
mod corrections;
mod counts;
mod cycles;
mod definitions;
mod details;
mod diff;
mod effective;
mod events_after;
mod examine;
mod figures;
mod flow;
mod grid;
mod history;
mod inside;
mod late_events;
mod ledger;
mod ledger_offsets;
mod lookahead;
mod many_changes;
mod moment;
mod node;
mod observed;
mod order;
mod outcomes;
mod overview;
mod past;
mod past_event;
mod past_state;
mod recent_flow;
mod reporters;
mod rule_counts;
mod saga;
mod saga_offsets;
mod search;
mod seek;
mod standings;
mod statistics;
mod step_deliveries;
mod steps;
mod stuck_sagas;
mod suggest;
mod timeline;
mod times;
mod totals;
mod trees;
mod trial;
mod under_way;
mod views;
mod walk;
mod walk_at;

pub use crate::domain::COMPENSATION_BUCKETS;
use crate::domain::{Cut, Event, Millis, OrderId, PurgedSaga, SagaId, SagaState, SagaStatus, SagaType};
use crate::store::StoreError;
pub use crate::store::records::CensusRecord;
pub use ask::Query;
pub use broken_rules::{BrokenCounts, BrokenRule, BrokenRulesPage, BrokenRulesRequest};
pub use catalogue::{Catalogue, CatalogueEntry, EventKind, MAX_EVENT_KINDS};
pub use census::Census;
pub use columns::{
    ColumnRow, ColumnsRequest, Density, DensityCell, Flag, MAX_COLUMN_ROWS, MAX_STATES, Names, StateSpan,
    TimelineColumns,
};
pub use definitions::{DefinitionsInForce, UnnamedSteps, unnamed_steps};
pub use details::{Details, Named, Occurrences, StepDetails};
pub use diff::{Difference, MAX_ONE_SIDED};
pub use events_after::{EventsAfter, EventsRequest, FollowedEvent};
pub use figures::Figures;
pub use flow::{Flow, FlowStep, ServiceCycle};
pub use history::{MAX_HISTORY_EVENTS, MAX_REMARKABLE, PastState};
pub use inside::{AskedStuck, Inside};
pub use late_events::LateEvents;
pub use ledger::{Ledger, LedgerRequest, OffsetsByClass, PartitionLedger};
pub use ledger_offsets::{LedgerEvent, LedgerOffset, OffsetsPage, OffsetsRequest};
pub use moment::{Deliveries, MAX_REPEATED, Moment};
pub use observed::{FlowRequest, MAX_FLOW_SAGAS};
pub use outcomes::{Durations, Outcomes, TypeOutcomes};
pub use overview::{LiveFigures, Overview, OverviewRequest};
pub use past_event::{OperatorNote, PastEvent};
pub use recent_flow::RecentFlow;
pub use rule_counts::RuleCounts;
pub use saga_offsets::SagaOffset;
pub use standings::Stretch;
pub use statistics::Statistics;
use std::collections::BTreeMap;
pub use step_deliveries::StepDeliveries;
pub use steps::TimelineStep;
pub use stuck_sagas::{StuckCounts, StuckPage, StuckRequest};
pub use suggest::Suggestion;
pub use timeline::{Basis, Timeline};
pub use times::Times;
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
    /// Only a look at each saga tells what happened inside of it, and these are too many.
    #[error(
        "{found} sagas or more would have to be looked at one by one, and at most {limit} are; narrow the question by \
         fromDate, toDate, sagaType, status, orderId, traceId, rule, stuck or compensation"
    )]
    TooManyToExamine {
        /// Sagas that would be looked at, at least.
        found: u64,
        /// How many are.
        limit: u64,
    },
    /// The events of those that are looked at are too many.
    #[error(
        "the sagas that would have to be looked at one by one have more than {limit} events; narrow the question by \
         fromDate, toDate, sagaType, status, orderId, traceId, rule, stuck or compensation"
    )]
    TooMuchToExamine {
        /// How many are read.
        limit: u64,
    },
    /// Too many sagas had failed to look through all of them for what is owed.
    #[error(
        "{found} sagas had failed and started long enough ago, and at most {limit} are looked through for \
         compensations that were overdue then, or are of sagas that started in a period; narrow the question by \
         sagaType, fromDate or toDate, ask for rule=PAST_DEADLINE alone, or leave out asOf, knownAt and the dates"
    )]
    TooManyFailed {
        /// Sagas that had failed.
        found: u64,
        /// How many are looked through.
        limit: u64,
    },
    /// What the answer is made of is not kept.
    #[error(
        "what answers this is not kept, because projector.{option} is false; set it to true, and the next start makes \
         it from the log"
    )]
    SwitchedOff {
        /// The option that switches it on.
        option: &'static str,
    },
    /// The flow of a period, or its catalogue, is too much for one answer.
    #[error("the answer would be made of {0}; narrow it by sagaType, fromDate or toDate")]
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
    /// Too much was under way at an instant to tell what was known of all sagas then.
    #[error(
        "more than {deliveries} deliveries, or ones of more than {sagas} sagas, had happened and not arrived at \
         knownAt (or the other way round), or were known then and contradicted since; ask for another knownAt, with \
         an asOf no later than it where the clocks of producers are ahead, or for single sagas, which are answered at \
         any"
    )]
    TooManyUnderWay {
        /// How many are looked through.
        deliveries: usize,
        /// How many sagas are folded.
        sagas: usize,
    },
    /// The sagas that were known otherwise at an instant have too many events.
    #[error(
        "the sagas of the deliveries that were under way at knownAt have more than {limit} events, and each would have \
         to be folded from the log; ask for another knownAt, or for single sagas"
    )]
    TooMuchToFold {
        /// How many are folded.
        limit: u64,
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
    /// Too many events of a saga came again to tell which delivery of each was known.
    #[error(
        "more than {limit} events of saga {saga:?} came more than once by then, too many to tell which delivery of \
         each stood; ask without knownAt, or for an earlier one"
    )]
    TooManyRepeated {
        /// The saga.
        saga: SagaId,
        /// How many are told apart.
        limit: usize,
    },
    /// The saga has too many events for a history.
    #[error(
        "the saga has more than {0} events, too many for a history or for include=deliveries; its steps without it, and \
         its timeline, are answered at any size"
    )]
    TooLong(usize),
    /// Deliveries that somebody else reads could not be read; that one knows why.
    #[error("the deliveries of the saga could not be read")]
    Unreadable,
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
    /// The first deliveries that came after it was removed; `None` when it was restored.
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
    /// In which this happened. Only searches ask for it.
    pub inside: Inside,
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
    /// Sagas that were purged and not restored.
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

#[cfg(test)]
mod tests;
