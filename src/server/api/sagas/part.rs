//! Which part of a list that follows a saga's timeline, and of which moment.

use super::super::error::ApiError;
use super::super::params::Params;
use super::archive_wanted;
use super::moment;
use crate::domain::{Millis, Position, TimelineKey};
use crate::pipeline::query::Moment;

pub(super) const DEFAULT_SIZE: u64 = 100;
const MAX_SIZE: u64 = 1_000;

/// The parameters of such a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct PartQuery {
    /// Whether to look into the archive when it was purged.
    #[param(value_type = Option<bool>)]
    pub(super) archive: bool,
    /// Entries on a page. Without it and without `after` all are answered.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1000)]
    size: Option<u64>,
    /// `next` of an earlier answer: answers with the entries behind it, 100 unless size says otherwise.
    #[param(value_type = Option<String>, min_length = 1)]
    pub(super) after: Option<TimelineKey>,
    #[param(schema_with = moment::as_of_schema)]
    as_of: Option<Millis>,
    #[param(schema_with = moment::known_at_schema)]
    known_at: Option<Millis>,
}

impl PartQuery {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let part = Self::take(&mut params);
        params.finish()?;
        Ok(part)
    }

    /// Takes them from among others.
    pub(super) fn take(params: &mut Params<'_>) -> Self {
        let archive = archive_wanted(params);
        let (size, after) = page(params);
        let Moment { as_of, known_at } = moment::take(params, ["asOf", "knownAt"]);
        Self {
            archive,
            size,
            after,
            as_of,
            known_at,
        }
    }

    pub(super) fn moment(&self) -> Moment {
        let (as_of, known_at) = (self.as_of, self.known_at);
        Moment { as_of, known_at }
    }

    /// Entries on a page; none when all are asked for.
    pub(super) fn page(&self) -> Option<u64> {
        self.size.or(self.after.map(|_| DEFAULT_SIZE))
    }
}

/// Which part of a list that follows a timeline.
pub(super) fn page(params: &mut Params<'_>) -> (Option<u64>, Option<TimelineKey>) {
    let size = params.size(MAX_SIZE);
    let after = params.take(&["after"], "next of an earlier answer", parse_place);
    (size, after)
}

/// A place in a timeline as `next` tells it.
pub(in crate::server::api) fn place_text(place: TimelineKey) -> String {
    let Position { partition, offset } = place.position;
    format!("{}.{partition}.{offset}", place.recorded_at.0)
}

pub(in crate::server::api) fn parse_place(text: &str) -> Option<TimelineKey> {
    let (at, position) = text.split_once('.')?;
    let (partition, offset) = position.split_once('.')?;
    let place = TimelineKey {
        recorded_at: Millis(at.parse().ok()?),
        position: Position::new(partition.parse().ok()?, offset.parse().ok()?),
    };
    (place_text(place) == text).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_nothing_else_is_one() {
        let place = TimelineKey {
            recorded_at: Millis(-5),
            position: Position::new(2, u64::MAX),
        };
        assert_eq!(place_text(place), "-5.2.18446744073709551615");
        assert_eq!(parse_place(&place_text(place)), Some(place));
        for text in ["", "1.2", "1.2.3.4", "+1.2.3", "1.02.3", "1.-2.3", "a.b.c"] {
            assert_eq!(parse_place(text), None, "{text}");
        }
    }
}
