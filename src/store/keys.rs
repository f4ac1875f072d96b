//! Every key encoding, in one place: those of projections are in `projection_keys.rs` and handed on from here.
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
//! | incidents | `I` | began i64 · fingerprint |
//! | notices, cursors | `C` · target | source u8 · partition u32 |
//! | notices, sagas told of | `T` · target | source u8 · saga id |
//! | late | `A` (ahead) or `B` (behind) · level u8 · cell below it i64 | later time i64 · partition u32 · offset u64 |
//! | clock | partition u32 | arrived i64 · offset u64 |
//! | offsets | topic | partition u32 |
//! | meta | name | partition u32, a text, or empty |
//! | meta, carried | `carried ` · name in totals | as in totals |
//! | instances | saga id | – |
//! | timelines, events | `E` · saga id | digest of the event's key, 16 bytes |
//! | timelines, duplicates | `D` · saga id | recorded_at i64 · partition u32 · offset u64 |
//! | timelines, known by others | `S` · saga id | digest of the event's key, 16 bytes |
//! | timelines, checkpoints | `C` · saga id | recorded_at i64 · partition u32 · offset u64 |
//! | by_order | order id | saga id |
//! | by_trace | trace id | saga id |
//! | by_started, by_updated | status u8 · time >> 22 i64 · type | time i64 · saga id |
//! | by_rule | rule u8, or 128: nothing to compensate · time >> 22 i64 · type | time i64 · saga id |
//! | counts, started tree | `S` · status u8 · level u8 · parent cell i64 | cell i64 · type |
//! | counts, updated tree | `U` · status u8 · level u8 · parent cell i64 | cell i64 · type · started cell i64 |
//! | counts, broken tree | `R` · rule u8, or 128 · level u8 · parent cell i64 | cell i64 · type |
//! | census | start level u8 · parent start cell i64 | time level u8 · time cell i64 · start cell i64 · type |
//! | moves | time >> 22 i64 | time i64 · saga id |
//! | many_changes | `M` | saga id |
//! | contradicted | level u8 · cell below it i64 | until i64 · digest of the event's key, 16 bytes · saga id |
//! | totals | name | depends on the name, see `totals_*` |

use super::key::Fields;
use crate::domain::{Millis, Position, SagaId, TimelineKey};
use std::ops::Range;

pub use super::key::{Key, KeyError, place_sort, sortable_i64};
pub use super::projection_keys::*;

/// Offsets of one feed partition share their upper bits: 65,536 to a partition.
pub const FEED_BUCKET_BITS: u32 = 16;

/// The offsets that stand in one partition with this one.
pub fn offset_bucket(offset: u64) -> Range<u64> {
    let bits = (1 << FEED_BUCKET_BITS) - 1;
    (offset & !bits)..(offset | bits).saturating_add(1)
}

/// `log`: one delivery of an event.
pub fn log(key: &mut Key, saga: &SagaId, at: TimelineKey) {
    key.named(saga.as_str()).text(&place_sort(at)).end();
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

/// The partition number that a partition key of `feed`, `dead_letters`, `letters` or `letter_marks`
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

/// `archived` and `holds`: what a decision at that offset of the ops topic left.
pub fn by_decision(key: &mut Key, decision: u64) {
    key.begin()
        .u64(decision >> FEED_BUCKET_BITS)
        .sort_from_here()
        .u64(decision)
        .end();
}

/// `purged`: one saga.
pub fn purged(key: &mut Key, saga: &SagaId) {
    key.named(saga.as_str()).end();
}

/// What a sort key of `letter_marks` stands for.
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

/// `letter_marks`: something of that kind that happened to a dead letter, the value that it is about, and
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

/// Reads a sort key of `letter_marks`.
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

/// Which of a delivery's times came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LateKind {
    /// It arrived before it happened, by its producer's clock.
    Ahead = b'A',
    /// It happened before it arrived.
    Behind = b'B',
}

impl LateKind {
    /// That of a delivery.
    pub fn of(recorded_at: Millis, arrived_at: Millis) -> Self {
        if recorded_at > arrived_at {
            Self::Ahead
        } else {
            Self::Behind
        }
    }
}

/// The partition of `late` for the deliveries of one kind whose interval stands there; the sort key is left empty.
pub fn late_partition(key: &mut Key, kind: LateKind, (level, cell): (u8, i64)) {
    key.begin().u8(kind as u8).u8(level).i64(cell).sort_from_here();
}

