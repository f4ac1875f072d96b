//! Keys of the projections. `keys.rs` draws them, with all others.

use super::cells;
use super::key::{Fields, Key, KeyError, i64_from_sortable, place_sort, sortable_i64};
use crate::domain::{
    ConformanceRule, EventDigest, Millis, OrderId, SagaId, SagaStatus, SagaType, TimelineKey,
};

/// Times of one index partition share their upper bits: 2^22 ms, about 70 minutes.
pub const INDEX_BUCKET_BITS: u32 = 22;

/// `instances`: one saga.
pub fn instance(key: &mut Key, saga: &SagaId) {
    key.named(saga.as_str()).end();
}

/// What a row of `timelines` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimelineRow {
    /// Which delivery of an event stands.
    Event = b'E',
    /// A delivery that does not stand.
    Duplicate = b'D',
    /// The fold up to an event.
    Checkpoint = b'C',
    /// How long an event was known by another delivery than the one that stands.
    StoodIn = b'S',
}

impl TimelineRow {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Event, Self::Duplicate, Self::Checkpoint, Self::StoodIn];
}

/// The partition of `timelines` with the rows of one kind of a saga; the sort key is left empty.
pub fn timeline_partition(key: &mut Key, kind: TimelineRow, saga: &SagaId) {
    key.begin()
        .u8(kind as u8)
        .text(saga.as_str().as_bytes())
        .sort_from_here();
}

/// `timelines`: what a row of this kind says of an event of a saga.
pub fn timeline_event(key: &mut Key, kind: TimelineRow, saga: &SagaId, event: EventDigest) {
    timeline_partition(key, kind, saga);
    key.text(&event.0).end();
}

/// The digest of an event's key that a sort key of `timelines` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_timeline_event(sort: &[u8]) -> Result<EventDigest, KeyError> {
    let mut fields = Fields::of("timelines", sort);
    let digest = EventDigest(fields.take()?);
    fields.end()?;
    Ok(digest)
}

/// `timelines`: a duplicate or a checkpoint of a saga.
pub fn timeline_place(key: &mut Key, kind: TimelineRow, saga: &SagaId, at: TimelineKey) {
    timeline_partition(key, kind, saga);
    key.text(&place_sort(at)).end();
}

/// `by_order`: a saga of an order.
pub fn by_order(key: &mut Key, order: &OrderId, saga: &SagaId) {
    key.named(order.as_str()).text(saga.as_str().as_bytes()).end();
}

/// `by_trace`: a saga of a trace.
pub fn by_trace(key: &mut Key, trace_id: &str, saga: &SagaId) {
    key.named(trace_id).text(saga.as_str().as_bytes()).end();
}

/// What the sagas of one type in a time index have in common; each table and tree is of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// They are in this status.
    In(SagaStatus),
    /// They break this rule.
    Breaks(ConformanceRule),
    /// They failed before anything was done that can be undone.
    NothingToCompensate,
}

/// The number that keys carry for [`Condition::NothingToCompensate`], which is no rule. Never reused.
const NOTHING_TO_COMPENSATE: u8 = 0x80;

impl Condition {
    /// The number that keys carry.
    pub const fn tag(self) -> u8 {
        match self {
            Self::In(status) => status.tag(),
            Self::Breaks(rule) => rule.tag(),
            Self::NothingToCompensate => NOTHING_TO_COMPENSATE,
        }
    }

    /// What `by_rule` has under a number.
    fn of_rules(tag: u8) -> Option<Self> {
        if tag == NOTHING_TO_COMPENSATE {
            return Some(Self::NothingToCompensate);
        }
        ConformanceRule::from_tag(tag).map(Self::Breaks)
    }
}

impl From<SagaStatus> for Condition {
    fn from(status: SagaStatus) -> Self {
        Self::In(status)
    }
}

impl From<ConformanceRule> for Condition {
    fn from(rule: ConformanceRule) -> Self {
        Self::Breaks(rule)
    }
}

/// `by_started`, `by_updated` and `by_rule`: a saga at an instant.
pub fn by_time(
    key: &mut Key,
    saga_type: &SagaType,
    condition: impl Into<Condition>,
    at: Millis,
    saga: &SagaId,
) {
    index_partition(key, saga_type, condition, at.0 >> INDEX_BUCKET_BITS);
    key.i64(at.0).text(saga.as_str().as_bytes()).end();
}

/// The partition of `by_started`, `by_updated` and `by_rule` that holds a stretch of [`INDEX_BUCKET_BITS`];
/// the sort key is left empty.
pub fn index_partition(key: &mut Key, saga_type: &SagaType, condition: impl Into<Condition>, bucket: i64) {
    key.begin()
        .u8(condition.into().tag())
        .i64(bucket)
        .text(saga_type.as_str().as_bytes())
        .sort_from_here();
}

/// The type and the status that a partition key of `by_started` or `by_updated` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_index_partition(partition: &[u8]) -> Result<(&str, SagaStatus), KeyError> {
    parse_condition(partition, SagaStatus::from_tag)
}

