//! Every key encoding, in one place.
//!
//! Integers are big-endian; signed ones have their sign bit flipped, so that bytes sort as numbers
//! do. In a partition key fixed-width fields come first and the one text last, so no two keys can be
//! confused and no escaping is needed; in a sort key text comes last for the same reason. How a
//! partition key and a sort key are joined into one engine key (and how a partition key that is a
//! prefix of another is kept apart) is the engine's affair.
//!
//! | table | partition key | sort key |
//! |---|---|---|
//! | log | saga id | recorded_at i64 · partition u32 · offset u64 |
//! | feed, dead_letters, letters | partition u32 · offset >> 16 u64 | offset u64 |
//! | letter_marks | partition u32 · offset >> 16 u64 | offset u64 · kind u8 · value's hash, 16 bytes · partition u32 · offset u64 |
//! | letters_by_event | event id | partition u32 · offset u64 |
//! | redrives, jobs | `J` | number u64 |
//! | redrives, tallies | `T` | number u64 |
//! | redrives, those that have not ended | `U` | number u64; 0 says that all are there |
//! | redrives, letters | `L` · number u64 | partition u32 · offset u64 |
//! | gaps | partition u32 | offset u64 |
//! | accounted, ledger | partition u32 | day i64, the lowest number for all days |
//! | purged | saga id | – |
//! | archived, holds | decision >> 16 u64 | decision u64 |
//! | decisions | 0 u32 · offset >> 16 u64 | offset u64 |
//! | audit | number >> 16 u64 | number u64 |
//! | offsets | topic | partition u32 |
//! | meta | name | partition u32, a text, or empty |
//! | meta, carried | `carried ` · name in totals | as in totals |
//! | instances | saga id | – |
//! | timelines, events | `E` · saga id | digest of the event's key, 16 bytes |
//! | timelines, duplicates | `D` · saga id | recorded_at i64 · partition u32 · offset u64 |
//! | timelines, checkpoints | `C` · saga id | recorded_at i64 · partition u32 · offset u64 |
//! | by_order | order id | saga id |
//! | by_trace | trace id | saga id |
//! | by_started, by_updated | status u8 · time >> 22 i64 · type | time i64 · saga id |
//! | by_rule | rule u8 · time >> 22 i64 · type | time i64 · saga id |
//! | counts, started tree | `S` · status u8 · level u8 · parent cell i64 | cell i64 · type |
//! | counts, updated tree | `U` · status u8 · level u8 · parent cell i64 | cell i64 · type · started cell i64 |
//! | counts, broken tree | `R` · rule u8 · level u8 · parent cell i64 | cell i64 · type |
//! | census | start level u8 · parent start cell i64 | time level u8 · time cell i64 · start cell i64 · type |
//! | moves | time >> 22 i64 | time i64 · saga id |
//! | many_changes | `M` | saga id |
//! | totals | name | depends on the name, see `totals_*` |

use super::cells;
use super::key::{Fields, i64_from_sortable};
use crate::domain::{
    ConformanceRule, EventDigest, Millis, OrderId, Position, SagaId, SagaStatus, SagaType, TimelineKey,
};
use std::ops::Range;

pub use super::key::{Key, KeyError, sortable_i64};

/// Offsets of one feed partition share their upper bits: 65,536 to a partition.
pub const FEED_BUCKET_BITS: u32 = 16;

/// The offsets that stand in one partition with this one.
pub fn offset_bucket(offset: u64) -> Range<u64> {
    let bits = (1 << FEED_BUCKET_BITS) - 1;
    (offset & !bits)..(offset | bits).saturating_add(1)
}

/// Times of one index partition share their upper bits: 2^22 ms, about 70 minutes.
pub const INDEX_BUCKET_BITS: u32 = 22;

/// `log`: one delivery of an event.
pub fn log(key: &mut Key, saga: &SagaId, at: TimelineKey) {
    key.begin()
        .text(saga.as_str().as_bytes())
        .sort_from_here()
        .text(&place_sort(at))
        .end();
}

