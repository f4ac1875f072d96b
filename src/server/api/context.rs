//! What handlers work with: the rooms they ask, and how they ask them.

use super::body_room::BodyRoom;
use super::error::ApiError;
use super::health::Health;
use super::overview_facts::OverviewFacts;
use super::parts::Parts;
use super::places::Peer;
use super::query_errors::missing;
use super::request_id::RequestIds;
use super::settings::ServerSettings;
use super::shared_answers::SharedAnswers;
use super::shares::{Share, Shares};
use super::viewers::Viewers;
use super::waiters::Waiters;
use crate::domain::clock::SharedClock;
use crate::domain::{Judgement, Millis, SagaId, SagaType, TimelineKey};
use crate::operations::audit::Audit;
use crate::operations::dead_letters::DeadLetterQuery;
use crate::pipeline::query::{
    BrokenRulesPage, BrokenRulesRequest, Catalogue, Census, DefinitionsInForce, Details, EventsAfter,
    EventsRequest, Filter, Flow, FlowRequest, LateEvents, Ledger, LedgerRequest, LiveFigures, Moment,
    OverviewRequest, PurgedView, Query, QueryError, SagaOffset, SagaView, SearchPage, SearchRequest,
    Statistics, StuckPage, StuckRequest, Suggestion, Timeline,
};
use crate::server::metrics::{Asked, Metrics};
use crate::store::stoppable::Stop;
use std::sync::Arc;
use std::time::Instant;

/// What two overviews must have in common to be the same: the type, and the period, which ends at a round instant.
type OverviewKey = (Option<SagaType>, (Millis, Millis));

/// Handed to every handler. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ServerSettings,
    parts: Parts,
    health: Health,
    shares: Shares,
    viewers: Viewers,
    waiters: Waiters,
    overviews: SharedAnswers<OverviewKey, OverviewFacts>,
    body_room: Arc<BodyRoom>,
    request_ids: RequestIds,
    /// Exports that run.
    exports: Arc<()>,
}

