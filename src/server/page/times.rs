//! Instants as people read them: in the zone that is chosen, with the offset of that moment.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The zone of the browser, which the server does not know: modules write the times again.
pub(super) const OF_THE_BROWSER: &str = "browser";

/// A zone by its name; UTC where it is not known.
pub(super) fn zone(name: &str) -> TimeZone {
    if name == OF_THE_BROWSER {
        return TimeZone::UTC;
    }
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// Whether a zone can be chosen.
pub(super) fn is_zone(name: &str) -> bool {
    name == OF_THE_BROWSER || TimeZone::get(name).is_ok()
}

/// 2026-11-20 20:51:15.471 +09:00; without the fraction where it is nought. What is no instant stays as it is.
pub(super) fn instant(text: &str, zone: &TimeZone) -> String {
    let Ok(at) = text.parse::<Timestamp>() else {
        return text.to_owned();
    };
    let local = at.to_zoned(zone.clone());
    let fraction = match at.as_millisecond().rem_euclid(1_000) {
        0 => String::new(),
        millis => format!(".{millis:03}"),
    };
    format!(
        "{}{fraction} {}",
        local.strftime("%Y-%m-%d %H:%M:%S"),
        local.strftime("%:z")
    )
}

/// Milliseconds since the epoch of an instant as the API writes it.
pub(super) fn millis(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// Milliseconds from one instant to another; nought where one of them is none.
pub(super) fn between(from: &str, to: &str) -> i64 {
    match (millis(from), millis(to)) {
        (Some(from), Some(to)) => to - from,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_its_zone_with_the_offset_of_that_moment() {
        let written = |zone_name: &str, text: &str| instant(text, &zone(zone_name));
        assert_eq!(
            written("UTC", "2026-11-20T20:51:15.471Z"),
            "2026-11-20 20:51:15.471 +00:00"
        );
        assert_eq!(
            written(OF_THE_BROWSER, "2026-11-20T20:51:15Z"),
            "2026-11-20 20:51:15 +00:00"
        );
        assert_eq!(
            written("Asia/Seoul", "2026-11-20T20:51:15Z"),
            "2026-11-21 05:51:15 +09:00"
        );
        assert_eq!(
            written("America/New_York", "2026-07-01T00:00:00Z"),
            "2026-06-30 20:00:00 -04:00"
        );
        assert_eq!(written("UTC", "soon"), "soon");
        assert!(is_zone("Asia/Seoul") && is_zone(OF_THE_BROWSER) && !is_zone("Moon/Base"));
    }
}