/// The sort key of a place in `log`, and in `timelines` where that is ordered by place.
pub fn place_sort(at: TimelineKey) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&sortable_i64(at.recorded_at.0));
    bytes[8..12].copy_from_slice(&at.position.partition.to_be_bytes());
    bytes[12..].copy_from_slice(&at.position.offset.to_be_bytes());
    bytes
}

/// The place in the timeline that a sort key of `log` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_log_sort(sort: &[u8]) -> Result<TimelineKey, KeyError> {
    let mut fields = Fields::of("log", sort);
    let recorded_at = Millis(fields.i64()?);
    let position = Position::new(fields.u32()?, fields.u64()?);
    fields.end()?;
    Ok(TimelineKey {
        recorded_at,
        position,
    })
}

/// The text that a partition or sort key consists of (saga ids, order ids, type names).
///
/// # Errors
/// When the bytes are not UTF-8.
pub fn parse_text<'a>(table: &'static str, bytes: &'a [u8]) -> Result<&'a str, KeyError> {
    Fields::of(table, bytes).text()
}

/// `feed`, `dead_letters` and `letters`: one offset.
pub fn by_offset(key: &mut Key, position: Position) {
    key.begin()
        .u32(position.partition)
        .u64(position.offset >> FEED_BUCKET_BITS)
        .sort_from_here()
        .u64(position.offset)
        .end();
}

/// The partition number that a partition key of `feed`, `dead_letters`, `letters` or `dead_letter_marks`
/// begins with.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_offset_partition(partition: &[u8]) -> Result<u32, KeyError> {
    let mut fields = Fields::of("feed", partition);
    let number = fields.u32()?;
    fields.u64()?;
    fields.end()?;
    Ok(number)
}

/// The offset that a sort key of `feed`, `dead_letters`, `gaps` or `decisions` stands for, or the
/// number that one of `audit` does.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_offset(sort: &[u8]) -> Result<u64, KeyError> {
    Fields::of("feed", sort).only_u64()
}

/// `archived` and `holds`: what a decision at that offset of the operations topic left.
pub fn by_decision(key: &mut Key, decision: u64) {
    key.begin()
        .u64(decision >> FEED_BUCKET_BITS)
        .sort_from_here()
        .u64(decision)
        .end();
}

/// `purged`: one saga.
pub fn purged(key: &mut Key, saga: &SagaId) {
    instance(key, saga);
}

/// What a sort key of `dead_letter_marks` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetterMarkKey {
    /// The letter's offset.
    pub offset: u64,
    /// What kind of thing happened to it.
    pub kind: u8,
    /// Stands for the value that it is about; zeros where it is about none.
    pub value: [u8; 16],
    /// The record that made it happen.
    pub by: Position,
}

/// `dead_letter_marks`: something of that kind that happened to a dead letter, the value that it is about, and
/// the position of the record that made it happen.
pub fn letter_mark(key: &mut Key, letter: Position, kind: u8, value: &[u8; 16], by: Position) {
    letter_marks_about(key, letter, kind, value);
    key.u32(by.partition).u64(by.offset).end();
}

/// What every key of marks of one kind about one value of a letter begins with.
pub fn letter_marks_about(key: &mut Key, letter: Position, kind: u8, value: &[u8; 16]) {
    letter_marks_of_kind(key, letter, kind);
    key.text(value).end();
}

/// What every key of marks of one kind of a letter begins with.
pub fn letter_marks_of_kind(key: &mut Key, letter: Position, kind: u8) {
    by_offset(key, letter);
    key.u8(kind).end();
}

/// Reads a sort key of `dead_letter_marks`.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_letter_mark(sort: &[u8]) -> Result<DeadLetterMarkKey, KeyError> {
    let mut fields = Fields::of("letter_marks", sort);
    let offset = fields.u64()?;
    let [kind] = fields.take::<1>()?;
    let value = fields.take::<16>()?;
    let by = Position::new(fields.u32()?, fields.u64()?);
    fields.end()?;
    Ok(DeadLetterMarkKey {
        offset,
        kind,
        value,
        by,
    })
}

