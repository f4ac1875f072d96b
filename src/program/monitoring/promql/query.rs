//! Expressions: series, numbers, and what is made of them.

use crate::program::monitoring::parameters::Parameter;
use std::collections::BTreeSet;

/// An expression.
#[derive(Clone, Debug)]
pub(crate) struct Query {
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

    /// What is made of series that have these labels.
    pub(super) fn of_series(text: String, labels: BTreeSet<&'static str>, faults: Vec<String>) -> Self {
        Self {
            text,
            labels,
            is_number: false,
            is_compound: false,
            faults,
        }
    }

    /// The time of the evaluation, unix seconds.
    pub(crate) fn now() -> Self {
        Self::number("time()".to_owned())
    }

    /// The expression; its configured values are tokens that `parameters` replaces.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The labels of its series.
    pub(crate) fn labels(&self) -> &BTreeSet<&'static str> {
        &self.labels
    }

    /// What is named in it and is not declared.
    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Added up.
    pub(crate) fn sum(self, by: &[&'static str]) -> Self {
        self.aggregate("sum", by)
    }

    /// The highest: what each replica says of the same topic is one thing, not a sum.
    pub(crate) fn max(self, by: &[&'static str]) -> Self {
        self.aggregate("max", by)
    }

    /// The lowest.
    pub(crate) fn min(self, by: &[&'static str]) -> Self {
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
    pub(crate) fn quantile(mut self, part: &str) -> Self {
        if !self.labels.remove("le") {
            self.faults
                .push(format!("a quantile of {}, which has no buckets", self.text));
        }
        self.text = format!("histogram_quantile({part}, {})", self.text);
        self.is_compound = false;
        self
    }

    pub(crate) fn plus(self, other: impl Into<Self>) -> Self {
        self.binary(" + ", other.into())
    }

    pub(crate) fn minus(self, other: impl Into<Self>) -> Self {
        self.binary(" - ", other.into())
    }

    pub(crate) fn times(self, other: impl Into<Self>) -> Self {
        self.binary(" * ", other.into())
    }

    pub(crate) fn divided_by(self, other: impl Into<Self>) -> Self {
        self.binary(" / ", other.into())
    }

    /// Those that are higher.
    pub(crate) fn above(self, other: impl Into<Self>) -> Self {
        self.binary(" > ", other.into())
    }

    /// Those that are lower.
    pub(crate) fn below(self, other: impl Into<Self>) -> Self {
        self.binary(" < ", other.into())
    }

    /// Those that are lower or the same.
    pub(crate) fn at_most(self, other: impl Into<Self>) -> Self {
        self.binary(" <= ", other.into())
    }

    /// Those that are the same.
    pub(crate) fn equals(self, other: impl Into<Self>) -> Self {
        self.binary(" == ", other.into())
    }

    /// Those that the other has, too.
    pub(crate) fn and(self, other: impl Into<Self>) -> Self {
        self.binary("\nand\n", other.into())
    }

    /// These, and those of the other that are not among them.
    pub(crate) fn or(self, other: impl Into<Self>) -> Self {
        self.binary("\nor\n", other.into())
    }

    /// Those that the other does not have.
    pub(crate) fn unless(self, other: impl Into<Self>) -> Self {
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
