//! What is asked for.

use super::super::Change;
use crate::domain::Position;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct RedriveOrder {
    /// The letters.
    pub letters: Vec<Position>,
    /// How they were chosen.
    pub chosen_by: Value,
    /// What to change in each before it is published.
    pub change: Change,
    /// Publish at most so many of them in a second.
    pub per_second: Option<u32>,
    /// Only tell what it would do.
    pub dry_run: bool,
    /// Who asks.
    pub by: String,
    /// From where.
    pub origin: String,
    /// Why.
    pub why: Option<String>,
}

/// That nothing more of a redrive is to be published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancelled {
    /// When, milliseconds since 1970.
    pub at: i64,
    /// By whom.
    pub by: String,
    /// Why, as they said.
    pub why: Option<String>,
}

/// The part of an order that is kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Kept {
    pub(super) chosen_by: Value,
    pub(super) change: Change,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_second: Option<u32>,
    pub(super) origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cancelled: Option<Cancelled>,
}

impl Kept {
    pub(super) fn of(order: &RedriveOrder) -> Self {
        Self {
            chosen_by: order.chosen_by.clone(),
            change: order.change.clone(),
            per_second: order.per_second,
            origin: order.origin.clone(),
            cancelled: None,
        }
    }
}
