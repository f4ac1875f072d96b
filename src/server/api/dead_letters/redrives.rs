//! How far redrives are, and what became of each dead letter.

use super::super::context::Context;
use super::super::error::{ApiError, Detail, ErrorBody, ErrorKind};
use super::super::params::{Params, entries, parse_number, shown};
use super::super::text::Instant;
use super::selection;
use super::show::BecameBody;
use crate::domain::Millis;
use crate::operations::dead_letters::redrive::{
    ForecastTurn, RedriveItem, RedriveOutcomes, RedriveResult, RedriveStatus,
};
use crate::operations::dead_letters::{Change, DeadLetterId, Forecast, Standing};
use crate::store::StoreError;
use axum::Json;
use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use utoipa::ToSchema;

const LATEST: usize = 50;
/// Bytes of what was given with an order that are told in a list.
const MAX_LISTED_BYTES: usize = 1_024;
const DEFAULT_SIZE: u64 = 100;
const MAX_SIZE: u64 = 1_000;

/// The number of a redrive in a path.
pub(super) struct NumberPath(pub(super) u64);

impl<S: Sync + Send> FromRequestParts<S> for NumberPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        let text = found.map(|Path(text)| text).unwrap_or_default();
        parse_number(&text, 1, u64::MAX).map(Self).ok_or_else(|| {
            ApiError::faults(vec![Detail {
                parameter: "number".to_owned(),
                found: shown(&text),
                accepted: "the number of a redrive".to_owned(),
            }])
        })
    }
}

/// How far a redrive is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Redrive)]
pub(super) struct RedriveBody {
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
    /// One of many: what was given with the order is told by its size when it is long.
    fn listed(status: RedriveStatus) -> Self {
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

/// The redrives asked for last.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Redrives)]
pub(super) struct RedrivesBody {
    /// Newest first.
    redrives: Vec<RedriveBody>,
}

/// What became of a redrive's dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RedriveLetters)]
pub(super) struct ItemsBody {
    content: Vec<ItemBody>,
    /// Leads to what follows; null on the last part.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What became of one dead letter of a redrive.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RedriveLetter)]
pub(super) struct ItemBody {
    id: String,
    result: ItemResult,
    /// Where it was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    /// What became of it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    became: Option<BecameBody>,
    /// Why nothing was published, or why it is not known any more what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// What publishing it would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    forecast: Option<ForecastBody>,
}

/// What can become of a dead letter of a redrive.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ItemResult {
    /// Its turn has not come, or it is just being published.
    Waiting,
    /// The redrive was cancelled before its turn came.
    #[serde(rename = "LEFT")]
    Cancelled,
    /// It was published, and not consumed yet.
    Published,
    /// It was published and consumed; `became` says what it came to.
    #[serde(rename = "CAME_BACK")]
    Redriven,
    /// It was published; what it came to is not known any more, `detail` says why.
    Forgotten,
    /// Nothing was to be done.
    Skipped,
    /// It cannot be redriven.
    Refused,
    /// Nothing was published; `forecast` says what would happen.
    Forecast,
}

/// What publishing a dead letter again would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Forecast)]
struct ForecastBody {
    /// APPLIED, DUPLICATE or CONFLICT for what would be published; UNDECODABLE, RESERVED,
    /// ALREADY_REDRIVEN, DISCARDED or UNKNOWN for what would not.
    outcome: String,
    /// Why, where there is something to say.
    #[schema(required)]
    detail: Option<String>,
    #[schema(required)]
    saga_id: Option<String>,
    #[schema(required)]
    event_id: Option<String>,
    /// The saga before; null when nothing is known of it.
    #[schema(required)]
    before: Option<StandingBody>,
    /// The saga after.
    #[schema(required)]
    after: Option<StandingBody>,
    /// The anomalies that come with it.
    anomalies: Vec<String>,
}

/// A saga's state, as far as a forecast tells it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Standing)]
struct StandingBody {
    status: String,
    last_step: String,
    step_count: u32,
    anomaly_count: u32,
}

impl From<Standing> for StandingBody {
    fn from(standing: Standing) -> Self {
        Self {
            status: standing.status,
            last_step: standing.last_step,
            step_count: standing.step_count,
            anomaly_count: standing.anomaly_count,
        }
    }
}

impl From<Forecast> for ForecastBody {
    fn from(forecast: Forecast) -> Self {
        Self {
            outcome: forecast.outlook.as_str().to_owned(),
            detail: forecast.detail,
            saga_id: forecast.saga_id,
            event_id: forecast.event_id,
            before: forecast.before.map(StandingBody::from),
            after: forecast.after.map(StandingBody::from),
            anomalies: forecast.anomalies,
        }
    }
}

impl From<RedriveItem> for ItemBody {
    fn from(item: RedriveItem) -> Self {
        let mut body = Self {
            id: DeadLetterId(item.letter).to_string(),
            result: ItemResult::Waiting,
            position: None,
            became: None,
            detail: None,
            forecast: None,
        };
        match item.result {
            RedriveResult::Waiting => {}
            RedriveResult::Cancelled => body.result = ItemResult::Cancelled,
            RedriveResult::Sent(at) => {
                body.result = ItemResult::Published;
                body.position = Some(at.to_string());
            }
            RedriveResult::Came(at, became) => {
                body.result = ItemResult::Redriven;
                body.position = Some(at.to_string());
                body.became = Some((&became).into());
            }
            RedriveResult::Forgotten(at, why) => {
                body.result = ItemResult::Forgotten;
                body.position = Some(at.to_string());
                body.detail = Some(why);
            }
            RedriveResult::Skipped(why) => {
                body.result = ItemResult::Skipped;
                body.detail = Some(why);
            }
            RedriveResult::Refused(why) => {
                body.result = ItemResult::Refused;
                body.detail = Some(why);
            }
            RedriveResult::Forecast(forecast) => {
                body.result = ItemResult::Forecast;
                body.forecast = Some((*forecast).into());
            }
        }
        body
    }
}

/// The redrives asked for last
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/redrives",
    operation_id = "listRedrives",
    tag = "dead letters",
    description = "Those asked of this replica.",
    responses((status = 200, body = RedrivesBody, description = "The last 50, newest first."))
)]
pub(super) async fn list(State(context): State<Context>) -> Result<Json<RedrivesBody>, ApiError> {
    let redrives = context.parts().redrives.clone();
    let latest = context
        .in_turn(move |stop| redrives.latest(LATEST, stop))
        .await??;
    let redrives = latest.into_iter().map(RedriveBody::listed).collect();
    Ok(Json(RedrivesBody { redrives }))
}

