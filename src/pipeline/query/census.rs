//! The census: how many sagas of each type stood in each status at an instant, and how often each status was
//! entered and left until then.

use super::corrections::{Corrections, fallen};
use super::past_state::Past;
use super::statistics::Told;
use super::trees::{Span, Trees};
use super::{Basis, Filter, Moment, QueryError, past, search};
use crate::domain::InForce;
use crate::store::records::CensusRecord;
use crate::store::{Store, reads};
use std::collections::BTreeMap;

/// Types that are told apart.
const TYPES: usize = 1_000;

/// How many sagas stood where.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Census {
    /// By type: of the types that have the most sagas of all times, a thousand.
    pub by_type: BTreeMap<String, CensusRecord>,
    /// How many types there are beside those, at all times.
    pub other_types: u64,
    /// Those together.
    pub others: CensusRecord,
    /// By how much single sagas count less, in what they entered and left, than at the moment before this one in the
    /// same answer; by type as `by_type`. Sums of two moments differ by what happened in between less this.
    pub fallen_by_type: BTreeMap<String, CensusRecord>,
    /// The same of those that are not told apart.
    pub fallen_others: CensusRecord,
    /// Sagas that are purged now, whenever they started: of the wanted type, or of all.
    pub purged: CensusRecord,
    /// What it was counted in.
    pub basis: Basis,
}

impl Census {
    /// All types together.
    pub fn all(&self) -> CensusRecord {
        let mut all = self.others;
        self.by_type.values().for_each(|sums| all.add(sums));
        all
    }

    /// By how much single sagas of all types count less than at the moment before.
    pub fn fallen(&self) -> CensusRecord {
        let mut all = self.fallen_others;
        self.fallen_by_type.values().for_each(|sums| all.add(sums));
        all
    }
}

/// The censuses at some moments, all of one moment of the store.
pub(super) fn censuses(
    store: &dyn Store,
    in_force: &InForce,
    filter: &Filter,
    moments: &[Moment],
) -> Result<Vec<Census>, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let trees = Trees {
        store: &*snapshot,
        generation,
    };
    let mut told = match &filter.saga_type {
        Some(one) => Told::one(one.as_str()),
        None => Told::most_frequent(trees, TYPES)?,
    };
    let (cursor, rules) = search::basis(trees, in_force)?;
    let (wanted, span) = (filter.saga_type.as_ref(), Span::of(filter.from, filter.to));
    let is_wanted = |saga_type: &str| wanted.is_none_or(|wanted| wanted.as_str() == saga_type);
    let mut before: Option<(Past<'_>, Corrections)> = None;
    let at = |moment: &Moment| {
        let past = Past {
            trees,
            definitions: &rules,
            cursor: &cursor,
            moment: *moment,
        };
        let mut census = Census {
            basis: Basis::of(cursor.clone(), &rules),
            ..Census::default()
        };
        let grid = past::grid(&past)?;
        grid.sums(wanted, span, &mut |saga_type, sums| {
            if let Some(known) = census.by_type.get_mut(saga_type) {
                known.add(sums);
            } else if told.tells(saga_type) {
                census.by_type.insert(saga_type.to_owned(), *sums);
            } else {
                census.others.add(sums);
            }
        })?;
        census.by_type.retain(|_, sums| *sums != CensusRecord::default());
        census.other_types = told.others;
        grid.purged(&mut |saga_type, sums| {
            if is_wanted(saga_type) {
                census.purged.add(sums);
            }
        })?;
        if let Some((moment, corrections)) = &before {
            let (before, now) = ((moment, corrections), (&past, &grid.corrections));
            fallen(before, now, |share, by| {
                let saga_type = share.saga_type.as_str();
                if !is_wanted(saga_type) || !span.contains(share.started_at) {
                    return;
                }
                if told.names.contains(saga_type) {
                    let name = saga_type.to_owned();
                    census.fallen_by_type.entry(name).or_default().add(by);
                } else {
                    census.fallen_others.add(by);
                }
            })?;
        }
        before = Some((past, grid.corrections));
        Ok(census)
    };
    moments.iter().map(at).collect()
}
