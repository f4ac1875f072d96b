//! The ledger: the sums of each partition and day, or every offset.

use super::super::error::{ApiError, ErrorBody};
use super::super::ledger::partition;
use super::super::params::Params;
use super::super::text::{Day, day_schema, parse_day};
use super::answer::Call;
use super::columns::{Column, day, number, text};
use super::format::{Format, TableQuery};
use super::ledger_offsets;
use super::reads::Reads;
use super::rows::Rows;
use crate::domain::Position;
use crate::pipeline::query::{LedgerRequest, OffsetsByClass, PartitionLedger};
use axum::response::Response;
use serde::Serialize;
use std::fmt;
use std::ops::RangeInclusive;
use utoipa::openapi::schema::Schema;

const COLUMNS: &[Column] = &[
    text("topic"),
    number("partition"),
    day("day"),
    number("offsets"),
    number("applied"),
    number("duplicate"),
    number("operator"),
    number("purged"),
    number("pending"),
    number("deadLetter"),
    number("transactionMarker"),
    number("compaction"),
    number("expired"),
    number("unexplained"),
];

/// Which part of the ledger.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct LedgerExportQuery {
    /// Every offset, instead of the sums of days.
    #[param(value_type = Option<bool>)]
    offsets: bool,
    /// Only this partition.
    #[param(value_type = Option<u32>, minimum = 0)]
    partition: Option<u32>,
    #[param(schema_with = from_schema)]
    from_day: Option<i64>,
    #[param(schema_with = to_schema)]
    to_day: Option<i64>,
    /// nextCursor of a row: what follows that row. A partition and the first day, or offset, to go on with.
    #[param(value_type = Option<String>, min_length = 1)]
    cursor: Option<String>,
}

fn from_schema() -> Schema {
    day_schema("The first day of arrival (UTC). Left out: the first there is. Not with offsets.")
}

fn to_schema() -> Schema {
    day_schema("The last day of arrival. Left out: the last there is. Not with offsets.")
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Days(Days, Place),
    Offsets(Option<u32>, Position),
}

/// Sums of days, of one partition or all.
#[derive(Debug, PartialEq, Eq)]
struct Days {
    partition: Option<u32>,
    days: RangeInclusive<i64>,
    /// Whether there are all, so that what no day accounts for is told as well.
    all: bool,
}

/// Where sums go on: with a partition, and a day unless it is the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    partition: u32,
    day: Option<i64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.day {
            Some(day) => write!(f, "{}-{}", self.partition, Day(day)),
            None => write!(f, "{}", self.partition),
        }
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (partition, day) = match text.split_once('-') {
            Some((partition, day)) => (partition, Some(parse_day(day)?)),
            None => (text, None),
        };
        let partition = partition.parse().ok()?;
        Some(Self { partition, day })
    }
}

fn parse(query: Option<&str>) -> Result<Asked, ApiError> {
    const DAY: &str = "a day such as 2026-01-31";
    const CURSOR: &str = "nextCursor of a row of the same export";
    let mut params = Params::of(query);
    let offsets = params.take(&["offsets"], "true or false", |text| text.parse().ok());
    let partition = partition(&mut params);
    let from = params.take(&["fromDay"], DAY, parse_day);
    let to = params.take(&["toDay"], DAY, parse_day);
    if offsets == Some(true) {
        for (name, found) in [("fromDay", from), ("toDay", to)] {
            if let Some(found) = found {
                params.fault(
                    name,
                    Day(found).to_string(),
                    "no day together with offsets".to_owned(),
                );
            }
        }
        let from = params.take(&["cursor"], CURSOR, ledger_offsets::parse_place);
        params.finish()?;
        return Ok(Asked::Offsets(partition, from.unwrap_or(Position::new(0, 0))));
    }
    if let (Some(first), Some(last)) = (from, to)
        && first > last
    {
        let accepted = format!("at or before toDay, which is {}", Day(last));
        params.fault("fromDay", Day(first).to_string(), accepted);
    }
    let place = params.take(&["cursor"], CURSOR, Place::parse);
    params.finish()?;
    let days = Days {
        partition,
        days: from.unwrap_or(i64::MIN + 1)..=to.unwrap_or(i64::MAX),
        all: from.is_none() && to.is_none(),
    };
    Ok(Asked::Days(days, place.unwrap_or_default()))
}

/// The sums of a day.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DayRow {
    topic: String,
    partition: u32,
    day: Option<Day>,
    offsets: u64,
    applied: u64,
    duplicate: u64,
    operator: u64,
    purged: u64,
    pending: u64,
    dead_letter: u64,
    transaction_marker: u64,
    compaction: u64,
    expired: u64,
    unexplained: u64,
}

impl DayRow {
    fn of(topic: &str, partition: u32, day: Option<i64>, of: &OffsetsByClass) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
            day: day.map(Day),
            offsets: of.sum(),
            applied: of.applied,
            duplicate: of.duplicate,
            operator: of.operator,
            purged: of.purged,
            pending: of.pending,
            dead_letter: of.dead_letter,
            transaction_marker: of.transaction_marker,
            compaction: of.compaction,
            expired: of.expired,
            unexplained: of.unexplained,
        }
    }
}

