//! Columns of numbers, written row by row: no column is in memory beside the rows.

use crate::domain::SagaStatus;
use crate::pipeline::query::{ColumnRow, Density, DensityCell};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// The events, each at the same place of every column. What is said to be a difference is one to the event before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimelineColumnsOfEvents)]
pub(super) struct ColumnsBody<'a> {
    /// Its number in the timeline, from 1: the difference, of the first one to 0.
    #[schema(value_type = Vec<u32>)]
    id: Differences<'a>,
    /// Its event time, milliseconds: the difference, of the first one to `base`.
    #[schema(value_type = Vec<i64>)]
    recorded_at: Differences<'a>,
    /// How many milliseconds later it arrived; negative where the producer's clock is ahead.
    #[schema(value_type = Vec<i64>)]
    delay: Column<'a, ColumnRow>,
    /// The place of its step among the names.
    #[schema(value_type = Vec<u32>)]
    step: Column<'a, ColumnRow>,
    /// The place of its service among the names; -1 when it names none.
    #[schema(value_type = Vec<i64>)]
    service: Column<'a, ColumnRow>,
    /// What the producer said about the saga: 0 STARTED, 1 IN_PROGRESS, 2 COMPLETED, 3 FAILED, 4 COMPENSATED.
    #[schema(value_type = Vec<u8>)]
    status: Column<'a, ColumnRow>,
    /// What that means for the saga.
    #[schema(value_type = Vec<u8>)]
    effective: Column<'a, ColumnRow>,
    /// The partition of the tracker topic that it lies in.
    #[schema(value_type = Vec<u32>)]
    partition: Column<'a, ColumnRow>,
    /// Its offset there: the difference, of the first one to 0.
    #[schema(value_type = Vec<i64>)]
    offset: Differences<'a>,
    /// How many deliveries of it there are.
    #[schema(value_type = Vec<u32>)]
    deliveries: Column<'a, ColumnRow>,
    /// What is worth knowing about it, added up: 1 it arrived late, 2 it came with different bodies, 4 it broke a rule,
    /// 8 an operator made it, 16 it is an operator's change that was refused.
    #[schema(value_type = Vec<u8>)]
    flags: Column<'a, ColumnRow>,
}

impl<'a> ColumnsBody<'a> {
    pub(super) fn of(rows: &'a [ColumnRow], base: i64) -> Self {
        let column = |of| Column { rows, of };
        let differences = |first, of| Differences { rows, first, of };
        Self {
            id: differences(0, |row| row.number.into()),
            recorded_at: differences(base, |row| row.place.recorded_at.0),
            delay: column(|row| row.arrived_at.0.saturating_sub(row.place.recorded_at.0)),
            step: column(|row| row.step.into()),
            service: column(|row| place(row.service)),
            status: column(|row| number(row.status)),
            effective: column(|row| number(row.effective)),
            partition: column(|row| row.place.position.partition.into()),
            offset: differences(0, |row| signed(row.place.position.offset)),
            deliveries: column(|row| row.deliveries.into()),
            flags: column(|row| row.flags.into()),
        }
    }
}

/// Events that are only counted: of one cell of time, service and status each.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimelineDensity)]
pub(super) struct DensityBody<'a> {
    /// How long a cell is.
    cell_millis: u64,
    /// The place of the service among the names; -1 when they name none, or one beyond the first hundred.
    #[schema(value_type = Vec<i64>)]
    service: Column<'a, DensityCell>,
    /// The number of the cell, from 0 at `base`.
    #[schema(value_type = Vec<u64>)]
    cell: Column<'a, DensityCell>,
    /// What was reported, as in the columns.
    #[schema(value_type = Vec<u8>)]
    status: Column<'a, DensityCell>,
    /// How many.
    #[schema(value_type = Vec<u64>)]
    count: Column<'a, DensityCell>,
    /// Events of services beyond the first hundred.
    of_other_services: u64,
}

impl<'a> DensityBody<'a> {
    pub(super) fn of(density: &'a Density) -> Self {
        let rows = density.cells.as_slice();
        let column = |of| Column { rows, of };
        Self {
            cell_millis: density.cell_millis,
            service: column(|cell: &DensityCell| place(cell.service)),
            cell: column(|cell| signed(cell.cell)),
            status: column(|cell| number(cell.status)),
            count: column(|cell| signed(cell.count)),
            of_other_services: density.of_other_services,
        }
    }
}

/// A number of each row.
#[derive(Debug)]
struct Column<'a, Row> {
    rows: &'a [Row],
    of: fn(&Row) -> i64,
}

impl<Row> Serialize for Column<'_, Row> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(self.of))
    }
}

/// A number of each row, less that of the row before.
#[derive(Debug)]
struct Differences<'a> {
    rows: &'a [ColumnRow],
    /// What stands before the first one.
    first: i64,
    of: fn(&ColumnRow) -> i64,
}

impl Serialize for Differences<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let differences = self.rows.iter().scan(self.first, |before, row| {
            let here = (self.of)(row);
            let before = std::mem::replace(before, here);
            Some(here.saturating_sub(before))
        });
        serializer.collect_seq(differences)
    }
}

fn place(of: Option<u32>) -> i64 {
    of.map_or(-1, i64::from)
}

/// Its number in answers.
fn number(status: SagaStatus) -> i64 {
    match status {
        SagaStatus::Started => 0,
        SagaStatus::InProgress => 1,
        SagaStatus::Completed => 2,
        SagaStatus::Failed => 3,
        SagaStatus::Compensated => 4,
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