/// `letters_by_event`: a dead letter whose event has that id.
pub fn letter_by_event(key: &mut Key, event_id: &str, letter: Position) {
    key.begin()
        .text(event_id.as_bytes())
        .sort_from_here()
        .u32(letter.partition)
        .u64(letter.offset)
        .end();
}

/// `redrives`: one that was asked for, by its number.
pub fn redrive(key: &mut Key, number: u64) {
    key.begin().u8(b'J').sort_from_here().u64(number).end();
}

/// `redrives`: how far one is.
pub fn redrive_tally(key: &mut Key, number: u64) {
    key.begin().u8(b'T').sort_from_here().u64(number).end();
}

/// `redrives`: that one has not ended.
pub fn redrive_unended(key: &mut Key, number: u64) {
    key.begin().u8(b'U').sort_from_here().u64(number).end();
}

/// `redrives`: what became of one letter of a redrive.
pub fn redrive_letter(key: &mut Key, number: u64, letter: Position) {
    key.begin()
        .u8(b'L')
        .u64(number)
        .sort_from_here()
        .u32(letter.partition)
        .u64(letter.offset)
        .end();
}

/// The position that a sort key of `letters_by_event` or of a letter in `redrives` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_position(sort: &[u8]) -> Result<Position, KeyError> {
    let mut fields = Fields::of("letters", sort);
    let position = Position::new(fields.u32()?, fields.u64()?);
    fields.end()?;
    Ok(position)
}

/// The number that a sort key of a job in `redrives` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_number(sort: &[u8]) -> Result<u64, KeyError> {
    Fields::of("redrives", sort).only_u64()
}

/// `gaps`: the first offset of a gap.
pub fn gap(key: &mut Key, first: Position) {
    key.begin()
        .u32(first.partition)
        .sort_from_here()
        .u64(first.offset)
        .end();
}

/// The number in the place of a day in `accounted` and `ledger` that stands for all days.
const ALL_DAYS: i64 = i64::MIN;

/// `accounted` and `ledger`: a day of a partition, or all of its days.
pub fn ledger(key: &mut Key, partition: u32, day: Option<i64>) {
    key.begin()
        .u32(partition)
        .sort_from_here()
        .i64(day.unwrap_or(ALL_DAYS))
        .end();
}

/// The day that a sort key of `accounted` or `ledger` stands for; `None` for all days.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_ledger_day(sort: &[u8]) -> Result<Option<i64>, KeyError> {
    let mut fields = Fields::of("ledger", sort);
    let day = fields.i64()?;
    fields.end()?;
    Ok((day != ALL_DAYS).then_some(day))
}

/// `decisions`: one offset of the ops topic's only partition.
pub fn decision(key: &mut Key, offset: u64) {
    by_offset(key, Position::new(0, offset));
}

/// `audit`: one entry.
pub fn audit(key: &mut Key, number: u64) {
    by_decision(key, number);
}

/// `offsets`: one partition of a topic.
pub fn offsets(key: &mut Key, topic: &str, partition: u32) {
    key.begin()
        .text(topic.as_bytes())
        .sort_from_here()
        .u32(partition)
        .end();
}

/// The number that a sort key of `offsets` (or of a cursor) stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_partition_number(sort: &[u8]) -> Result<u32, KeyError> {
    Fields::of("offsets", sort).only_u32()
}

/// `meta`: a setting of the store itself.
pub fn meta(key: &mut Key, name: &str) {
    key.begin().text(name.as_bytes()).sort_from_here().end();
}

/// `meta`: a per-partition cursor of a side job.
pub fn meta_cursor(key: &mut Key, name: &str, partition: u32) {
    key.begin()
        .text(name.as_bytes())
        .sort_from_here()
        .u32(partition)
        .end();
}

