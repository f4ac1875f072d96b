//! The part of a body that says which dead letters are meant: some by id, or all that match a filter.

use super::super::error::Detail;
use super::super::params::shown;
use super::super::text::{ACCEPTED, Edge, parse_edge};
use super::filter::parse_state;
use crate::domain::{Millis, Position};
use crate::operations::dead_letters::redrive::MAX_LETTERS;
use crate::operations::dead_letters::{ACCEPTED_ID, DeadLetterFilter, DeadLetterId, DeadLetterQuery};
use crate::store::StoreError;
use crate::store::dead_letters::{DeadLetterCounts, DeadLetterState};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Which dead letters; all that is given must hold. Without a state, open ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = DeadLetterFilter)]
pub(super) struct FilterBody {
    #[schema(example = "unknown_schema")]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saga_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// open, redriven or discarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// Arrived then or later: an instant, or a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_date: Option<String>,
    /// Arrived then or earlier: an instant, or a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_date: Option<String>,
}

/// So many ids are kept with what they chose.
const MAX_NAMED: usize = 1_000;

/// Which dead letters: these, or all that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    Letters(Vec<Position>),
    Matching(DeadLetterFilter),
}

pub(super) fn fault(parameter: &str, found: &str, accepted: &str) -> Detail {
    Detail {
        parameter: parameter.to_owned(),
        found: shown(found),
        accepted: accepted.to_owned(),
    }
}

/// Reads what was chosen, and how to tell people.
pub(super) fn read(
    ids: Option<&[String]>,
    filter: Option<&FilterBody>,
) -> Result<(Chosen, Value), Vec<Detail>> {
    match (ids, filter) {
        (Some(ids), None) => {
            if ids.is_empty() || ids.len() > MAX_LETTERS {
                let found = format!("{} ids", ids.len());
                let accepted = format!("1 to {MAX_LETTERS} ids");
                return Err(vec![fault("ids", &found, &accepted)]);
            }
            let mut faults = Vec::new();
            let mut letters = Vec::new();
            for id in ids {
                match id.parse::<DeadLetterId>() {
                    Ok(DeadLetterId(position)) => letters.push(position),
                    Err(_) => faults.push(fault("ids", id, ACCEPTED_ID)),
                }
            }
            faults.truncate(20);
            letters.sort_unstable();
            letters.dedup();
            if faults.is_empty() {
                let told = told(&letters);
                Ok((Chosen::Letters(letters), told))
            } else {
                Err(faults)
            }
        }
        (None, Some(filter)) => {
            let read = filter.read()?;
            Ok((Chosen::Matching(read), json!({ "filter": filter })))
        }
        _ => Err(vec![fault(
            "ids",
            if ids.is_some() {
                "ids and a filter"
            } else {
                "neither ids nor a filter"
            },
            "ids, or a filter; {} as the filter for all open dead letters",
        )]),
    }
}

/// Dead letters that were named: how many, and which where they are few.
fn told(letters: &[Position]) -> Value {
    let mut told = json!({ "ids": letters.len() });
    if letters.len() <= MAX_NAMED {
        let named = letters.iter().map(|letter| DeadLetterId(*letter).to_string());
        told["named"] = named.collect();
    }
    told
}

/// Those that were named, as it is told how dead letters were chosen; none where they are not told.
pub(super) fn named(chosen_by: &Value) -> Option<Vec<Position>> {
    let named = chosen_by["named"].as_array()?.iter();
    let ids = named.filter_map(|id| id.as_str()?.parse().ok());
    Some(ids.map(|DeadLetterId(letter)| letter).collect())
}

impl FilterBody {
    fn read(&self) -> Result<DeadLetterFilter, Vec<Detail>> {
        let mut faults = Vec::new();
        let state = match &self.state {
            None => Some(DeadLetterState::Open),
            Some(text) => {
                let state = parse_state(text);
                if state.is_none() {
                    faults.push(fault("filter.state", text, "open, redriven or discarded"));
                }
                state
            }
        };
        let mut edge = |name: &str, text: &Option<String>, edge: Edge| -> Option<Millis> {
            let text = text.as_deref()?;
            let read = parse_edge(text, edge);
            if read.is_none() {
                faults.push(fault(name, text, ACCEPTED));
            }
            read
        };
        let from = edge("filter.fromDate", &self.from_date, Edge::First);
        let to = edge("filter.toDate", &self.to_date, Edge::Last);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(DeadLetterFilter {
            reason: self.reason.clone(),
            topic: self.topic.clone(),
            step: self.step.clone(),
            saga_id: self.saga_id.clone(),
            event_id: self.event_id.clone(),
            state,
            from,
            to,
        })
    }
}

impl Chosen {
    /// The dead letters: those that are named, or those that match, oldest first.
    pub(super) fn find(&self, dead_letter_query: &DeadLetterQuery) -> Result<Vec<Position>, StoreError> {
        match self {
            Self::Letters(letters) => Ok(letters.clone()),
            Self::Matching(filter) => dead_letter_query.choose(filter, MAX_LETTERS),
        }
    }

    /// Those that match, oldest first: of those that are named, the ones that are open.
    pub(super) fn matching(&self, dead_letter_query: &DeadLetterQuery) -> Result<Vec<Position>, StoreError> {
        match self {
            Self::Letters(letters) => dead_letter_query.open_of(letters),
            Self::Matching(filter) => dead_letter_query.choose(filter, MAX_LETTERS),
        }
    }

    /// How many match in all, of which these were found.
    pub(super) fn count(
        &self,
        dead_letter_query: &DeadLetterQuery,
        found: &[Position],
    ) -> Result<u64, StoreError> {
        match self {
            Self::Matching(filter) if found.len() >= MAX_LETTERS => {
                let counts = dead_letter_query.count(filter)?;
                Ok(counts.values().map(DeadLetterCounts::total).sum())
            }
            Self::Letters(_) | Self::Matching(_) => Ok(found.len() as u64),
        }
    }
}
