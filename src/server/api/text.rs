//! How instants travel: ISO 8601, UTC, `Z`; and how they are read, which is more generous.

use crate::domain::{DAY_MILLIS, Millis};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type};

/// An instant in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant(pub(super) Millis);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl utoipa::PartialSchema for Instant {
    fn schema() -> utoipa::openapi::RefOr<Schema> {
        text(KnownFormat::DateTime).into()
    }
}

impl utoipa::ToSchema for Instant {}

/// What is accepted where a period begins or ends.
pub(super) const ACCEPTED: &str =
    "an instant such as 2026-01-31T09:30:00Z or 2026-01-31T18:30:00.250+09:00, or a date such as 2026-01-31";

/// Which end of a period a parameter is: a date stands for its first or its last millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    First,
    Last,
}

/// Reads the edge of a period. What lies between two milliseconds is rounded into the period.
pub(super) fn parse_edge(text: &str, edge: Edge) -> Option<Millis> {
    if let Some(date) = parse_date(text) {
        let first = Millis::from(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
        return Some(match edge {
            Edge::First => first,
            Edge::Last => Millis(first.0 + DAY_MILLIS - 1),
        });
    }
    let instant: Timestamp = with_plus(text).parse().ok()?;
    let nanos = instant.as_nanosecond();
    let millis = match edge {
        Edge::First => nanos.div_euclid(1_000_000) + i128::from(nanos.rem_euclid(1_000_000) != 0),
        Edge::Last => nanos.div_euclid(1_000_000),
    };
    i64::try_from(millis).ok().map(Millis)
}

/// Only `YYYY-MM-DD`: the library takes more, such as a date and time without an offset.
fn parse_date(text: &str) -> Option<Date> {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    if shape { text.parse().ok() } else { None }
}

/// A `+` that a client forgot to encode arrives as a space; before an offset it can be nothing else.
fn with_plus(text: &str) -> Cow<'_, str> {
    match text.rsplit_once(' ') {
        Some((instant, offset))
            if instant.contains(['T', 't']) && offset.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            Cow::Owned(format!("{instant}+{offset}"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// A day of UTC in an answer, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day(pub(super) i64);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = Millis(self.0.saturating_mul(DAY_MILLIS));
        match Timestamp::from_millisecond(first.0) {
            Ok(instant) => write!(f, "{}", instant.to_zoned(TimeZone::UTC).date()),
            // Beyond the years that the library knows.
            Err(_) => write!(f, "day {}", self.0),
        }
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl utoipa::PartialSchema for Day {
    fn schema() -> utoipa::openapi::RefOr<Schema> {
        text(KnownFormat::Date).into()
    }
}

impl utoipa::ToSchema for Day {}

/// Reads a day.
pub(super) fn parse_day(text: &str) -> Option<i64> {
    parse_date(text)?;
    parse_edge(text, Edge::First).map(Millis::day)
}

pub(super) fn day_schema(description: &str) -> Schema {
    text(KnownFormat::Date)
        .description(Some(description))
        .examples(["2026-01-31"])
        .build()
        .into()
}

fn text(format: KnownFormat) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(format)))
}

/// The schema of `fromDate`.
pub(super) fn first_edge_schema() -> Schema {
    edge_schema("Sagas that started then or later: an instant, or a date, which begins at 00:00:00Z.")
}

/// The schema of `toDate`.
pub(super) fn last_edge_schema() -> Schema {
    edge_schema("Sagas that started then or earlier: an instant, or a date, which ends at 23:59:59.999Z.")
}

pub(super) fn edge_schema(description: &str) -> Schema {
    OneOfBuilder::new()
        .item(text(KnownFormat::DateTime))
        .item(text(KnownFormat::Date))
        .description(Some(description))
        .examples(["2026-01-31T09:30:00Z", "2026-01-31"])
        .build()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(text: &str) -> [String; 2] {
        [Edge::First, Edge::Last]
            .map(|edge| parse_edge(text, edge).map_or("none".to_owned(), |m| m.to_string()))
    }

    #[test]
    fn a_date_is_all_of_its_day() {
        assert_eq!(
            edges("2026-02-28"),
            ["2026-02-28T00:00:00Z", "2026-02-28T23:59:59.999Z"]
        );
    }

    #[test]
    fn any_offset_is_read() {
        for text in [
            "2026-01-31T09:30:00Z",
            "2026-01-31T18:30:00+09:00",
            "2026-01-31T18:30:00 09:00",
            "2026-01-31T04:00:00-05:30",
            "2026-01-31t09:30:00.000000z",
        ] {
            assert_eq!(edges(text), ["2026-01-31T09:30:00Z"; 2], "{text}");
        }
    }

    #[test]
    fn between_two_milliseconds_the_edge_lies_inside() {
        let rounded = ["2026-01-31T09:30:00.002Z", "2026-01-31T09:30:00.001Z"];
        assert_eq!(edges("2026-01-31T09:30:00.001000001Z"), rounded);
        assert_eq!(
            edges("1969-12-31T23:59:59.9985Z"),
            ["1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.998Z"]
        );
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "yesterday",
            "2026-02-30",
            "2026-1-3",
            "2026-01-31T09:30:00",
            "1769851800000",
            "20260131",
        ] {
            assert_eq!(edges(text), ["none", "none"], "{text}");
        }
    }
}