/// The type that a partition key of `by_rule` stands for, and what is so of its sagas.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_rule_partition(partition: &[u8]) -> Result<(&str, Condition), KeyError> {
    parse_condition(partition, Condition::of_rules)
}

fn parse_condition<T>(partition: &[u8], read: fn(u8) -> Option<T>) -> Result<(&str, T), KeyError> {
    let mut fields = Fields::of("by_time", partition);
    let [tag] = fields.take::<1>()?;
    let condition = read(tag).ok_or_else(|| fields.fail())?;
    fields.i64()?;
    Ok((fields.text()?, condition))
}

/// The instant and the saga that a sort key of `by_started`, `by_updated` or `by_rule` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_by_time_sort(sort: &[u8]) -> Result<(Millis, &str), KeyError> {
    let mut fields = Fields::of("by_time", sort);
    let at = Millis(fields.i64()?);
    Ok((at, fields.text()?))
}

/// Which of the trees of `counts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tree {
    /// By start.
    Started,
    /// By last event, each cell told apart by start.
    Updated,
    /// By when a rule was last broken; those with nothing to compensate by start.
    Broken,
}

/// `counts`: the children of one cell, of all types; the sort key is left empty.
pub fn count_partition(key: &mut Key, tree: Tree, condition: impl Into<Condition>, level: u8, parent: i64) {
    let tag = match tree {
        Tree::Started => b'S',
        Tree::Updated => b'U',
        Tree::Broken => b'R',
    };
    key.begin()
        .u8(tag)
        .u8(condition.into().tag())
        .u8(level)
        .i64(parent)
        .sort_from_here();
}

/// `counts`: a cell of the updated tree, or of another (`started_cell` absent).
pub fn count(
    key: &mut Key,
    (tree, saga_type, condition): (Tree, &SagaType, impl Into<Condition>),
    level: u8,
    parent: i64,
    cell: i64,
    started_cell: Option<i64>,
) {
    count_partition(key, tree, condition, level, parent);
    key.i64(cell).text(saga_type.as_str().as_bytes());
    if let Some(started) = started_cell {
        key.i64(started);
    }
    key.end();
}

/// What a sort key of `counts` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountKey<'k> {
    /// The cell.
    pub cell: i64,
    /// The type.
    pub saga_type: &'k str,
    /// In the updated tree, the started cell.
    pub started_cell: Option<i64>,
}

/// The cell, the type, and in the updated tree the started cell, that a sort key of `counts` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_count_sort(tree: Tree, sort: &[u8]) -> Result<CountKey<'_>, KeyError> {
    let mut fields = Fields::of("counts", sort);
    let cell = fields.i64()?;
    let started_cell = match tree {
        Tree::Started | Tree::Broken => None,
        Tree::Updated => {
            let (rest, last) = fields.rest.split_last_chunk::<8>().ok_or_else(|| fields.fail())?;
            fields.rest = rest;
            Some(i64_from_sortable(*last))
        }
    };
    Ok(CountKey {
        cell,
        saga_type: fields.text()?,
        started_cell,
    })
}

/// In place of a level of starts: the sagas that are purged, whenever they started.
pub const PURGED_STARTS: u8 = u8::MAX;
/// Behind the levels of times: single instants. Only of sagas that are purged; of others `moves` has them.
pub const INSTANTS: u8 = cells::LEVELS;

/// A cell of `census`: of starts, and of the times at which statuses were entered and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CensusCell {
    /// Level of the cell of starts, or [`PURGED_STARTS`].
    pub start_level: u8,
    /// The cell of starts.
    pub start: i64,
    /// Level of the cell of times, or [`INSTANTS`].
    pub time_level: u8,
    /// The cell of times.
    pub time: i64,
}

/// `census`: one type in a cell.
pub fn census(key: &mut Key, cell: CensusCell, saga_type: &SagaType) {
    let parent = match cell.start_level {
        PURGED_STARTS => 0,
        level => cells::parent(level, cell.start),
    };
    census_partition(key, cell.start_level, parent);
    key.u8(cell.time_level)
        .i64(cell.time)
        .i64(cell.start)
        .text(saga_type.as_str().as_bytes())
        .end();
}

/// The partition of `census` with the starts in one parent cell; the sort key is left empty.
pub fn census_partition(key: &mut Key, start_level: u8, parent: i64) {
    key.begin().u8(start_level).i64(parent).sort_from_here();
}

/// What the sort keys of a cell of times in `census` begin with.
pub fn census_times(time_level: u8, time: i64) -> [u8; 9] {
    let mut bytes = [time_level; 9];
    bytes[1..].copy_from_slice(&sortable_i64(time));
    bytes
}

/// The cell of times and the type that a sort key of `census` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_census_sort(start_level: u8, sort: &[u8]) -> Result<(CensusCell, &str), KeyError> {
    let mut fields = Fields::of("census", sort);
    let [time_level] = fields.take()?;
    let (time, start) = (fields.i64()?, fields.i64()?);
    let cell = CensusCell {
        start_level,
        start,
        time_level,
        time,
    };
    Ok((cell, fields.text()?))
}

