//! What every offset came to, by partition and by day of arrival.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::text::{Day, day_schema, parse_day};
use super::partition;
use crate::pipeline::query::{Ledger, LedgerRequest, OffsetsByClass, PartitionLedger};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

/// At most so many days in one answer.
const MAX_DAYS: i64 = 400;
/// So many days before the last one where the first is left out.
const DEFAULT_DAYS: i64 = 30;

/// The parameters of the ledger.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct LedgerQuery {
    /// Only this partition.
    #[param(value_type = Option<u32>, minimum = 0)]
    partition: Option<u32>,
    #[param(schema_with = from_schema)]
    from_day: Option<i64>,
    #[param(schema_with = to_schema)]
    to_day: Option<i64>,
}

fn from_schema() -> Schema {
    day_schema(
        "The first day of arrival (UTC) whose sums are answered too. Left out: the 30th day up to `toDay`, or no days \
         when that is left out as well.",
    )
}

fn to_schema() -> Schema {
    day_schema("The last such day, at most 399 after the first. Left out: today, by the tracker's clock.")
}

/// What every offset came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ledger)]
pub(super) struct LedgerBody {
    /// Whether it is known of every offset what became of it: each is in exactly one class, and none is unexplained.
    complete: bool,
    /// Offsets of which nobody knows what became of them.
    unexplained: u64,
    /// All partitions together.
    total: OffsetsBody,
    /// Each partition that is consumed.
    partitions: Vec<PartitionBody>,
    /// By partition of the tracker topic the first offset that was not folded yet.
    cursor: BTreeMap<String, u64>,
}

/// What the offsets of a partition came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PartitionLedger)]
struct PartitionBody {
    partition: u32,
    /// The first offset that is accounted for.
    start: u64,
    /// The next offset to consume.
    next: u64,
    /// Whether it is known of every offset between them what became of it.
    complete: bool,
    #[serde(flatten)]
    offsets: OffsetsBody,
    /// Those that arrived on each day, of the days that were asked for and on which any did.
    days: Vec<DayBody>,
}

/// What the offsets that arrived on a day came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LedgerDay)]
struct DayBody {
    day: Day,
    #[serde(flatten)]
    offsets: OffsetsBody,
}

/// How many offsets are in which class. Each is in exactly one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OffsetClasses)]
struct OffsetsBody {
    /// All of them.
    offsets: u64,
    /// Events that stand in their saga's timeline.
    applied: u64,
    /// Deliveries of events of which another delivery stands.
    duplicate: u64,
    /// Operators' changes of a status that stand; one that was refused among them.
    operator: u64,
    /// Of sagas that were purged: removed with them, or arrived after that.
    purged: u64,
    /// In the log, and not folded yet.
    pending: u64,
    /// Dead letters, whatever became of them since.
    dead_letter: u64,
    /// What the broker did not deliver.
    gap: GapBody,
}

/// Offsets that the broker did not deliver, by why.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GapClasses)]
struct GapBody {
    /// What brokers write at the end of transactions, and records of aborted ones: at most 16 offsets in a row, on a
    /// topic that is not compacted.
    transaction_marker: u64,
    /// Not there any more, on a topic that is compacted.
    compaction: u64,
    /// Removed by the topic's retention, or deleted, before they were read: lost to this store.
    expired: u64,
    /// Nobody knows: a batch that cannot be unpacked, a longer hole, or what no sum accounts for.
    unexplained: u64,
}

impl From<&OffsetsByClass> for OffsetsBody {
    fn from(by_class: &OffsetsByClass) -> Self {
        Self {
            offsets: by_class.sum(),
            applied: by_class.applied,
            duplicate: by_class.duplicate,
            operator: by_class.operator,
            purged: by_class.purged,
            pending: by_class.pending,
            dead_letter: by_class.dead_letter,
            gap: GapBody {
                transaction_marker: by_class.transaction_marker,
                compaction: by_class.compaction,
                expired: by_class.expired,
                unexplained: by_class.unexplained,
            },
        }
    }
}

