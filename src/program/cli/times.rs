//! Instants as people give them: exact, as a date, or as so long ago. What is relative the server is never told.

use crate::domain::Millis;
use crate::domain::clock::{Clock as _, SystemClock};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

const ACCEPTED: &str = "an instant such as 2026-01-31T09:30:00Z, a date such as 2026-01-31, which means its end, today, \
                        yesterday, now, or a time ago such as \"2 hours ago\" or \"90s ago\"";

/// Reads an instant, by the clock of this machine where that matters.
pub(super) fn parse(text: &str) -> Result<Millis, String> {
    read(text, SystemClock.now()).ok_or_else(|| format!("accepted: {ACCEPTED}"))
}

/// Reads an edge of a period. What is relative is made exact; instants and dates are the server's to read, which knows
/// whether the first or the last millisecond of a day is meant.
#[expect(clippy::unnecessary_wraps, reason = "what clap asks for")]
pub(super) fn edge(text: &str) -> Result<String, String> {
    Ok(edge_at(text, SystemClock.now()))
}

fn edge_at(text: &str, now: Millis) -> String {
    let today = || Some(zoned(now)?.date());
    let read = match text.trim().to_ascii_lowercase().as_str() {
        "now" => Some(now.to_string()),
        "today" => today().map(|date| date.to_string()),
        "yesterday" => today().and_then(|date| Some(date.yesterday().ok()?.to_string())),
        lower if lower.ends_with("ago") => ago(lower, now).map(|at| at.to_string()),
        _ => None,
    };
    read.unwrap_or_else(|| text.to_owned())
}

fn read(text: &str, now: Millis) -> Option<Millis> {
    let text = text.trim();
    let today = || Some(zoned(now)?.date());
    match text.to_ascii_lowercase().as_str() {
        "now" => Some(now),
        "today" => end_of(today()?),
        "yesterday" => end_of(today()?.yesterday().ok()?),
        lower if lower.ends_with("ago") => ago(lower, now),
        _ if is_date(text) => end_of(text.parse().ok()?),
        _ => text.parse::<Timestamp>().ok().map(Millis::from),
    }
}

/// `2 hours ago`, `90s ago`, `1 day 3 hours ago`.
fn ago(text: &str, now: Millis) -> Option<Millis> {
    let span: Span = text.parse().ok()?;
    let at = zoned(now)?.checked_add(span).ok()?;
    Some(at.timestamp().into())
}

/// The last millisecond of a day, UTC.
fn end_of(date: Date) -> Option<Millis> {
    let next = date.checked_add(1.day()).ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(Millis(next.timestamp().as_millisecond() - 1))
}

fn zoned(at: Millis) -> Option<jiff::Zoned> {
    Some(Timestamp::from_millisecond(at.0).ok()?.to_zoned(TimeZone::UTC))
}

/// Only `YYYY-MM-DD`: the library takes more, such as a date and time without an offset.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-01T12:00:00.250Z.
    const NOW: Millis = Millis(1_772_366_400_250);

    fn shown(text: &str) -> String {
        read(text, NOW).map_or("none".to_owned(), |at| at.to_string())
    }

    #[test]
    fn instants_dates_and_times_ago_are_read() {
        for (text, at) in [
            ("2026-01-31T18:30:00.250+09:00", "2026-01-31T09:30:00.250Z"),
            ("2026-01-31", "2026-01-31T23:59:59.999Z"),
            ("now", "2026-03-01T12:00:00.250Z"),
            ("Today", "2026-03-01T23:59:59.999Z"),
            ("yesterday", "2026-02-28T23:59:59.999Z"),
            ("2 hours ago", "2026-03-01T10:00:00.250Z"),
            ("90s ago", "2026-03-01T11:58:30.250Z"),
            (" 1 Day 3 hours ago ", "2026-02-28T09:00:00.250Z"),
            ("250ms ago", "2026-03-01T12:00:00Z"),
            ("1 month ago", "2026-02-01T12:00:00.250Z"),
        ] {
            assert_eq!(shown(text), at, "{text}");
        }
    }

    #[test]
    fn of_an_edge_only_what_is_relative_is_read_here() {
        for (text, edge) in [
            ("1 hour ago", "2026-03-01T11:00:00.250Z"),
            ("now", "2026-03-01T12:00:00.250Z"),
            ("Today", "2026-03-01"),
            ("yesterday", "2026-02-28"),
        ] {
            assert_eq!(edge_at(text, NOW), edge);
        }
        for text in ["2026-01-31", "2026-01-31T09:30:00Z", "soon", "ago", "1 hour"] {
            assert_eq!(edge_at(text, NOW), text);
        }
    }

    #[test]
    fn what_is_no_instant_is_refused_with_what_is_accepted() {
        for text in [
            "",
            "ago",
            "soon",
            "2 hours",
            "2 parsecs ago",
            "2026-02-30",
            "2026-01-31T09:30:00",
            "1769851800000",
        ] {
            assert_eq!(shown(text), "none", "{text}");
        }
        assert!(parse("soon").unwrap_err().contains("2 hours ago"));
    }
}