impl Context {
    /// Ties the parts together under these settings.
    pub fn new(settings: ServerSettings, parts: Parts) -> Self {
        let inner = Inner {
            health: Health::new(&parts),
            shares: Shares::of(&settings),
            viewers: Viewers::of(&settings),
            waiters: Waiters::default(),
            overviews: SharedAnswers::default(),
            body_room: Arc::new(BodyRoom::of(settings.body_limit_bytes)),
            settings,
            parts,
            request_ids: RequestIds::new(),
            exports: Arc::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The state of a saga, and what the definition of its type says of it now. Two point reads, mostly from
    /// memory: not worth another thread.
    pub fn saga(&self, id: &SagaId) -> Result<(SagaView, Judgement), ApiError> {
        let (parts, now) = (self.parts(), self.parts().clock.now());
        let found = timed(self.metrics(), Asked::Saga, || parts.query.judged_saga(id, now))?;
        match found {
            Some(found) => Ok(found),
            None => Err(missing(id, parts.query.purged(id)?)),
        }
    }

    /// Where views of the page wait to be drawn.
    pub(super) fn drawing(&self) -> &Share {
        &self.inner.shares.drawing
    }

    /// The definitions in force.
    pub async fn definitions(&self) -> Result<DefinitionsInForce, ApiError> {
        self.scan(Asked::Totals, Query::definitions_in_force).await
    }

    /// Asks about the timeline of a saga, on a thread that may wait for whoever reads the answer, for that peer.
    pub(super) async fn timeline<T: Send + 'static>(
        &self,
        id: &SagaId,
        peer: Option<Peer>,
        ask: impl FnOnce(&mut Timeline<'_>) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (this, asked) = (self.clone(), id.clone());
        let read = move |stop| {
            timed(this.metrics(), Asked::Timeline, || {
                this.parts().query.until(stop).timeline(&asked, ask)
            })
        };
        match self.inner.shares.timelines.run_for(peer, read).await?? {
            Some(found) => Ok(found),
            None => Err(missing(id, self.purged(id.clone()).await?)),
        }
    }

    /// What is known of a removed saga.
    pub async fn purged(&self, id: SagaId) -> Result<Option<PurgedView>, ApiError> {
        self.scan(Asked::Saga, move |query| query.purged(&id)).await
    }

    /// The sagas that match. Those that are looked at one by one wait for a place beside searches, not before them.
    pub async fn search(&self, request: SearchRequest) -> Result<SearchPage, ApiError> {
        let filter = &request.filter;
        let of_past_trace = filter.inside.trace_id.is_some() && !filter.moment.is_now();
        let share = if filter.inside.is_searched_for() || of_past_trace {
            &self.inner.shares.full_reads
        } else {
            self.share_of(&[filter.moment])
        };
        self.ask_in(share, Asked::Search, move |query| query.search(&request))
            .await
    }

    /// Where questions about all sagas wait: for what was known earlier, sagas may have to be folded.
    fn share_of(&self, moments: &[Moment]) -> &Share {
        if moments.iter().any(|moment| moment.known_at.is_some()) {
            &self.inner.shares.full_reads
        } else {
            &self.inner.shares.scans
        }
    }

    /// Numbers about the sagas that match.
    pub async fn statistics(&self, filter: Filter) -> Result<Statistics, ApiError> {
        let share = self.share_of(&[filter.moment]);
        self.ask_in(share, Asked::Statistics, move |query| query.statistics(&filter))
            .await
    }

    /// The same, and what happened inside of those sagas, each of which is looked at.
    pub async fn detailed_statistics(&self, filter: Filter) -> Result<(Statistics, Details), ApiError> {
        let ask = move |query: &Query| query.detailed_statistics(&filter);
        self.ask_in(&self.inner.shares.full_reads, Asked::Statistics, ask)
            .await
    }

    /// Which step follows which in the sagas of a type, each of which is looked at.
    pub async fn flow(&self, request: FlowRequest) -> Result<Flow, ApiError> {
        let ask = move |query: &Query| query.flow(&request);
        self.ask_in(&self.inner.shares.full_reads, Asked::Timeline, ask)
            .await
    }

    /// Which kinds of events there are in sagas, each of which is looked at.
    pub async fn catalogue(&self, request: FlowRequest) -> Result<Catalogue, ApiError> {
        let ask = move |query: &Query| query.catalogue(&request);
        self.ask_in(&self.inner.shares.full_reads, Asked::Timeline, ask)
            .await
    }

    /// How many sagas match each of these filters, which are of no order; nothing is asked when there are none.
    pub(super) async fn counts(&self, filters: Vec<Filter>) -> Result<Vec<u64>, ApiError> {
        if filters.is_empty() {
            return Ok(Vec::new());
        }
        self.scan(Asked::Search, move |query| query.counts(&filters))
            .await
    }

    /// What goes on, for that peer: what was asked and found within the last second, perhaps by somebody else.
    pub(super) async fn overview(
        &self,
        peer: Option<Peer>,
        request: OverviewRequest,
    ) -> Result<Arc<OverviewFacts>, ApiError> {
        let key = (request.saga_type.clone(), request.period);
        let this = self.clone();
        let ask = move |query: &Query| OverviewFacts::ask((this.parts(), this.health()), query, request);
        let computed = self.ask_for(peer, &self.inner.shares.overviews, Asked::Statistics, ask);
        self.inner.overviews.get(key, computed).await
    }

    /// The events behind a cut of the topic, for that peer.
    pub(super) async fn events_after(
        &self,
        peer: Option<Peer>,
        request: EventsRequest,
    ) -> Result<EventsAfter, ApiError> {
        let ask = move |query: &Query| query.events_after(&request);
        self.ask_for(peer, &self.inner.shares.events, Asked::Timeline, ask)
            .await
    }

    /// The events for several who wait, from one reading.
    pub(super) async fn events_after_each(
        &self,
        requests: Vec<EventsRequest>,
    ) -> Result<Vec<EventsAfter>, ApiError> {
        let ask = move |query: &Query| query.events_after_each(&requests);
        self.ask_in(&self.inner.shares.waiters, Asked::Timeline, ask)
            .await
    }

    /// Whether a type is in use. Two point reads: not worth another thread.
    pub(super) fn knows_type(&self, saga_type: &SagaType) -> Result<bool, ApiError> {
        Ok(self.parts().query.knows_type(saga_type)?)
    }

    /// What somebody may mean who has begun to type this.
    pub async fn suggest(&self, typed: String, limit: usize) -> Result<Vec<Suggestion>, ApiError> {
        self.scan(Asked::Search, move |query| query.suggest(&typed, limit))
            .await
    }

    /// How things stand now, of each of these types (none: of all).
    pub(super) async fn live_figures(
        &self,
        types: Vec<Option<SagaType>>,
        now: Millis,
    ) -> Result<Vec<LiveFigures>, ApiError> {
        let ask = move |query: &Query| query.live_figures(&types, now);
        self.ask_in(&self.inner.shares.live, Asked::Statistics, ask).await
    }

    /// The sagas that were stuck at an instant.
    pub async fn stuck(&self, request: StuckRequest) -> Result<StuckPage, ApiError> {
        let share = if request.reads_each_failed() {
            &self.inner.shares.full_reads
        } else {
            self.share_of(&[request.moment])
        };
        self.ask_in(share, Asked::Search, move |query| query.stuck(&request))
            .await
    }

    /// The sagas that break rules of their definitions.
    pub async fn broken_rules(&self, request: BrokenRulesRequest) -> Result<BrokenRulesPage, ApiError> {
        self.scan(Asked::Search, move |query| query.broken_rules(&request))
            .await
    }

    /// How many sagas stood where at some moments.
    pub async fn censuses(&self, filter: Filter, moments: Vec<Moment>) -> Result<Vec<Census>, ApiError> {
        let share = self.share_of(&moments);
        self.ask_in(share, Asked::Statistics, move |query| {
            query.censuses(&filter, &moments)
        })
        .await
    }

    /// What arrived between two instants of what had happened by another one.
    pub async fn late_events(
        &self,
        instants: (Millis, Millis, Millis),
        limit: usize,
    ) -> Result<LateEvents, ApiError> {
        let ask = move |query: &Query| query.late_events(instants, limit);
        self.ask_in(&self.inner.shares.full_reads, Asked::Statistics, ask)
            .await
    }

    /// What every offset of the topic came to.
    pub async fn ledger(&self, request: LedgerRequest) -> Result<Ledger, ApiError> {
        self.scan(Asked::Totals, move |query| query.ledger(&request))
            .await
    }

    /// The deliveries of a saga behind a place, at limit so many.
    pub(super) async fn saga_offsets(
        &self,
        id: &SagaId,
        after: Option<TimelineKey>,
        limit: usize,
    ) -> Result<Vec<SagaOffset>, ApiError> {
        let asked = id.clone();
        let read = move |query: &Query| {
            let mut found = Vec::new();
            let known = query.saga_offsets(&asked, after, |offset| {
                found.push(offset);
                crate::store::until(found.len() >= limit)
            })?;
            Ok(known.then_some(found))
        };
        match self.scan(Asked::Timeline, read).await? {
            Some(found) => Ok(found),
            None => Err(missing(id, self.purged(id.clone()).await?)),
        }
    }

    /// Asks about dead letters.
    pub(super) async fn letters<T: Send + 'static>(
        &self,
        asked: Asked,
        ask: impl FnOnce(&DeadLetterQuery) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let this = self.clone();
        self.in_turn(move |stop| this.ask_letters(asked, stop, ask)).await
    }

    /// Asks about one dead letter, which may wait for the schema registry and for the peer that reads it.
    pub(super) async fn letter<T: Send + 'static>(
        &self,
        peer: Option<Peer>,
        ask: impl FnOnce(&DeadLetterQuery) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let this = self.clone();
        let ask = move |stop| this.ask_letters(Asked::DeadLetters, stop, ask);
        self.inner.shares.letters.run_for(peer, ask).await
    }

