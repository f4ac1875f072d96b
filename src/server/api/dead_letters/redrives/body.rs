//! How a redrive is told.

use super::super::super::text::Instant;
use crate::domain::Millis;
use crate::operations::dead_letters::Change;
use crate::operations::dead_letters::redrive::{ForecastTurn, RedriveOutcomes, RedriveStatus};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Bytes of what was given with an order that are told in a list.
const MAX_LISTED_BYTES: usize = 1_024;

/// How far a redrive is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Redrive)]
pub(in super::super) struct RedriveBody {
    number: u64,
    asked_at: Instant,
    /// Who asked.
    by: String,
    /// Why, as they said.
    #[schema(required)]
    reason: Option<String>,
    dry_run: bool,
    /// How its dead letters were chosen: `filter`, or how many `ids`, and which of up to 1,000 (`named`). `limit` where
    /// that left some out. In a list of redrives only `size` and `hash` (BLAKE3) of that as JSON, when it is longer
    /// than 1,024 bytes.
    #[schema(value_type = Object)]
    chosen_by: Value,
    /// How many of its dead letters are published in a second at most; null where nobody said.
    #[schema(required)]
    per_second: Option<u32>,
    /// What it changes in each dead letter, as it was asked for; null when nothing.
    #[schema(required, value_type = Option<Object>)]
    change: Option<Value>,
    /// Whether it still runs.
    running: bool,
    /// Dead letters that it is about.
    letters: u64,
    /// Dead letters whose turn has not come.
    waiting: u64,
    /// Dead letters that were published.
    published: u64,
    /// Dead letters for which nothing was to be done.
    skipped: u64,
    /// Dead letters that cannot be redriven.
    refused: u64,
    /// Dead letters of which it was told what would become.
    forecast: u64,
    /// What those that were published came to. Only of a redrive that is asked for by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    outcomes: Option<OutcomesBody>,
    /// How many of the dead letters that `chosenBy.named` lists are open now. Only of a redrive that is asked for by its
    /// number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    named_open: Option<u64>,
    /// Dead letters that were left as they are, because the redrive was cancelled before their turn.
    left: u64,
    /// When it was cancelled; null when it was not. It still runs until it is known of every dead letter
    /// whether it was published.
    #[schema(required)]
    cancelled_at: Option<Instant>,
    /// Who cancelled it.
    #[schema(required)]
    cancelled_by: Option<String>,
    /// When it ended.
    #[schema(required)]
    ended_at: Option<Instant>,
}

/// What the dead letters of a redrive came to: each that was published is counted once (`conflicts` are among the
/// `duplicates`), those of which it is not known among `open`. Of a dry run, what they would come to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RedriveOutcomes)]
struct OutcomesBody {
    /// They stand in their sagas' timelines.
    applied: u64,
    /// Events with their ids stood there already.
    duplicates: u64,
    /// Those of the duplicates that had another body.
    conflicts: u64,
    /// They became dead letters again.
    dead_letters: u64,
    /// Their sagas have been removed since.
    removed: u64,
    /// It is not known any more what they came to: they, or their sagas, are no longer kept.
    forgotten: u64,
    /// Dead letters of which it is not known yet what became of them, or that are not counted yet: 10,000 are looked at
    /// for one answer, and the next one counts on. Those that wait for their turn are among them.
    open: u64,
    /// What a dry run foretold, the most frequent first.
    forecasts: Vec<ForecastCountBody>,
    /// How the sagas of dead letters that would be applied would turn, the most frequent first.
    turns: Vec<TurnBody>,
}

/// How often a dry run foretold something.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ForecastCount)]
struct ForecastCountBody {
    /// As `outcome` of a forecast.
    outcome: &'static str,
    count: u64,
}

/// How many dead letters would turn their sagas from one status to another.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ForecastTurn)]
struct TurnBody {
    /// The status before; null where the dead letter would begin the saga.
    #[schema(required)]
    before: Option<String>,
    after: String,
    count: u64,
}

impl From<(&'static str, u64)> for ForecastCountBody {
    fn from((outcome, count): (&'static str, u64)) -> Self {
        Self { outcome, count }
    }
}

impl From<(ForecastTurn, u64)> for TurnBody {
    fn from(((before, after), count): (ForecastTurn, u64)) -> Self {
        Self { before, after, count }
    }
}

/// The most frequent first.
fn ranked<K, B: From<(K, u64)>>(counts: BTreeMap<K, u64>) -> Vec<B> {
    let mut counts: Vec<(K, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts.into_iter().map(B::from).collect()
}

impl From<RedriveOutcomes> for OutcomesBody {
    fn from(found: RedriveOutcomes) -> Self {
        Self {
            applied: found.applied,
            duplicates: found.duplicates,
            conflicts: found.conflicts,
            dead_letters: found.dead_letters,
            removed: found.removed,
            forgotten: found.forgotten,
            open: found.open,
            forecasts: ranked(found.forecasts),
            turns: ranked(found.turns),
        }
    }
}

impl RedriveBody {
    /// One by its number: with what its letters came to, and how many of those that were named are open.
    pub(super) fn asked_for(
        status: RedriveStatus,
        outcomes: RedriveOutcomes,
        named_open: Option<u64>,
    ) -> Self {
        Self {
            outcomes: Some(outcomes.into()),
            named_open,
            ..Self::from(status)
        }
    }

    /// One of many: what was given with the order is told by its size when it is long.
    pub(super) fn listed(status: RedriveStatus) -> Self {
        let mut body = Self::from(status);
        shorten(&mut body.chosen_by);
        if let Some(change) = &mut body.change {
            shorten(change);
        }
        body
    }
}

/// Leaves only size and hash of what is long as JSON.
fn shorten(given: &mut Value) {
    let text = given.to_string();
    if text.len() > MAX_LISTED_BYTES {
        let hash = blake3::hash(text.as_bytes()).to_hex();
        *given = json!({ "size": text.len(), "hash": hash.as_str() });
    }
}

impl From<RedriveStatus> for RedriveBody {
    fn from(status: RedriveStatus) -> Self {
        Self {
            number: status.number,
            asked_at: Instant(status.asked_at),
            by: status.by,
            reason: status.why,
            dry_run: status.dry_run,
            chosen_by: status.chosen_by,
            change: changed(&status.change),
            per_second: status.per_second,
            running: status.ended_at.is_none(),
            letters: status.chosen,
            waiting: status.waiting,
            published: status.sent,
            skipped: status.skipped,
            refused: status.refused,
            forecast: status.forecast,
            outcomes: None,
            named_open: None,
            left: status.left,
            cancelled_at: status
                .cancelled
                .as_ref()
                .map(|cancelled| Instant(Millis(cancelled.at))),
            cancelled_by: status.cancelled.map(|cancelled| cancelled.by),
            ended_at: status.ended_at.map(Instant),
        }
    }
}

/// A change as a call asks for it.
fn changed(change: &Change) -> Option<Value> {
    let mut asked = Map::new();
    if let Some(id) = change.schema_id {
        asked.insert("schemaId".to_owned(), id.into());
    }
    if let Some(value) = &change.value {
        asked.insert("valueBase64".to_owned(), STANDARD.encode(value).into());
    }
    if let Some(event) = &change.event {
        asked.insert("event".to_owned(), json!(event));
    }
    (!asked.is_empty()).then_some(Value::Object(asked))
}
