//! Series of declared metrics, by name and labels, and what functions of time make of them.

use super::query::Query;
use crate::program::monitoring::parameters::SELECTOR;
use crate::server::metrics::catalogue::{Family, Kind};
use std::collections::BTreeSet;

/// Labels that Prometheus gives to all that it scrapes.
const SCRAPED: [&str; 2] = ["job", "instance"];

/// Who asks: that decides which of the scraped trackers are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A dashboard, by its variables.
    Dashboard,
    /// A rule, by what its operator configured.
    Rules,
}

impl Scope {
    fn of_scraped(self) -> Vec<String> {
        match self {
            Self::Dashboard => vec![r#"job=~"$job""#.to_owned(), r#"instance=~"$instance""#.to_owned()],
            Self::Rules => vec![SELECTOR.token()],
        }
    }

    /// What rules recorded has no instance, and of other trackers' jobs nothing was recorded.
    fn of_recorded(self) -> Vec<String> {
        match self {
            Self::Dashboard => vec![r#"job=~"$job""#.to_owned()],
            Self::Rules => Vec::new(),
        }
    }
}

/// Series by name and labels.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    name: String,
    rises: bool,
    labels: BTreeSet<&'static str>,
    matchers: Vec<String>,
    ago: Option<&'static str>,
    faults: Vec<String>,
}

/// The values of a counter or gauge.
pub(crate) fn values(scope: Scope, family: Family) -> Series {
    let faults = match family.kind {
        Kind::Histogram => vec![format!(
            "{} is a histogram, which has no values of its own",
            family.name
        )],
        Kind::Counter | Kind::Gauge => Vec::new(),
    };
    scraped(scope, family, "", &[], faults)
}

/// How many observations of a histogram are within each bound.
pub(crate) fn buckets(scope: Scope, family: Family) -> Series {
    scraped(scope, family, "_bucket", &["le"], of_histogram(family))
}

/// How many observations a histogram has.
pub(crate) fn observations(scope: Scope, family: Family) -> Series {
    scraped(scope, family, "_count", &[], of_histogram(family))
}

fn of_histogram(family: Family) -> Vec<String> {
    match family.kind {
        Kind::Histogram => Vec::new(),
        Kind::Counter | Kind::Gauge => vec![format!("{} is no histogram", family.name)],
    }
}

fn scraped(
    scope: Scope,
    family: Family,
    suffix: &str,
    more: &'static [&'static str],
    faults: Vec<String>,
) -> Series {
    let labels = SCRAPED.iter().chain(family.labels).chain(more);
    Series {
        name: format!("{}{suffix}", family.name),
        rises: family.kind != Kind::Gauge,
        labels: labels.copied().collect(),
        matchers: scope.of_scraped(),
        ago: None,
        faults,
    }
}

/// Whether a scrape succeeded, which Prometheus says itself.
pub(crate) fn up(scope: Scope) -> Series {
    Series {
        name: "up".to_owned(),
        rises: false,
        labels: BTreeSet::from(SCRAPED),
        matchers: scope.of_scraped(),
        ago: None,
        faults: Vec::new(),
    }
}

/// Alerts that are pending or fire, which Prometheus says itself; of a dashboard's job, or without one.
pub(crate) fn alerts() -> Series {
    of_alerts("ALERTS", &["alertstate"])
}

/// Since when alerts are true, unix seconds, which Prometheus says itself.
pub(crate) fn alerts_for_state() -> Series {
    of_alerts("ALERTS_FOR_STATE", &[])
}