    fn ask_letters<T>(&self, asked: Asked, stop: Stop, ask: impl FnOnce(&DeadLetterQuery) -> T) -> T {
        let letters = self.parts().redrives.dead_letter_query();
        timed(self.metrics(), asked, || ask(&letters.until(stop)))
    }

    pub(super) fn settings(&self) -> &ServerSettings {
        &self.inner.settings
    }

    /// Whom handlers ask.
    pub(super) fn parts(&self) -> &Parts {
        &self.inner.parts
    }

    pub(super) fn audit(&self) -> &Audit {
        &self.inner.parts.audit
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.inner.parts.metrics
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.inner.parts.clock
    }

    pub(super) fn health(&self) -> &Health {
        &self.inner.health
    }

    /// Those who wait for events.
    pub(super) fn waiters(&self) -> &Waiters {
        &self.inner.waiters
    }

    /// Those who watch.
    pub(super) fn viewers(&self) -> &Viewers {
        &self.inner.viewers
    }

    pub(super) fn body_room(&self) -> &Arc<BodyRoom> {
        &self.inner.body_room
    }

    pub(super) fn request_ids(&self) -> &RequestIds {
        &self.inner.request_ids
    }

    /// Runs what changes something.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.inner.shares.changes.run(|_| work()).await
    }

    /// Runs a probe. Probes must not queue behind the questions of others.
    pub(super) async fn probe<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.inner.shares.probes.run(|_| work()).await
    }

    /// Runs a scrape.
    pub(super) async fn scrape<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.inner.shares.scrapes.run(|_| work()).await
    }

    /// Runs a question that waits for others than the disk. It is told when nobody waits for it any more.
    pub(super) async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce(Stop) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.inner.shares.others.run(work).await
    }

    /// Runs what reads much and waits for nobody, so many at once as the settings allow. It is told when
    /// nobody waits for it any more.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(Stop) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.inner.shares.scans.run(work).await
    }

    /// Runs what reads all of something: beside searches, not before them. It is told when nobody waits
    /// for it any more, whatever the method of the call.
    pub(super) async fn full_read<T: Send + 'static>(
        &self,
        work: impl FnOnce(Stop) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.inner.shares.full_reads.run_while_asked(work).await
    }

    /// Runs an export for that peer, on a thread that may wait for whoever takes it away. It is told when nobody
    /// waits for it any more.
    pub(super) async fn export<T: Send + 'static>(
        &self,
        peer: Option<Peer>,
        work: impl FnOnce(Stop) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let running = self.inner.exports.clone();
        let work = move |stop| {
            let _running = running;
            work(stop)
        };
        self.inner.shares.exports.run_for(peer, work).await
    }

    /// How many exports run.
    pub(super) fn running_exports(&self) -> usize {
        Arc::strong_count(&self.inner.exports) - 1
    }

    async fn scan<T: Send + 'static>(
        &self,
        asked: Asked,
        ask: impl FnOnce(&Query) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.ask_in(&self.inner.shares.scans, asked, ask).await
    }

    /// Asks when there is a place in that share. What reads is told when nobody waits for it any more.
    async fn ask_in<T: Send + 'static>(
        &self,
        share: &Share,
        asked: Asked,
        ask: impl FnOnce(&Query) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.ask_for(None, share, asked, ask).await
    }

    /// The same for a peer, which has a part of the share.
    async fn ask_for<T: Send + 'static>(
        &self,
        peer: Option<Peer>,
        share: &Share,
        asked: Asked,
        ask: impl FnOnce(&Query) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let this = self.clone();
        let read = move |stop| timed(this.metrics(), asked, || ask(&this.parts().query.until(stop)));
        share.run_for(peer, read).await?.map_err(Into::into)
    }
}

/// Asks, and counts how long that took.
pub(super) fn timed<T>(metrics: &Metrics, asked: Asked, ask: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let answer = ask();
    metrics.asked(asked, started.elapsed());
    answer
}
