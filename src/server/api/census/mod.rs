//! How many sagas stood in each status at any instant, one file for each question.

pub(super) mod at;
mod diff;
mod series;

use super::route::Route;
use super::sagas::statistics::ByStatusBody;
use crate::domain::SagaStatus;
use crate::pipeline::query::CensusRecord;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::of(routes!(at::handle)),
        Route::of(routes!(diff::handle)),
        Route::of(routes!(series::handle)),
    ]
}

/// How many sagas stood in each status at an instant, and how often each was entered and left until then. What a
/// saga entered and left within one millisecond counts as neither; of a saga whose status changed very often
/// the first 32 changes and the last count as entries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CensusSums)]
struct SumsBody {
    /// Sagas that had begun.
    total: u64,
    /// Sagas that stood in each status.
    by_status: ByStatusBody,
    /// How often each status was entered.
    entered: ByStatusBody,
    /// How often each status was left.
    left: ByStatusBody,
}

impl From<&CensusRecord> for SumsBody {
    fn from(sums: &CensusRecord) -> Self {
        let standing = |status| number(sums.standing(status));
        Self {
            total: SagaStatus::ALL.into_iter().map(standing).sum(),
            by_status: ByStatusBody::of(standing),
            entered: ByStatusBody::of(|status| number(sums.entered[usize::from(status.tag())])),
            left: ByStatusBody::of(|status| number(sums.left[usize::from(status.tag())])),
        }
    }
}

fn number(sum: i64) -> u64 {
    u64::try_from(sum).unwrap_or(0)
}

/// How often each status was counted by the second moment and not by the first: what single sagas count less of does
/// not make up for what others count more.
fn between(before: [i64; 5], after: [i64; 5], fallen: [i64; 5]) -> ByStatusBody {
    ByStatusBody::of(|status| {
        let place = usize::from(status.tag());
        number(after[place] - before[place] + fallen[place])
    })
}
