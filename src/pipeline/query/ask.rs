//! Whom to ask: every question, and who answers it.

use super::{
    BrokenRulesPage, BrokenRulesRequest, Catalogue, Census, DefinitionsInForce, Deliveries, Details,
    EventsAfter, EventsRequest, Filter, Flow, FlowRequest, GapCounts, LateEvents, Ledger, LedgerRequest,
    LiveFigures, Moment, OffsetsPage, OffsetsRequest, Outcomes, Overview, OverviewRequest, PurgedView,
    QueryError, RuleCounts, SagaOffset, SagaView, SearchPage, SearchRequest, Statistics, StuckPage,
    StuckRequest, Suggestion, Timeline, TimelineStep, Totals, Trial, TrialRequest,
};
use super::{
    broken_rules, catalogue, census, definitions, events_after, flow, late_events, ledger, ledger_offsets,
    outcomes, overview, rule_counts, saga, saga_offsets, search, statistics, stuck_sagas, suggest, totals,
    trial,
};
use crate::domain::{
    Judgement, Millis, SagaDefinitions, SagaId, SagaType, SharedDefinitions, TimelineKey, UnreadableVersion,
};
use crate::store::dead_letters::{self, DeadLetterCounts};
use crate::store::stoppable::{self, Stop};
use crate::store::{SharedStore, reads, totals as totals_names};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Answers questions about the projections that serve now.
#[derive(Clone)]
pub struct Query {
    store: SharedStore,
    /// The tracker topic, for who asks about its offsets.
    topic: Arc<str>,
    in_force: SharedDefinitions,
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
        search::search(&*self.store, &self.in_force.in_force(), request)
    }

    /// Numbers about the sagas that match. The order and the status of the filter count too.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn statistics(&self, filter: &Filter) -> Result<Statistics, QueryError> {
        statistics::statistics(&*self.store, &self.in_force.in_force(), filter)
    }

    /// The same, and what happened inside of those sagas, from the same snapshot.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn detailed_statistics(&self, filter: &Filter) -> Result<(Statistics, Details), QueryError> {
        statistics::detailed(&*self.store, &self.in_force.in_force(), filter)
    }

    /// Which step follows which in the sagas of a type.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn flow(&self, request: &FlowRequest) -> Result<Flow, QueryError> {
        flow::flow(&*self.store, &self.in_force.in_force(), request)
    }

    /// Which kinds of events there are.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn catalogue(&self, request: &FlowRequest) -> Result<Catalogue, QueryError> {
        catalogue::catalogue(&*self.store, &self.in_force.in_force(), request)
    }

    /// The sagas that were stuck at an instant.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn stuck(&self, request: &StuckRequest) -> Result<StuckPage, QueryError> {
        stuck_sagas::stuck_sagas(&*self.store, &self.in_force.in_force(), request)
    }

    /// The sagas that break rules of their definitions, and how many there are.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn broken_rules(&self, request: &BrokenRulesRequest) -> Result<BrokenRulesPage, QueryError> {
        broken_rules::broken_rules(&*self.store, &self.in_force.in_force(), request)
    }

    /// How many sagas break which rule, and are stuck, now.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn rule_counts(&self, now: Millis) -> Result<RuleCounts, QueryError> {
        rule_counts::rule_counts(&*self.store, &self.in_force.in_force(), now)
    }

    /// How many of the sagas that match stood where at some moments, all read from one snapshot. The order,
    /// the status and the moment of the filter do not count.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn censuses(&self, filter: &Filter, moments: &[Moment]) -> Result<Vec<Census>, QueryError> {
        census::censuses(&*self.store, &self.in_force.in_force(), filter, moments)
    }

    /// The events that happened by the first instant and arrived behind the second, and by the third: what they changed
    /// of the past. The first is no later than the second. At most `limit` of them, and how many there are.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn late_events(
        &self,
        (happened, after, until): (Millis, Millis, Millis),
        limit: usize,
    ) -> Result<LateEvents, QueryError> {
        let instants = (happened, after, until);
        late_events::late_events(&*self.store, &self.in_force.in_force(), instants, limit)
    }

    /// What goes on, and where to look first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn overview(&self, request: &OverviewRequest) -> Result<Overview, QueryError> {
        overview::overview(&*self.store, &self.topic, &self.in_force.in_force(), request)
    }

    /// How many sagas match each of these filters, from one snapshot. Of an order, of what happened inside of sagas and
    /// of another moment nothing is counted.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn counts(&self, filters: &[Filter]) -> Result<Vec<u64>, QueryError> {
        overview::counts(&*self.store, filters)
    }

    /// How things stand now, of each of these types (`None`: of all), from one snapshot.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn live_figures(
        &self,
        types: &[Option<SagaType>],
        now: Millis,
    ) -> Result<Vec<LiveFigures>, QueryError> {
        overview::live_figures(&*self.store, &self.topic, &self.in_force.in_force(), (types, now))
    }

    /// The events behind a cut of the topic.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn events_after(&self, request: &EventsRequest) -> Result<EventsAfter, QueryError> {
        let mut answers = self.events_after_each(std::slice::from_ref(request))?;
        answers.pop().ok_or(QueryError::Unreadable)
    }

    /// The same for several who follow, in their order, from one reading.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn events_after_each(&self, requests: &[EventsRequest]) -> Result<Vec<EventsAfter>, QueryError> {
        events_after::events_after(&*self.store, &self.in_force.in_force(), requests)
    }

    /// Whether there are sagas of that type, or a definition names it.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn knows_type(&self, saga_type: &SagaType) -> Result<bool, QueryError> {
        definitions::knows_type(&*self.store, &self.in_force.in_force(), saga_type)
    }

    /// What somebody may mean who has begun to type this, at most `limit` of it.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn suggest(&self, typed: &str, limit: usize) -> Result<Vec<Suggestion>, QueryError> {
        suggest::suggest(&*self.store, &self.in_force.in_force(), (typed, limit))
    }

    /// What every offset of the topic came to.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn ledger(&self, request: &LedgerRequest) -> Result<Ledger, QueryError> {
        ledger::ledger(&*self.store, &self.topic, request)
    }

    /// What single offsets of the topic came to.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn ledger_offsets(&self, request: &OffsetsRequest) -> Result<OffsetsPage, QueryError> {
        ledger_offsets::offsets(&*self.store, &self.topic, request)
    }

    /// The topic that the ledger is of.
    pub fn topic(&self) -> &str {
        &self.topic
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

    /// By partition of the topic, when the last record arrived.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn last_arrivals(&self) -> Result<Vec<(u32, Millis)>, QueryError> {
        let rows = reads::offsets(&*self.store, &self.topic)?;
        let last = rows
            .iter()
            .map(|(partition, row)| (*partition, Millis(row.arrived_at)));
        Ok(last.collect())
    }

    /// The sums over all sagas, with every step there is.
    ///
    /// # Errors
    /// [`QueryError::Store`].
    pub fn totals(&self) -> Result<Totals, QueryError> {
        self.totals_of(&|_| false, usize::MAX)
    }

    /// The same, with the steps that are known, and beyond those the `limit` pairs of status and step that
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

    /// The version of the definitions that is in force and cannot be read here, if so.
    pub fn unreadable_version(&self) -> Option<UnreadableVersion> {
        self.in_force.in_force().unreadable
    }

    /// The store that is asked.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }
}