/// `late`: a delivery, behind its partition, by the later of its times.
pub fn late_sort(key: &mut Key, later: Millis, position: Position) {
    key.i64(later.0)
        .u32(position.partition)
        .u64(position.offset)
        .end();
}

/// The later time and the position that a sort key of `late` stands for.
///
/// # Errors
/// [`KeyError`] when it is no such key.
pub fn parse_late_sort(bytes: &[u8]) -> Result<(Millis, Position), KeyError> {
    let mut fields = Fields::of("late", bytes);
    let later = Millis(fields.i64()?);
    let position = Position::new(fields.u32()?, fields.u64()?);
    fields.end()?;
    Ok((later, position))
}

/// `clock`: a record that arrived then.
pub fn clock(key: &mut Key, arrived_at: Millis, position: Position) {
    clock_partition(key, position.partition);
    key.i64(arrived_at.0).u64(position.offset).end();
}

/// The partition of `clock`; the sort key is left empty.
pub fn clock_partition(key: &mut Key, partition: u32) {
    key.begin().u32(partition).sort_from_here();
}

/// The arrival and the offset that a sort key of `clock` stands for.
///
/// # Errors
/// [`KeyError`] when it is no such key.
pub fn parse_clock_sort(bytes: &[u8]) -> Result<(Millis, u64), KeyError> {
    let mut fields = Fields::of("clock", bytes);
    let found = (Millis(fields.i64()?), fields.u64()?);
    fields.end()?;
    Ok(found)
}

/// `letters_by_event`: a dead letter whose event has that id.
pub fn letter_by_event(key: &mut Key, event_id: &str, letter: Position) {
    key.named(event_id).u32(letter.partition).u64(letter.offset).end();
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

/// `incidents`: an alert, by when it began.
pub fn incident(key: &mut Key, began: Millis, fingerprint: &str) {
    incidents(key);
    key.i64(began.0).text(fingerprint.as_bytes()).end();
}

/// The partition of `incidents`; the sort key is left empty.
pub fn incidents(key: &mut Key) {
    key.begin().u8(b'I').sort_from_here();
}

/// When an alert began, and its fingerprint, that a sort key of `incidents` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_incident(sort: &[u8]) -> Result<(Millis, &str), KeyError> {
    let mut fields = Fields::of("incidents", sort);
    let began = Millis(fields.i64()?);
    Ok((began, fields.text()?))
}

/// `notices`: how far a target was told of what comes from a source, in one partition.
pub fn notice_cursor(key: &mut Key, target: &str, source: u8, partition: u32) {
    notice_cursors(key, target);
    key.u8(source).u32(partition).end();
}

/// The partition of `notices` for the cursors of a target; the sort key is left empty.
pub fn notice_cursors(key: &mut Key, target: &str) {
    key.begin().u8(b'C').text(target.as_bytes()).sort_from_here();
}

/// The source and the partition that a sort key of a cursor in `notices` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_notice_cursor(sort: &[u8]) -> Result<(u8, u32), KeyError> {
    let mut fields = Fields::of("notices", sort);
    let [source] = fields.take::<1>()?;
    let partition = fields.u32()?;
    fields.end()?;
    Ok((source, partition))
}

/// `notices`: what a target was told of what a source says of a saga.
pub fn notice_told(key: &mut Key, target: &str, source: u8, saga: &str) {
    notices_told(key, target);
    key.u8(source).text(saga.as_bytes()).end();
}

/// The partition of `notices` for the sagas that a target was told of; the sort key is left empty.
pub fn notices_told(key: &mut Key, target: &str) {
    key.begin().u8(b'T').text(target.as_bytes()).sort_from_here();
}

/// The source and the saga that a sort key of what was told in `notices` stands for.
///
/// # Errors
/// When the bytes are no such key.
pub fn parse_notice_told(sort: &[u8]) -> Result<(u8, &str), KeyError> {
    let mut fields = Fields::of("notices", sort);
    let [source] = fields.take::<1>()?;
    Ok((source, fields.text()?))
}

/// `offsets`: one partition of a topic.
pub fn offsets(key: &mut Key, topic: &str, partition: u32) {
    key.named(topic).u32(partition).end();
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
    key.named(name).end();
}

/// `meta`: a per-partition cursor of a side job.
pub fn meta_cursor(key: &mut Key, name: &str, partition: u32) {
    key.named(name).u32(partition).end();
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
    key.named(name).text(member.as_bytes()).end();
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

#[cfg(test)]
mod tests;