/// The partition that a sort key of [`meta_cursor`] stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_meta_cursor(sort: &[u8]) -> Result<u32, KeyError> {
    Fields::of("meta", sort).only_u32()
}

/// `meta`: one of a named family of counts.
pub fn meta_named(key: &mut Key, name: &str, member: &str) {
    key.begin()
        .text(name.as_bytes())
        .sort_from_here()
        .text(member.as_bytes())
        .end();
}

/// `meta`: what is carried over to a counter of that name in `totals`, under its sort key there.
pub fn meta_carried(key: &mut Key, name: &str, member: &[u8]) {
    key.begin()
        .text(b"carried ")
        .text(name.as_bytes())
        .sort_from_here()
        .text(member)
        .end();
}

/// `instances`: one saga.
pub fn instance(key: &mut Key, saga: &SagaId) {
    key.begin().text(saga.as_str().as_bytes()).sort_from_here().end();
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
}

impl TimelineRow {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Event, Self::Duplicate, Self::Checkpoint];
}

/// The partition of `timelines` with the rows of one kind of a saga; the sort key is left empty.
pub fn timeline_partition(key: &mut Key, kind: TimelineRow, saga: &SagaId) {
    key.begin()
        .u8(kind as u8)
        .text(saga.as_str().as_bytes())
        .sort_from_here();
}

/// `timelines`: an event of a saga.
pub fn timeline_event(key: &mut Key, saga: &SagaId, event: EventDigest) {
    timeline_partition(key, TimelineRow::Event, saga);
    key.text(&event.0).end();
}

/// `timelines`: a duplicate or a checkpoint of a saga.
pub fn timeline_place(key: &mut Key, kind: TimelineRow, saga: &SagaId, at: TimelineKey) {
    timeline_partition(key, kind, saga);
    key.text(&place_sort(at)).end();
}

/// `by_order`: a saga of an order.
pub fn by_order(key: &mut Key, order: &OrderId, saga: &SagaId) {
    key.begin()
        .text(order.as_str().as_bytes())
        .sort_from_here()
        .text(saga.as_str().as_bytes())
        .end();
}

/// `by_trace`: a saga of a trace.
pub fn by_trace(key: &mut Key, trace_id: &str, saga: &SagaId) {
    meta_named(key, trace_id, saga.as_str());
}

/// What the sagas of one type in a time index have in common; each table and tree is of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// They are in this status.
    In(SagaStatus),
    /// They break this rule.
    Breaks(ConformanceRule),
}

impl Condition {
    const fn tag(self) -> u8 {
        match self {
            Self::In(status) => status.tag(),
            Self::Breaks(rule) => rule.tag(),
        }
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

/// The type and the rule that a partition key of `by_rule` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_rule_partition(partition: &[u8]) -> Result<(&str, ConformanceRule), KeyError> {
    parse_condition(partition, ConformanceRule::from_tag)
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
    /// By when a rule was last broken.
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

/// `totals`: one sum, e.g. of the entries into FAILED.
pub fn total(key: &mut Key, name: &str) {
    meta(key, name);
}

/// `totals`: one of a numbered family of sums (status, anomaly kind, histogram bucket).
pub fn total_numbered(key: &mut Key, name: &str, number: u32) {
    meta_cursor(key, name, number);
}

/// `totals`: one of a named family of sums (saga type).
pub fn total_named(key: &mut Key, name: &str, member: &str) {
    meta_named(key, name, member);
}

/// `totals`: events applied, by status and step.
pub fn total_processed(key: &mut Key, name: &str, status: SagaStatus, step: &str) {
    key.begin()
        .text(name.as_bytes())
        .sort_from_here()
        .u8(status.tag())
        .text(step.as_bytes())
        .end();
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
    key.begin()
        .text(name.as_bytes())
        .sort_from_here()
        .text(saga_type.as_bytes())
        .u8(status.tag())
        .end();
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

#[cfg(test)]
mod tests;
