//! PromQL that is made from declared metrics. An expression knows which labels its series have, so naming a metric,
//! a label or a kind of metric that is not declared is a fault, which whoever writes the expression down reports.
//!
//! What is asked and why is not known here.

use super::parameters::{Parameter, SELECTOR};
use crate::server::metrics::catalogue::{Family, Kind};
use std::collections::BTreeSet;

/// Labels that Prometheus gives to all that it scrapes.
const SCRAPED: [&str; 2] = ["job", "instance"];

/// Who asks: that decides which of the scraped trackers are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
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
pub(super) struct Series {
    name: String,
    rises: bool,
    labels: BTreeSet<&'static str>,
    matchers: Vec<String>,
    ago: Option<&'static str>,
    faults: Vec<String>,
}

/// The values of a counter or gauge.
pub(super) fn values(scope: Scope, family: Family) -> Series {
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
pub(super) fn buckets(scope: Scope, family: Family) -> Series {
    scraped(scope, family, "_bucket", &["le"], of_histogram(family))
}

/// How many observations a histogram has.
pub(super) fn observations(scope: Scope, family: Family) -> Series {
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
pub(super) fn up(scope: Scope) -> Series {
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
pub(super) fn alerts() -> Series {
    Series {
        name: "ALERTS".to_owned(),
        rises: false,
        labels: BTreeSet::from([
            "alertname",
            "alertstate",
            "job",
            "severity",
            "subject",
            "saga_type",
        ]),
        matchers: vec![r#"job=~"$job|""#.to_owned()],
        ago: None,
        faults: Vec::new(),
    }
}

impl Series {
    /// What a rule recorded under this name.
    pub(super) fn recorded(scope: Scope, name: &str, query: &Query) -> Self {
        Self {
            name: name.to_owned(),
            rises: false,
            labels: query.labels.clone(),
            matchers: scope.of_recorded(),
            ago: None,
            faults: Vec::new(),
        }
    }

    /// Those whose label has this value.
    pub(super) fn with(self, label: &'static str, value: &str) -> Self {
        self.matching(label, "=", value)
    }

    /// Those whose label has another value.
    pub(super) fn without(self, label: &'static str, value: &str) -> Self {
        self.matching(label, "!=", value)
    }

    /// Those whose whole label fits a regular expression.
    pub(super) fn like(self, label: &'static str, pattern: &str) -> Self {
        self.matching(label, "=~", pattern)
    }

    /// Those whose whole label does not fit a regular expression.
    pub(super) fn unlike(self, label: &'static str, pattern: &str) -> Self {
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
    pub(super) fn ago(mut self, duration: &'static str) -> Self {
        self.ago = Some(duration);
        self
    }

    /// How fast they rise, per second.
    pub(super) fn rate(self, window: &str) -> Query {
        self.over("rate", window, true)
    }

    /// By how much they rose.
    pub(super) fn increase(self, window: &str) -> Query {
        self.over("increase", window, true)
    }

    /// By how much they changed.
    pub(super) fn delta(self, window: &str) -> Query {
        self.over("delta", window, false)
    }

    /// How often they changed.
    pub(super) fn changes(self, window: &str) -> Query {
        self.over("changes", window, false)
    }

    /// Their mean over time.
    pub(super) fn mean(self, window: &str) -> Query {
        self.over("avg_over_time", window, false)
    }

    /// Their standard deviation over time.
    pub(super) fn deviation(self, window: &str) -> Query {
        self.over("stddev_over_time", window, false)
    }

    /// Where a straight line through them will be.
    pub(super) fn predicted(self, window: &str, seconds: u32) -> Query {
        let mut query = self.over("predict_linear", window, false);
        query.text.pop();
        query.text.push_str(&format!(", {seconds})"));
        query
    }

    /// 1 when there are none of them, with the labels that were asked for by value.
    pub(super) fn absent(self) -> Query {
        let mut query = Query::from(self);
        query.text = format!("absent({})", query.text);
        query
    }

    fn over(mut self, function: &str, window: &str, rising: bool) -> Query {
        if rising != self.rises {
            let kind = if self.rises { "rises" } else { "goes both ways" };
            self.faults
                .push(format!("{function} of {}, which {kind}", self.name));
        }
        let selector = self.selector();
        Query {
            text: format!("{function}({selector}[{window}]{})", self.offset()),
            labels: self.labels,
            is_number: false,
            is_compound: false,
            faults: self.faults,
        }
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
        Self {
            text: format!("{}{}", series.selector(), series.offset()),
            labels: series.labels,
            is_number: false,
            is_compound: false,
            faults: series.faults,
        }
    }
}

/// An expression.
#[derive(Clone, Debug)]
pub(super) struct Query {
    text: String,
    labels: BTreeSet<&'static str>,
    /// A number, which has no series.
    is_number: bool,
    /// Goes into another expression in brackets.
    is_compound: bool,
    faults: Vec<String>,
}

impl From<i64> for Query {
    fn from(number: i64) -> Self {
        Self::number(number.to_string())
    }
}

impl From<f64> for Query {
    fn from(number: f64) -> Self {
        Self::number(number.to_string())
    }
}

impl From<&Parameter> for Query {
    fn from(parameter: &Parameter) -> Self {
        Self::number(parameter.token())
    }
}

impl Query {
    fn number(text: String) -> Self {
        Self {
            text,
            labels: BTreeSet::new(),
            is_number: true,
            is_compound: false,
            faults: Vec::new(),
        }
    }

    /// The time of the evaluation, unix seconds.
    pub(super) fn now() -> Self {
        Self::number("time()".to_owned())
    }

    /// The expression; its configured values are tokens that [`super::parameters`] replaces.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The labels of its series.
    pub(super) fn labels(&self) -> &BTreeSet<&'static str> {
        &self.labels
    }

    /// What is named in it and is not declared.
    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Added up.
    pub(super) fn sum(self, by: &[&'static str]) -> Self {
        self.aggregate("sum", by)
    }

    /// The highest: what each replica says of the same topic is one thing, not a sum.
    pub(super) fn max(self, by: &[&'static str]) -> Self {
        self.aggregate("max", by)
    }

    /// The lowest.
    pub(super) fn min(self, by: &[&'static str]) -> Self {
        self.aggregate("min", by)
    }

    fn aggregate(mut self, operation: &str, by: &[&'static str]) -> Self {
        for label in by.iter().filter(|label| !self.labels.contains(**label)) {
            let fault = format!("{operation} by {label}, which {} does not have", self.text);
            self.faults.push(fault);
        }
        let grouping = if by.is_empty() {
            String::new()
        } else {
            format!(" by ({})", by.join(", "))
        };
        self.text = format!("{operation}{grouping} ({})", self.text);
        self.labels = by.iter().copied().collect();
        self.is_compound = false;
        self
    }

    /// The value below which this part of a histogram's observations lies, out of the rates of its buckets.
    pub(super) fn quantile(mut self, part: &str) -> Self {
        if !self.labels.remove("le") {
            self.faults
                .push(format!("a quantile of {}, which has no buckets", self.text));
        }
        self.text = format!("histogram_quantile({part}, {})", self.text);
        self.is_compound = false;
        self
    }

    pub(super) fn plus(self, other: impl Into<Self>) -> Self {
        self.binary(" + ", other.into())
    }

    pub(super) fn minus(self, other: impl Into<Self>) -> Self {
        self.binary(" - ", other.into())
    }

    pub(super) fn times(self, other: impl Into<Self>) -> Self {
        self.binary(" * ", other.into())
    }

    pub(super) fn divided_by(self, other: impl Into<Self>) -> Self {
        self.binary(" / ", other.into())
    }

    /// Those that are higher.
    pub(super) fn above(self, other: impl Into<Self>) -> Self {
        self.binary(" > ", other.into())
    }

    /// Those that are lower.
    pub(super) fn below(self, other: impl Into<Self>) -> Self {
        self.binary(" < ", other.into())
    }

    /// Those that are lower or the same.
    pub(super) fn at_most(self, other: impl Into<Self>) -> Self {
        self.binary(" <= ", other.into())
    }

    /// Those that are the same.
    pub(super) fn equals(self, other: impl Into<Self>) -> Self {
        self.binary(" == ", other.into())
    }

    /// Those that the other has, too.
    pub(super) fn and(self, other: impl Into<Self>) -> Self {
        self.binary("\nand\n", other.into())
    }

    /// These, and those of the other that are not among them.
    pub(super) fn or(self, other: impl Into<Self>) -> Self {
        self.binary("\nor\n", other.into())
    }

    /// Those that the other does not have.
    pub(super) fn unless(self, other: impl Into<Self>) -> Self {
        self.binary("\nunless\n", other.into())
    }

    fn binary(mut self, operator: &str, other: Self) -> Self {
        if !self.is_number && !other.is_number && self.labels != other.labels {
            self.faults.push(format!(
                "{} has the labels {:?} and {} has {:?}: they do not match each other",
                self.text, self.labels, other.text, other.labels
            ));
        }
        self.text = format!("{}{operator}{}", self.bracketed(), other.bracketed());
        if self.is_number {
            self.labels = other.labels;
        }
        self.is_number &= other.is_number;
        self.is_compound = true;
        self.faults.extend(other.faults);
        self
    }

    fn bracketed(&self) -> String {
        if self.is_compound {
            format!("({})", self.text)
        } else {
            self.text.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::metrics::catalogue;

    fn failed() -> Series {
        values(Scope::Rules, catalogue::SAGAS_ENTERED).with("status", "FAILED")
    }

    #[test]
    fn an_expression_is_what_was_asked_for() {
        let rate = |series: Series| series.rate("5m").sum(&["saga_type"]);
        let all = values(Scope::Rules, catalogue::SAGAS_ENTERED);
        let ratio = rate(failed()).divided_by(rate(all)).above(0.01);
        assert_eq!(ratio.faults(), &[] as &[String]);
        assert_eq!(
            ratio.text(),
            "(sum by (saga_type) (rate(saga_tracker_sagas_entered_total{@{sagaTrackerSelector}, \
             status=\"FAILED\"}[5m])) / sum by (saga_type) \
             (rate(saga_tracker_sagas_entered_total{@{sagaTrackerSelector}}[5m]))) > 0.01"
        );
        assert_eq!(ratio.labels(), &BTreeSet::from(["saga_type"]));
    }

    #[test]
    fn a_dashboard_asks_by_its_variables_and_a_quantile_has_no_bounds() {
        let rates = buckets(Scope::Dashboard, catalogue::EVENT_DELAY).rate("$__rate_interval");
        let quantile = rates.sum(&["le", "stage"]).quantile("0.95");
        assert_eq!(quantile.faults(), &[] as &[String]);
        assert_eq!(
            quantile.text(),
            "histogram_quantile(0.95, sum by (le, stage) (rate(saga_tracker_event_delay_seconds_bucket\
             {job=~\"$job\", instance=~\"$instance\"}[$__rate_interval])))"
        );
        assert_eq!(quantile.labels(), &BTreeSet::from(["stage"]));
    }

    #[test]
    fn what_is_not_declared_is_a_fault() {
        let gauge = || values(Scope::Rules, catalogue::CONSUMER_LAG);
        for (wrong, told) in [
            (failed().with("step", "A").into(), "has no label step"),
            (failed().rate("5m").sum(&["order"]), "sum by order"),
            (failed().delta("5m"), "which rises"),
            (gauge().rate("5m"), "which goes both ways"),
            (
                values(Scope::Rules, catalogue::API_LATENCY).into(),
                "is a histogram",
            ),
            (
                buckets(Scope::Rules, catalogue::CONSUMER_LAG).rate("5m"),
                "is no histogram",
            ),
            (failed().rate("5m").quantile("0.5"), "has no buckets"),
            (Query::from(gauge()).minus(failed()), "do not match each other"),
        ] {
            let wrong: Query = wrong;
            assert!(
                wrong.faults().iter().any(|fault| fault.contains(told)),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_fault_of_a_part_is_a_fault_of_the_whole() {
        let part = values(Scope::Rules, catalogue::CONSUMER_LAG).with("step", "A");
        let whole = Query::from(1).minus(part);
        assert_eq!(whole.faults().len(), 1, "{whole:?}");
    }

    #[test]
    fn numbers_go_with_every_series() {
        let twice = Query::from(&super::super::parameters::LAG_INFO).times(2);
        let above = Query::from(values(Scope::Rules, catalogue::CONSUMER_LAG)).above(twice);
        assert_eq!(above.faults(), &[] as &[String]);
        assert!(above.text().ends_with("} > (@{lagInfo} * 2)"), "{above:?}");
    }

    #[test]
    fn some_time_ago_stands_behind_the_window() {
        let lag = values(Scope::Rules, catalogue::CONSUMER_LAG).ago("10m");
        assert!(lag.clone().delta("1h").text().ends_with("[1h] offset 10m)"));
        assert!(Query::from(lag).text().ends_with("} offset 10m"));
    }
}
