//! The columns of tables: how each is called, what its values are where columns have types, and the values of a row.

use serde_json::value::RawValue;
use std::collections::HashMap;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text; lists and objects as JSON.
    Text,
    /// Whole numbers.
    Number,
    /// Instants.
    Time,
    /// Days of UTC.
    Day,
}

/// A column. Any of its values may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// A column of text, lists or objects.
pub(super) const fn text(name: &'static str) -> Column {
    let kind = Kind::Text;
    Column { name, kind }
}

/// A column of whole numbers.
pub(super) const fn number(name: &'static str) -> Column {
    let kind = Kind::Number;
    Column { name, kind }
}

/// A column of instants.
pub(super) const fn time(name: &'static str) -> Column {
    let kind = Kind::Time;
    Column { name, kind }
}

/// A column of days.
pub(super) const fn day(name: &'static str) -> Column {
    let kind = Kind::Day;
    Column { name, kind }
}

/// The values of a row, which is a JSON object, in the order of the columns, each as JSON; `None` when it is no
/// object. What it lacks is null.
pub(super) fn values<'r>(columns: &[Column], row: &'r [u8]) -> Option<Vec<&'r str>> {
    let fields: HashMap<&str, &'r RawValue> = serde_json::from_slice(row).ok()?;
    let value = |column: &Column| fields.get(column.name).map_or("null", |value| value.get());
    Some(columns.iter().map(value).collect())
}