impl From<&PartitionLedger> for PartitionBody {
    fn from(ledger: &PartitionLedger) -> Self {
        let days = ledger.days.iter();
        Self {
            partition: ledger.partition,
            start: ledger.start,
            next: ledger.next,
            complete: ledger.is_complete(),
            offsets: (&ledger.offsets).into(),
            days: days
                .map(|(day, offsets)| DayBody {
                    day: Day(*day),
                    offsets: offsets.into(),
                })
                .collect(),
        }
    }
}

impl From<&Ledger> for LedgerBody {
    fn from(ledger: &Ledger) -> Self {
        let (all, cursor) = (ledger.all(), ledger.cursor.iter());
        Self {
            complete: ledger.is_complete(),
            unexplained: all.unexplained,
            total: (&all).into(),
            partitions: ledger.partitions.iter().map(Into::into).collect(),
            cursor: cursor
                .map(|(partition, next)| (partition.to_string(), next))
                .collect(),
        }
    }
}

fn parse(params: &mut Params<'_>, today: i64) -> LedgerRequest {
    const ACCEPTED: &str = "a day such as 2026-01-31";
    let partition = partition(params);
    let from = params.take(&["fromDay"], ACCEPTED, parse_day);
    let to = params.take(&["toDay"], ACCEPTED, parse_day);
    let days = (from.is_some() || to.is_some()).then(|| {
        let last = to.unwrap_or(today);
        from.unwrap_or(last - (DEFAULT_DAYS - 1))..=last
    });
    if let Some(days) = &days {
        let count = days.end() - days.start() + 1;
        if !(1..=MAX_DAYS).contains(&count) {
            let found = format!("{} to {}, {count} days", Day(*days.start()), Day(*days.end()));
            params.fault("fromDay", found, format!("1 to {MAX_DAYS} days up to toDay"));
        }
    }
    LedgerRequest { partition, days }
}

/// What every offset of the topic came to
#[utoipa::path(
    get,
    path = "/api/v1/ledger",
    operation_id = "getLedger",
    tag = "ledger",
    description = "Of each partition every offset from the first that is accounted for on, in exactly one class; all of \
                   one moment of the store, and as fast however many there are. A topic that was deleted and created \
                   again is not consumed, so no class is needed for what that took away.",
    params(LedgerQuery),
    responses(
        (status = 200, body = LedgerBody, description = "Offsets by partition and class."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<LedgerBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let request = parse(&mut params, context.parts().clock.now().day());
    params.finish()?;
    let ledger = context.ledger(request).await?;
    Ok(Json(LedgerBody::from(&ledger)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<LedgerRequest, String> {
        let mut params = Params::of(Some(query));
        let request = parse(&mut params, 20_000);
        params
            .finish()
            .map(|()| request)
            .map_err(|error| error.to_string())
    }

    fn days(query: &str) -> Option<(i64, i64)> {
        let days = asked(query).unwrap().days?;
        Some((*days.start(), *days.end()))
    }

    #[test]
    fn days_are_answered_when_they_are_asked_for() {
        assert_eq!(days("partition=2"), None);
        assert_eq!(asked("partition=2").unwrap().partition, Some(2));
        assert_eq!(days("fromDay=1970-01-02&toDay=1970-01-03"), Some((1, 2)));
        assert_eq!(days("toDay=1970-02-01"), Some((2, 31)));
        assert_eq!(days("fromDay=2024-10-03"), Some((19_999, 20_000)));
    }

    #[test]
    fn an_answer_has_at_most_so_many_days() {
        assert!(asked("fromDay=1970-01-01&toDay=1971-02-04").is_ok());
        assert_eq!(
            asked("fromDay=1970-01-01&toDay=1971-02-05").unwrap_err(),
            "fromDay: found 1970-01-01 to 1971-02-05, 401 days, accepted: 1 to 400 days up to toDay"
        );
        assert!(asked("fromDay=1970-01-02&toDay=1970-01-01").is_err());
        assert_eq!(
            asked("toDay=2026-02-30&partition=x").unwrap_err(),
            "partition: found \"x\", accepted: a whole number from 0; toDay: found \"2026-02-30\", accepted: a day such \
             as 2026-01-31"
        );
    }
}