fn of_alerts(name: &str, more: &'static [&'static str]) -> Series {
    let labels = ["alertname", "severity", "subject", "saga_type"];
    let labels = labels.into_iter().chain(SCRAPED).chain(more.iter().copied());
    Series {
        name: name.to_owned(),
        rises: false,
        labels: labels.collect(),
        matchers: vec![r#"job=~"$job|""#.to_owned()],
        ago: None,
        faults: Vec::new(),
    }
}

impl Series {
    /// What a rule recorded under this name.
    pub(crate) fn recorded(scope: Scope, name: &str, query: &Query) -> Self {
        Self {
            name: name.to_owned(),
            rises: false,
            labels: query.labels().clone(),
            matchers: scope.of_recorded(),
            ago: None,
            faults: Vec::new(),
        }
    }

    /// Those whose label has this value.
    pub(crate) fn with(self, label: &'static str, value: &str) -> Self {
        self.matching(label, "=", value)
    }

    /// Those whose label has another value.
    pub(crate) fn without(self, label: &'static str, value: &str) -> Self {
        self.matching(label, "!=", value)
    }

    /// Those whose whole label fits a regular expression.
    pub(crate) fn like(self, label: &'static str, pattern: &str) -> Self {
        self.matching(label, "=~", pattern)
    }

    /// Those whose whole label does not fit a regular expression.
    pub(crate) fn unlike(self, label: &'static str, pattern: &str) -> Self {
        self.matching(label, "!~", pattern)
    }

    fn matching(mut self, label: &'static str, operator: &str, value: &str) -> Self {
        if !self.labels.contains(label) {
            self.faults.push(format!("{} has no label {label}", self.name));
        }
        self.matchers.push(format!("{label}{operator}{value:?}"));
        self
    }

    /// The same some time ago.
    pub(crate) fn ago(mut self, duration: &'static str) -> Self {
        self.ago = Some(duration);
        self
    }

    /// How fast they rise, per second.
    pub(crate) fn rate(self, window: &str) -> Query {
        self.over("rate", window, true)
    }

    /// By how much they rose.
    pub(crate) fn increase(self, window: &str) -> Query {
        self.over("increase", window, true)
    }

    /// By how much they changed.
    pub(crate) fn delta(self, window: &str) -> Query {
        self.over("delta", window, false)
    }

    /// How often they changed.
    pub(crate) fn changes(self, window: &str) -> Query {
        self.over("changes", window, false)
    }

    /// Their mean over time.
    pub(crate) fn mean(self, window: &str) -> Query {
        self.over("avg_over_time", window, false)
    }

    /// Their standard deviation over time.
    pub(crate) fn deviation(self, window: &str) -> Query {
        self.over("stddev_over_time", window, false)
    }

    /// What they were last.
    pub(crate) fn latest(self, window: &str) -> Query {
        self.over("last_over_time", window, false)
    }

    /// Where a straight line through them will be.
    pub(crate) fn predicted(self, window: &str, seconds: u32) -> Query {
        self.over_with("predict_linear", window, false, &format!(", {seconds}"))
    }

    /// 1 when there are none of them, with the labels that were asked for by value.
    pub(crate) fn absent(self) -> Query {
        let text = format!("absent({}{})", self.selector(), self.offset());
        Query::of_series(text, self.labels, self.faults)
    }

    fn over(self, function: &str, window: &str, rising: bool) -> Query {
        self.over_with(function, window, rising, "")
    }

    fn over_with(mut self, function: &str, window: &str, rising: bool, more: &str) -> Query {
        if rising != self.rises {
            let kind = if self.rises { "rises" } else { "goes both ways" };
            self.faults
                .push(format!("{function} of {}, which {kind}", self.name));
        }
        let text = format!("{function}({}[{window}]{}{more})", self.selector(), self.offset());
        Query::of_series(text, self.labels, self.faults)
    }

    fn selector(&self) -> String {
        if self.matchers.is_empty() {
            self.name.clone()
        } else {
            format!("{}{{{}}}", self.name, self.matchers.join(", "))
        }
    }

    fn offset(&self) -> String {
        self.ago.map_or_else(String::new, |ago| format!(" offset {ago}"))
    }
}

impl From<Series> for Query {
    fn from(series: Series) -> Self {
        let text = format!("{}{}", series.selector(), series.offset());
        Self::of_series(text, series.labels, series.faults)
    }
}
