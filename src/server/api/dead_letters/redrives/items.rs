//! What became of each dead letter of a redrive.

use super::super::super::context::Context;
use super::super::super::error::{ApiError, ErrorBody};
use super::super::super::params::{Params, entries};
use super::super::show::BecameBody;
use super::{NumberPath, unknown};
use crate::operations::dead_letters::redrive::{RedriveItem, RedriveResult};
use crate::operations::dead_letters::{DeadLetterId, Forecast, Standing};
use crate::store::StoreError;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

const DEFAULT_SIZE: u64 = 100;
const MAX_SIZE: u64 = 1_000;

/// What became of a redrive's dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RedriveLetters)]
pub(in super::super) struct ItemsBody {
    content: Vec<ItemBody>,
    /// Leads to what follows; null on the last part.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What became of one dead letter of a redrive.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RedriveLetter)]
pub(in super::super) struct ItemBody {
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

/// Which part of the dead letters.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
struct ItemsQuery {
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
pub(in super::super) async fn handle(
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
