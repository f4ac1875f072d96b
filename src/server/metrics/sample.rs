//! What was read for one scrape, and how the encoder is told.

use super::catalogue::Family;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use std::fmt;

/// Counts by upper bound, not cumulative.
pub(super) type Buckets = Vec<(f64, u64)>;
/// Names and values of labels.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The values of a family, one for each set of labels.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Samples {
    Counters(Vec<(Labels, u64)>),
    Gauges(Vec<(Labels, Value)>),
    Histograms(Vec<(Labels, Distribution)>),
}

/// A sum of seconds, and counts by upper bound, not cumulative.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Distribution {
    pub(super) sum: f64,
    pub(super) buckets: Buckets,
}

impl Distribution {
    pub(super) fn of(millis: u64, buckets: Buckets) -> Self {
        Self {
            sum: millis as f64 / 1000.0,
            buckets,
        }
    }
}

/// The value of a gauge, kept exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
}

/// A family with the values that it had.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) family: Family,
    pub(super) samples: Samples,
}

impl Reading {
    /// Counters of this process alone: at its next start they begin at 0. What derives from stored state
    /// goes through [`super::floor::Floor`].
    pub(super) fn since_start(family: Family, values: Vec<(Labels, u64)>) -> Self {
        Self {
            family,
            samples: Samples::Counters(values),
        }
    }

    /// The same of histograms: labels, sum in milliseconds, counts by upper bound.
    pub(super) fn histograms(family: Family, values: Vec<(Labels, u64, Buckets)>) -> Self {
        let values = values.into_iter();
        let values = values.map(|(labels, millis, buckets)| (labels, Distribution::of(millis, buckets)));
        Self {
            family,
            samples: Samples::Histograms(values.collect()),
        }
    }

    pub(super) fn gauge(family: Family, value: Value) -> Self {
        Self::gauges(family, vec![(Labels::new(), value)])
    }

    pub(super) fn gauges(family: Family, values: Vec<(Labels, Value)>) -> Self {
        Self {
            family,
            samples: Samples::Gauges(values),
        }
    }

    fn encode(&self, mut metric: MetricEncoder<'_>) -> fmt::Result {
        match &self.samples {
            Samples::Counters(values) => {
                for (labels, value) in values {
                    each(&mut metric, labels, |m| {
                        m.encode_counter::<NoLabelSet, _, f64>(value, None)
                    })?;
                }
            }
            Samples::Gauges(values) => {
                for (labels, value) in values {
                    each(&mut metric, labels, |m| match value {
                        Value::Whole(value) => m.encode_gauge(value),
                        Value::Real(value) => m.encode_gauge(value),
                    })?;
                }
            }
            Samples::Histograms(values) => {
                for (labels, Distribution { sum, buckets }) in values {
                    let count = buckets.iter().map(|(_, count)| count).sum();
                    each(&mut metric, labels, |m| {
                        m.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn each(
    metric: &mut MetricEncoder<'_>,
    labels: &Labels,
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if labels.is_empty() {
        encode(metric)
    } else {
        encode(&mut metric.encode_family(labels)?)
    }
}

/// All of a scrape.
#[derive(Debug)]
pub(super) struct Readings(pub(super) Vec<Reading>);

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for reading in &self.0 {
            let family = reading.family;
            let metric = encoder.encode_descriptor(family.stem(), family.help, None, family.metric_type())?;
            reading.encode(metric)?;
        }
        Ok(())
    }
}