impl Days {
    /// The rows of the first partition from a place on, at most so many, and where the next ones begin.
    fn part(&self, reads: &Reads, from: Place, left: u64) -> Result<(Vec<DayRow>, Option<Place>), ApiError> {
        let asked = |partition| self.partition.is_none_or(|only| only == partition);
        let known = reads.ledger(&LedgerRequest::default())?;
        let partitions = known.partitions.iter().map(|known| known.partition);
        let mut wanted = partitions.filter(|one| *one >= from.partition && asked(*one));
        let Some(partition) = wanted.next() else {
            return Ok((Vec::new(), None));
        };
        let behind = wanted.next().map(|partition| Place { partition, day: None });
        let begun = from.day.filter(|_| from.partition == partition);
        let mut rows = self.rows(reads, partition, begun.unwrap_or(i64::MIN + 1))?;
        let limit = usize::try_from(left).unwrap_or(usize::MAX);
        if rows.len() <= limit {
            return Ok((rows, behind));
        }
        rows.truncate(limit);
        let last = rows.last().and_then(|row| row.day);
        let day = last.map(|Day(day)| day.saturating_add(1));
        Ok((rows, Some(Place { partition, day })))
    }

    /// All rows of a partition from a day on.
    fn rows(&self, reads: &Reads, partition: u32, from: i64) -> Result<Vec<DayRow>, ApiError> {
        let request = LedgerRequest {
            partition: Some(partition),
            days: Some(self.days.clone()),
        };
        let ledger = reads.ledger(&request)?;
        let topic = reads.query.topic();
        let mut rows = Vec::new();
        for found in &ledger.partitions {
            let days = found.days.range(from..);
            rows.extend(days.map(|(day, offsets)| DayRow::of(topic, partition, Some(*day), offsets)));
            let undated = undated(found);
            if self.all && undated.sum() > 0 {
                rows.push(DayRow::of(topic, partition, None, &undated));
            }
        }
        Ok(rows)
    }
}

/// What a partition has and no day of it.
fn undated(ledger: &PartitionLedger) -> OffsetsByClass {
    let mut left = ledger.offsets;
    ledger.days.values().for_each(|day| left.subtract(day));
    left
}

/// The ledger, as a file
#[utoipa::path(
    get,
    path = "/api/v1/export/ledger",
    operation_id = "exportLedger",
    tag = "export",
    description = "Of the tracker topic a row for each partition and day of arrival, with the sums of that day, in this \
                   order. A last row of a partition without a day has what no day accounts for, when all days are asked \
                   for and there is any. With offsets a row for every offset, in the order of partitions and offsets: \
                   its class (applied, duplicate, operator, purged, pending, dead_letter, transaction_marker, \
                   compaction, expired, unexplained), and what is kept of its record. Offsets that were not delivered \
                   are one row for each gap: offset is the first of them, offsets how many there are. It is read in \
                   parts, each as the store is then. A row with nextCursor can be taken up again behind it, with \
                   cursor.",
    params(LedgerExportQuery, TableQuery),
    responses(
        (status = 200, description = "One day or one offset a row.", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
        )),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(call: Call) -> Result<Response, ApiError> {
    let wanted = call.wanted(Format::OF_TABLES)?;
    let asked = parse(call.query())?;
    let write = move |reads: &Reads, parts| match asked {
        Asked::Days(days, from) => {
            Rows::begin(parts, wanted.format, COLUMNS)?.all(wanted.limit, Some(from), |from, left| {
                days.part(reads, from.unwrap_or_default(), left)
            })
        }
        Asked::Offsets(partition, from) => Rows::begin(parts, wanted.format, ledger_offsets::COLUMNS)?.all(
            wanted.limit,
            Some(ledger_offsets::Place::from(from)),
            |from, left| ledger_offsets::part(reads, partition, from.unwrap_or_default(), left),
        ),
    };
    call.answer(("ledger", wanted.format), write).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_all_days_are_meant_unless_days_or_offsets_are_named() {
        let all = |partition| Days {
            partition,
            days: i64::MIN + 1..=i64::MAX,
            all: true,
        };
        let first = Place::default();
        assert_eq!(parse(None).unwrap(), Asked::Days(all(None), first));
        assert_eq!(
            parse(Some("partition=2&offsets=false")).unwrap(),
            Asked::Days(all(Some(2)), first)
        );
        let Asked::Days(some, place) = parse(Some("fromDay=1970-01-03&cursor=1-1970-01-05")).unwrap() else {
            panic!();
        };
        assert_eq!((some.days, some.all), (2..=i64::MAX, false));
        assert_eq!((place.partition, place.day), (1, Some(4)));
        assert_eq!(
            parse(Some("offsets=true&cursor=1-5")).unwrap(),
            Asked::Offsets(None, Position::new(1, 5))
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (query, parameter) in [
            ("offsets=yes", "offsets"),
            ("offsets=true&fromDay=2026-01-01", "fromDay"),
            ("offsets=true&toDay=2026-01-01", "toDay"),
            ("offsets=true&cursor=1-2026-01-01", "cursor"),
            ("fromDay=2026-01-02&toDay=2026-01-01", "fromDay"),
            ("toDay=today", "toDay"),
            ("cursor=1-5", "cursor"),
            ("cursor=", "cursor"),
            ("partition=x", "partition"),
        ] {
            let refused = parse(Some(query)).unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("{parameter}: ")),
                "{query}: {refused}"
            );
        }
    }

    #[test]
    fn a_place_is_read_back() {
        for place in [
            Place {
                partition: 7,
                day: None,
            },
            Place {
                partition: 0,
                day: Some(20_000),
            },
        ] {
            assert_eq!(Place::parse(&place.to_string()), Some(place));
        }
    }
}
