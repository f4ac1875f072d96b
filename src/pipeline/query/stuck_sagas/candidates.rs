//! The sagas that a search for stuck ones has to look at: those past their deadline, and those that may owe a
//! compensation for too long. Which of them are stuck by what was known then is not decided here.

use super::super::past_state::Past;
use super::super::seek::Seek;
use super::super::trees::{Row, Span, Stream};
use super::super::{AskedStuck, Filter, QueryError, broken_rules, past};
use super::{Asked, Group, StuckRequest, UNENDED, owing, until, wanted};
use crate::domain::{SagaDefinition, SagaId, SagaStatus, SagaType, StuckRule};

/// Where sagas that can be stuck are found.
enum Place<'g> {
    /// By their start.
    Started(Group<'g>),
    /// By when they failed and owed a compensation.
    Owing(Stream, Span),
}

/// All sagas that are stuck at the moment of a filter, and some that are not; or how many they are, where they are
/// more than so many.
pub(in crate::pipeline::query) fn candidates(
    past: &Past<'_>,
    filter: &Filter,
    by: AskedStuck,
    limit: u64,
) -> Result<Result<Vec<SagaId>, u64>, QueryError> {
    let request = StuckRequest {
        moment: filter.moment,
        now: by.now,
        saga_type: filter.saga_type.clone(),
        rule: by.rule,
        from: filter.from,
        to: filter.to,
        page: 0,
        size: 0,
        newest_first: false,
    };
    let grid = if filter.moment.is_now() {
        None
    } else {
        Some(past::grid(past)?)
    };
    let asked = Asked {
        request: &request,
        past,
        grid,
    };
    let types: Vec<(SagaType, &SagaDefinition)> = wanted(past.definitions, &request).collect();
    let mut places = Vec::new();
    let mut total: u64 = 0;
    for (saga_type, definition) in &types {
        for place in asked.places(saga_type, definition, filter.status)? {
            total = total.saturating_add(place.1);
            places.push(place);
        }
    }
    if total > limit {
        return Ok(Err(total));
    }
    let mut sagas = Vec::new();
    for (place, count) in places {
        let want = usize::try_from(count).unwrap_or(usize::MAX);
        let rows = asked.rows(place, Seek::ascending(0, want))?;
        sagas.extend(rows.into_iter().map(|(_, saga)| saga));
    }
    Ok(Ok(sagas))
}

impl Asked<'_, '_> {
    /// Where the sagas of a type are that can be stuck and are in that status, and how many there are.
    fn places<'g>(
        &self,
        saga_type: &'g SagaType,
        definition: &SagaDefinition,
        status: Option<SagaStatus>,
    ) -> Result<Vec<(Place<'g>, u64)>, QueryError> {
        let mut places = Vec::new();
        let is_wanted = |of| status.is_none_or(|status| status == of);
        if self.request.rule != Some(StuckRule::CompensationOverdue) && UNENDED.into_iter().any(is_wanted) {
            let group = self.unended(saga_type, definition);
            let sagas = self.count(&group)?;
            places.push((Place::Started(group), sagas));
        }
        let can_owe = !definition.compensates.is_empty() && is_wanted(SagaStatus::Failed);
        if self.request.rule != Some(StuckRule::PastDeadline) && can_owe {
            places.push(self.narrower(saga_type, definition)?);
        }
        Ok(places)
    }

    /// Where the fewer sagas are that can owe a compensation: by their start, or by when they failed, as they stand.
    fn narrower<'g>(
        &self,
        saga_type: &'g SagaType,
        definition: &SagaDefinition,
    ) -> Result<(Place<'g>, u64), QueryError> {
        let failed = self.failed(saga_type, definition);
        let sagas = self.count(&failed)?;
        if self.grid.is_none() {
            let (stream, span) = (
                owing(saga_type),
                until(self.request.now, definition.compensation_seconds),
            );
            let owe = self.past.trees.sagas_in(&stream, span)?;
            if owe <= sagas {
                return Ok((Place::Owing(stream, span), owe));
            }
        }
        Ok((Place::Started(failed), sagas))
    }

    /// The sagas of a place.
    fn rows(&self, place: Place<'_>, seek: Seek) -> Result<Vec<Row>, QueryError> {
        match place {
            Place::Started(group) => self.find(&group, seek),
            Place::Owing(stream, span) => {
                Ok(broken_rules::walk(self.past.trees, vec![stream], span, seek)?.found())
            }
        }
    }
}
