//! The model of a saga and the pure function that folds its events into its state.
//!
//! Nothing here does I/O, draws a random number or fails, and nothing but [`clock`] reads a clock. Bytes are parsed before
//! they get here (`pipeline::decode`) and laid out after they leave (`store`).

mod anomaly;
mod bounded;
mod checkpoint;
pub mod clock;
mod compensation;
mod conformance;
mod course;
mod definition;
mod edges;
mod event;
mod event_key;
mod fold;
mod ids;
mod judgement;
pub mod mix;
mod operator;
mod position;
mod purged;
mod reported;
mod said;
mod state;
mod status_log;
mod stuck;
mod tally;
pub mod text;
mod time;
mod transition;

pub use anomaly::{Anomaly, AnomalyKind, AnomalyLog, Conflict, ConflictLog, MAX_KEPT_ANOMALIES};
pub use bounded::BoundedLog;
pub use checkpoint::Junction;
pub use compensation::{COMPENSATION_BUCKETS, CompensationTimes, DURATION_BUCKETS, OUTCOMES, bucket_in};
#[cfg(test)]
pub(crate) use conformance::tests::naive::Model as NaiveConformance;
pub use conformance::{
    Compensation, CompensationState, ConformanceRule, Owed, Violation, broken_rules, compensation,
    conformance, failed_compensations, has_nothing_to_compensate,
};
pub use course::{Undoing, Unreached, undoings, unreached};
pub use definition::{
    DefaultDays, DefinitionError, InForce, SagaDefinition, SagaDefinitions, ServiceDefinition,
    SharedDefinitions, ShorterRetention, UnreadableVersion,
};
pub use event::{Event, EventRef, MAX_FAILURE_REASON_CHARS, MetadataForm};
pub use event_key::{EventDigest, EventKey};
pub use fold::{Deduplicated, deduplicate, fold, fold_deduplicated, note_deliveries};
pub use ids::{EventId, OrderId, SagaId, SagaType, Step};
pub use judgement::Judgement;
pub use operator::{OPERATOR_STATUS_CHANGE, OperatorChange};
pub use position::{Cut, Position, TimelineKey};
pub use purged::{Evidence, PurgedSaga, Remains, RowGroups, evidence};
pub use saga_tracker_sdk::contract::SagaStatus;
pub use said::{MAX_TRACE_IDS, Said, TraceIds};
pub use state::{Listed, MAX_LISTED, SagaState};
pub use status_log::{
    MAX_KEPT_CHANGES, Milestone, StatusAt, StatusChange, StatusLog, StatusMove, StatusPath,
};
pub use stuck::{Stuck, StuckRule, stuck};
pub use tally::{Mark, Reports, StepTally};
pub use time::{DAY_MILLIS, HOUR_MILLIS, Millis};
pub use transition::{Transition, transition};
