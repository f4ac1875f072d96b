//! Latencies of the HTTP surface and of the questions behind it, counted in memory.

use super::catalogue::{self, Family as Described};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt::{self, Write};
use std::time::Duration;

/// Upper bounds of request latencies, seconds.
const REQUEST_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of the store's latencies, seconds.
const QUERY_BUCKETS: [f64; 14] = [
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0,
];

/// An answered request, as far as labels tell. Every field has few values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    /// The route's template, or `unmatched`.
    pub endpoint: &'static str,
    /// The method, or `OTHER`.
    pub method: &'static str,
    /// The status of the answer.
    pub status: u16,
}

/// A question to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// The state of a saga.
    Saga,
    /// The timeline of a saga.
    Timeline,
    /// A search.
    Search,
    /// Numbers about sagas.
    Statistics,
    /// The sums that metrics are made of.
    Totals,
    /// Dead letters.
    DeadLetters,
}

impl EncodeLabelValue for Asked {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Saga => "saga",
            Self::Timeline => "timeline",
            Self::Search => "search",
            Self::Statistics => "statistics",
            Self::Totals => "totals",
            Self::DeadLetters => "dead_letters",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    query: Asked,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The latencies so far.
pub(super) struct Requests {
    answered: Histograms<Answered>,
    asked: Histograms<QueryLabels>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            answered: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            asked: Family::new_with_constructor(|| Histogram::new(QUERY_BUCKETS)),
        }
    }
}

impl Requests {
    /// Shows the latencies in the registry. Those of requests have two names in the contract: one
    /// family in memory, shown twice.
    pub(super) fn register(&self, registry: &mut Registry) {
        show(registry, catalogue::API_LATENCY, self.answered.clone());
        show(registry, catalogue::HTTP_SERVER_REQUESTS, self.answered.clone());
        show(registry, catalogue::DB_QUERY, self.asked.clone());
    }

    pub(super) fn answered(&self, answered: &Answered, took: Duration) {
        self.answered.get_or_create(answered).observe(took.as_secs_f64());
    }

    pub(super) fn asked(&self, query: Asked, took: Duration) {
        self.asked
            .get_or_create(&QueryLabels { query })
            .observe(took.as_secs_f64());
    }
}

fn show<L>(registry: &mut Registry, described: Described, family: Histograms<L>)
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet + fmt::Debug + Send + Sync + 'static,
{
    registry.register(described.stem(), described.help, family);
}