/// How far a redrive is
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/redrives/{number}",
    operation_id = "getRedrive",
    tag = "dead letters",
    params(("number" = u64, Path, minimum = 1, description = "Its number.")),
    responses(
        (status = 200, body = RedriveBody, description = "How far it is."),
        (status = 400, body = ErrorBody, description = "No number."),
        (status = 404, body = ErrorBody, description = "This replica has no redrive of that number."),
    )
)]
pub(super) async fn status(
    State(context): State<Context>,
    NumberPath(number): NumberPath,
) -> Result<Json<RedriveBody>, ApiError> {
    let redrives = context.parts().redrives.clone();
    let found = context
        .in_turn(move |stop| {
            let Some((status, outcomes)) = redrives.counted(number, stop.clone())? else {
                return Ok(None);
            };
            let letters = redrives.dead_letter_query().until(stop);
            let named = selection::named(&status.chosen_by);
            let open = named.map(|named| letters.open_of(&named)).transpose()?;
            Ok::<_, StoreError>(Some(RedriveBody {
                outcomes: Some(outcomes.into()),
                named_open: open.map(|open| open.len() as u64),
                ..status.into()
            }))
        })
        .await??;
    found.map(Json).ok_or_else(|| unknown(number))
}

fn unknown(number: u64) -> ApiError {
    ApiError::new(
        ErrorKind::NotFound,
        format!("this replica has no redrive {number}"),
    )
}

/// Which part of the dead letters.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct ItemsQuery {
    /// Dead letters in one answer.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1000, default = 100)]
    size: Option<u64>,
    /// nextCursor of an earlier answer.
    #[param(value_type = Option<String>)]
    cursor: Option<String>,
}

/// What became of a redrive's dead letters
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/redrives/{number}/letters",
    operation_id = "getRedriveLetters",
    tag = "dead letters",
    params(("number" = u64, Path, minimum = 1, description = "Its number."), ItemsQuery),
    responses(
        (status = 200, body = ItemsBody, description = "In order of their positions."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
        (status = 404, body = ErrorBody, description = "This replica has no redrive of that number."),
    )
)]
pub(super) async fn items(
    State(context): State<Context>,
    NumberPath(number): NumberPath,
    RawQuery(query): RawQuery,
) -> Result<Json<ItemsBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let size = params.size(MAX_SIZE);
    let after = params.cursor(|text| text.parse::<DeadLetterId>().ok());
    params.finish()?;
    let size = entries(size, DEFAULT_SIZE);
    let redrives = context.parts().redrives.clone();
    let found = context
        .in_turn(move |stop| {
            let known = redrives.status(number)?.is_some();
            let items = redrives.items(number, after.map(|DeadLetterId(at)| at), size, stop)?;
            Ok::<_, StoreError>(known.then_some(items))
        })
        .await??;
    let items = found.ok_or_else(|| unknown(number))?;
    let last = items.last().map(|item| DeadLetterId(item.letter).to_string());
    let next_cursor = last.filter(|_| items.len() == size);
    Ok(Json(ItemsBody {
        content: items.into_iter().map(ItemBody::from).collect(),
        next_cursor,
    }))
}
