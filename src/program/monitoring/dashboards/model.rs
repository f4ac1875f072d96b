//! What a dashboard consists of, whatever the schema that it is written in.

use crate::program::monitoring::parameters::Parameter;
use crate::program::monitoring::promql::Query;

/// A dashboard.
pub(crate) struct Dashboard {
    /// The file's name.
    pub(crate) file: &'static str,
    /// Fixed, so that links to it hold.
    pub(crate) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    /// Whether a variable narrows it to saga types.
    pub(super) by_type: bool,
    pub(super) rows: Vec<Row>,
}

impl Dashboard {
    /// All panels, in their order.
    pub(super) fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }

    /// What is named in it and is not declared.
    pub(crate) fn faults(&self) -> Vec<String> {
        let panels = self.panels();
        panels
            .flat_map(|panel| {
                panel
                    .faults()
                    .into_iter()
                    .map(move |fault| format!("{}: {fault}", panel.title))
            })
            .collect()
    }
}

/// Panels under one heading.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: Vec<Panel>,
}

/// How values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// One number, coloured by the limits.
    Number,
    /// Lines over time.
    Lines,
    /// Bars over time, on top of each other.
    StackedBars,
    /// A row per series, with its course in small.
    Trends,
    /// A row per record.
    Table,
    /// A lane per series, with stretches of time.
    Lanes,
    /// What Grafana knows of alerts.
    Alerts,
}

/// One of the colours that statuses and limits have.
pub(super) const GREEN: &str = "#8BDDA9";
pub(super) const ORANGE: &str = "#F2A33A";
pub(super) const RED: &str = "#EC4A32";

/// The colours of statuses, as on the tracker's own page.
pub(super) const STATUSES: [(&str, &str); 5] = [
    ("STARTED", "#7D8591"),
    ("IN_PROGRESS", "#3F7DF5"),
    ("COMPLETED", GREEN),
    ("FAILED", RED),
    ("COMPENSATED", "#F2C4FA"),
];

/// From where on a value has another colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    /// Where everybody has it.
    At(f64),
    /// Where an alert's threshold is.
    Of(&'static Parameter),
}

impl From<f64> for Limit {
    fn from(value: f64) -> Self {
        Self::At(value)
    }
}

impl From<&'static Parameter> for Limit {
    fn from(parameter: &'static Parameter) -> Self {
        Self::Of(parameter)
    }
}

/// A panel. Its place follows from the order and the widths.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) look: Look,
    /// Grafana's name of the unit.
    pub(super) unit: &'static str,
    /// Of 24.
    pub(super) width: u32,
    pub(super) height: u32,
    /// From where on a value has which colour.
    pub(super) limits: Vec<(Limit, &'static str)>,
    /// Another stretch of time than the dashboard's.
    pub(super) last: Option<&'static str>,
    pub(super) targets: Vec<Target>,
}

impl Panel {
    pub(super) fn new(look: Look, title: &'static str, description: &'static str) -> Self {
        let (width, height) = match look {
            Look::Number => (4, 4),
            Look::Lines | Look::StackedBars | Look::Alerts | Look::Lanes => (12, 8),
            Look::Trends | Look::Table => (24, 10),
        };
        Self {
            title,
            description,
            look,
            unit: "short",
            width,
            height,
            limits: Vec::new(),
            last: None,
            targets: Vec::new(),
        }
    }

    pub(super) fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    pub(super) fn width(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    pub(super) fn limits<L: Into<Limit> + Copy>(mut self, limits: &[(L, &'static str)]) -> Self {
        self.limits = limits
            .iter()
            .map(|(limit, color)| ((*limit).into(), *color))
            .collect();
        self
    }

    pub(super) fn last(mut self, duration: &'static str) -> Self {
        self.last = Some(duration);
        self
    }

    /// Asks Prometheus. The legend may name labels as `{{label}}`.
    pub(super) fn ask(mut self, legend: &'static str, query: impl Into<Query>) -> Self {
        let query = query.into();
        self.targets.push(Target::Prometheus {
            query,
            legend,
            columns: &[],
        });
        self
    }

    /// Asks Prometheus for a row per series. The fields of columns are its labels, and `Value`.
    pub(super) fn list(mut self, query: impl Into<Query>, columns: &'static [Column]) -> Self {
        self.targets.push(Target::Prometheus {
            query: query.into(),
            legend: "",
            columns,
        });
        self
    }

    /// Asks the tracker's API.
    pub(super) fn call(mut self, path: &'static str, root: &'static str, columns: &'static [Column]) -> Self {
        self.targets.push(Target::Api { path, root, columns });
        self
    }

    fn faults(&self) -> Vec<String> {
        self.targets.iter().flat_map(Target::faults).collect()
    }
}

/// A column of records.
pub(super) struct Column {
    /// Where in the record it is.
    pub(super) field: &'static str,
    pub(super) title: &'static str,
    pub(super) kind: ColumnKind,
    /// Where it leads, by name and address.
    pub(super) links: &'static [super::links::Link],
}

/// What is in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Text,
    Number,
    Time,
}

/// Where values come from.
pub(super) enum Target {
    Prometheus {
        query: Query,
        legend: &'static str,
        /// Of a table.
        columns: &'static [Column],
    },
    Api {
        path: &'static str,
        root: &'static str,
        columns: &'static [Column],
    },
}

impl Target {
    fn faults(&self) -> Vec<String> {
        let Self::Prometheus {
            query,
            legend,
            columns,
        } = self
        else {
            return Vec::new();
        };
        let fields = columns.iter().map(|column| column.field);
        let fields = fields.filter(|field| *field != VALUE);
        let unknown = named(legend)
            .chain(fields)
            .filter(|label| !query.labels().contains(*label));
        let unknown = unknown.map(|label| {
            format!(
                "a legend or column names {label}, which {} does not have",
                query.text()
            )
        });
        query.faults().iter().cloned().chain(unknown).collect()
    }

    /// The columns of a table.
    pub(super) fn columns(&self) -> &'static [Column] {
        match self {
            Self::Prometheus { columns, .. } | Self::Api { columns, .. } => columns,
        }
    }
}

/// What Grafana calls a sample's value in a table.
pub(super) const VALUE: &str = "Value";

/// The labels that a legend names.
fn named(legend: &str) -> impl Iterator<Item = &str> {
    let parts = legend.split("{{").skip(1);
    parts.map(|part| part.split("}}").next().unwrap_or(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::monitoring::promql::{Scope, values};
    use crate::server::metrics::catalogue::SAGA_ACTIVE;

    #[test]
    fn a_legend_names_labels_that_are_there() {
        let panel = |legend| {
            let panel = Panel::new(Look::Lines, "Sagas", "by status");
            panel.ask(legend, values(Scope::Dashboard, SAGA_ACTIVE))
        };
        assert_eq!(panel("{{status}} at {{instance}}").faults(), Vec::<String>::new());
        assert_eq!(panel("{{step}}").faults().len(), 1);
    }

    #[test]
    fn a_column_is_a_label_that_is_there_or_the_value() {
        const fn column(field: &'static str) -> Column {
            Column {
                field,
                title: "Column",
                kind: ColumnKind::Text,
                links: &[],
            }
        }
        const COLUMNS: &[Column] = &[column("status"), column(VALUE), column("step")];
        let panel = Panel::new(Look::Table, "Sagas", "by status");
        let faults = panel
            .list(values(Scope::Dashboard, SAGA_ACTIVE), COLUMNS)
            .faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("names step"), "{faults:?}");
    }
}