/// `moves`: a saga came into another status.
pub fn status_move(key: &mut Key, at: Millis, saga: &SagaId) {
    moves_partition(key, at);
    key.i64(at.0).text(saga.as_str().as_bytes()).end();
}

/// The partition of `moves` that an instant lies in; the sort key is left empty.
pub fn moves_partition(key: &mut Key, at: Millis) {
    key.begin().i64(at.0 >> INDEX_BUCKET_BITS).sort_from_here();
}

/// `many_changes`: a saga whose status changed too often to keep all of its changes.
pub fn many_changes(key: &mut Key, saga: &SagaId) {
    many_changes_partition(key);
    key.text(saga.as_str().as_bytes()).end();
}

/// The partition of `many_changes`; the sort key is left empty.
pub fn many_changes_partition(key: &mut Key) {
    key.begin().u8(b'M').sort_from_here();
}

/// `contradicted`: an event of a saga, under where its interval stands, by the end of that.
pub fn contradicted(key: &mut Key, cell: (u8, i64), until: Millis, (saga, event): (&SagaId, EventDigest)) {
    contradicted_partition(key, cell);
    key.i64(until.0)
        .text(&event.0)
        .text(saga.as_str().as_bytes())
        .end();
}

/// The partition of `contradicted` for the events whose interval stands there; the sort key is left empty.
pub fn contradicted_partition(key: &mut Key, (level, cell): (u8, i64)) {
    key.begin().u8(level).i64(cell).sort_from_here();
}

/// The end of the interval, the event and the saga that a sort key of `contradicted` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_contradicted_sort(sort: &[u8]) -> Result<(Millis, EventDigest, &str), KeyError> {
    let mut fields = Fields::of("contradicted", sort);
    let (until, event) = (Millis(fields.i64()?), EventDigest(fields.take()?));
    Ok((until, event, fields.text()?))
}

/// `totals`: one sum, e.g. of the entries into FAILED.
pub fn total(key: &mut Key, name: &str) {
    key.named(name).end();
}

/// `totals`: one of a numbered family of sums (status, anomaly kind, histogram bucket).
pub fn total_numbered(key: &mut Key, name: &str, number: u32) {
    key.named(name).u32(number).end();
}

/// `totals`: one of a named family of sums (saga type).
pub fn total_named(key: &mut Key, name: &str, member: &str) {
    key.named(name).text(member.as_bytes()).end();
}

/// `totals`: events applied, by status and step.
pub fn total_processed(key: &mut Key, name: &str, status: SagaStatus, step: &str) {
    key.named(name).u8(status.tag()).text(step.as_bytes()).end();
}

/// The status and step that a sort key of the processed totals stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_total_processed(sort: &[u8]) -> Result<(SagaStatus, &str), KeyError> {
    let mut fields = Fields::of("totals", sort);
    let [tag] = fields.take::<1>()?;
    let status = SagaStatus::from_tag(tag).ok_or_else(|| fields.fail())?;
    Ok((status, fields.text()?))
}

/// `totals`: a sum of a saga type and a status.
pub fn total_of_type(key: &mut Key, name: &str, saga_type: &str, status: SagaStatus) {
    key.named(name).text(saga_type.as_bytes()).u8(status.tag()).end();
}

/// The saga type and status that a sort key of the totals stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_total_of_type(sort: &[u8]) -> Result<(&str, SagaStatus), KeyError> {
    let fail = || Fields::of("totals", sort).fail();
    let (tag, saga_type) = sort.split_last().ok_or_else(fail)?;
    let status = SagaStatus::from_tag(*tag).ok_or_else(fail)?;
    Ok((Fields::of("totals", saga_type).text()?, status))
}

/// `totals`: a sum of a saga type, a status and a histogram bucket.
pub fn total_of_bucket(key: &mut Key, name: &str, saga_type: &str, (status, bucket): (SagaStatus, u8)) {
    total_of_type(key, name, saga_type, status);
    key.u8(bucket).end();
}

/// The saga type, status and bucket that a sort key of the totals stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_total_of_bucket(sort: &[u8]) -> Result<(&str, SagaStatus, u8), KeyError> {
    let fail = || Fields::of("totals", sort).fail();
    let (bucket, rest) = sort.split_last().ok_or_else(fail)?;
    let (saga_type, status) = parse_total_of_type(rest)?;
    Ok((saga_type, status, *bucket))
}

/// `totals`: a histogram bucket of a named sum.
pub fn total_named_bucket(key: &mut Key, name: &str, member: &str, bucket: u8) {
    total_named(key, name, member);
    key.u8(bucket).end();
}

/// The name and bucket that a sort key of the totals stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_total_named_bucket(sort: &[u8]) -> Result<(&str, u8), KeyError> {
    let fail = || Fields::of("totals", sort).fail();
    let (bucket, member) = sort.split_last().ok_or_else(fail)?;
    Ok((Fields::of("totals", member).text()?, *bucket))
}
