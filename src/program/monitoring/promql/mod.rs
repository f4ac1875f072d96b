//! PromQL that is made from declared metrics. An expression knows which labels its series have, so naming a metric,
//! a label or a kind of metric that is not declared is a fault, which whoever writes the expression down reports.
//!
//! What is asked and why is not known here.

mod query;
mod series;

pub(super) use query::Query;
pub(super) use series::{Scope, Series, alerts, alerts_for_state, buckets, observations, up, values};

#[cfg(test)]
mod tests;
