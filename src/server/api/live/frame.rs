//! What is shown each second, and the task that makes it while anybody watches.

use super::super::context::Context;
use super::super::overview::{self, SealBody};
use super::super::overview_facts;
use super::super::sagas::statistics::ByStatusBody;
use super::super::text::Instant;
use super::super::viewers::Making;
use crate::pipeline::query::{LiveFigures, RecentFlow, Times};
use axum::body::Bytes;
use serde::Serialize;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use utoipa::ToSchema;

/// So often a frame is made.
const EVERY: Duration = Duration::from_secs(1);
/// Pairs of steps in a frame, at most.
const MAX_EDGES: usize = 50;
/// Bytes of them, as JSON, at most.
const MAX_EDGE_BYTES: usize = 28 << 10;

/// How things stand in a second.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LiveFrame)]
pub(super) struct FrameBody {
    /// When it was made, by the tracker's clock.
    at: Instant,
    /// Records at the broker that answers do not show yet; null when nobody knows.
    #[schema(required)]
    lag: Option<u64>,
    /// Offsets that were consumed; null with projector.ledger = false.
    #[schema(required)]
    offsets: Option<u64>,
    /// Those of which it is known what became of them; null as `offsets`.
    #[schema(required)]
    accounted: Option<u64>,
    /// Those of which nobody knows; null as `offsets`.
    #[schema(required)]
    unexplained: Option<u64>,
    /// Sagas.
    total: u64,
    by_status: ByStatusBody,
    /// How often sagas entered FAILED within the last hour; null with projector.past = false, or where too many sagas
    /// change their status too often to tell.
    #[schema(required)]
    failed_per_hour: Option<u64>,
    /// Sagas that are stuck.
    stuck: u64,
    /// Dead letters to which nothing happened yet.
    dead_letters_open: u64,
    /// Incidents that are open.
    incidents: u64,
    /// The type that `edges` are of: the one that is watched, or of which the most events arrived within the last
    /// minute; null when none arrived.
    #[schema(required, example = "ORDER_CREATION")]
    flow_type: Option<String>,
    /// Of the newest events of that type that arrived within the last minute: which step came next behind which. The busiest first, at most 50, and so many that a frame stays
    /// below 32 kB.
    edges: Vec<FrameEdgeBody>,
    /// Further pairs of steps.
    edges_left_out: u64,
}

/// One step next behind another.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LiveEdge)]
struct FrameEdgeBody {
    #[schema(example = "ORDER_CREATED")]
    from: String,
    #[schema(example = "STOCK_RESERVED")]
    to: String,
    /// How often in a second.
    per_second: f64,
}

impl FrameBody {
    fn of(found: &LiveFigures, at: Instant, (lag, incidents): (Option<u64>, u64)) -> Self {
        let figures = &found.figures;
        let seal = SealBody::of(figures);
        let all_edges = found.flow.as_ref().map_or_else(Vec::new, edges_of);
        let number_of_edges = all_edges.len();
        let edges = busiest(all_edges);
        Self {
            at,
            lag,
            offsets: seal.as_ref().map(|seal| seal.offsets),
            accounted: seal.as_ref().map(|seal| seal.accounted),
            unexplained: seal.as_ref().map(|seal| seal.unexplained),
            total: figures.total(),
            by_status: ByStatusBody::of(|status| figures.by_status.get(&status).copied().unwrap_or(0)),
            failed_per_hour: figures.failed_last_hour,
            stuck: figures.stuck,
            dead_letters_open: figures.open_letters,
            incidents,
            flow_type: found.flow.as_ref().map(|flow| flow.saga_type.as_str().to_owned()),
            edges_left_out: (number_of_edges - edges.len()) as u64,
            edges,
        }
    }
}

/// Which step followed which.
fn edges_of(flow: &RecentFlow) -> Vec<FrameEdgeBody> {
    let edges = flow.flow.edges.iter();
    let body = |((from, to), times): (&(String, String), &Times)| FrameEdgeBody {
        from: from.clone(),
        to: to.clone(),
        per_second: overview::per_second(flow, times),
    };
    edges.map(body).collect()
}

/// Those with the most in a second, as many as a frame has room for.
fn busiest(mut edges: Vec<FrameEdgeBody>) -> Vec<FrameEdgeBody> {
    edges.sort_by(|a, b| b.per_second.total_cmp(&a.per_second));
    let mut bytes = 0;
    let has_room = |edge: &FrameEdgeBody| {
        // Text and numbers can always be written.
        bytes += serde_json::to_vec(edge).map_or(0, |text| text.len() + 1);
        bytes <= MAX_EDGE_BYTES
    };
    edges.into_iter().take(MAX_EDGES).take_while(has_room).collect()
}

/// Makes a frame a second until nobody watches.
pub(super) async fn make(context: Context, mut making: Making) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        ticks.tick().await;
        let Some(subjects) = making.subjects() else { return };
        let now = context.clock().now();
        match context.live_figures(subjects.clone(), now).await {
            Ok(found) => {
                failing = false;
                let lag = overview_facts::lag(context.parts());
                let incidents = context.parts().incidents.open_at(now).len() as u64;
                let text = |of: &LiveFigures| {
                    // Text and numbers can always be written.
                    let text = serde_json::to_vec(&FrameBody::of(of, Instant(now), (lag, incidents)));
                    Bytes::from(text.unwrap_or_default())
                };
                let second = u64::try_from(now.0.div_euclid(1_000)).unwrap_or(0);
                making.show(second, subjects.into_iter().zip(found.iter().map(text)));
            }
            // Those who watch see that nothing comes.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "no frame of the live stream could be made");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many pairs of steps, of which the last one is the busiest.
    fn edges(pairs: u32, name: impl Fn(u32) -> String) -> Vec<FrameEdgeBody> {
        let edge = |number| FrameEdgeBody {
            from: name(number),
            to: name(number + 1),
            per_second: f64::from(number),
        };
        (0..pairs).map(edge).collect()
    }

    #[test]
    fn of_many_pairs_of_steps_the_busiest_are_shown() {
        let shown = busiest(edges(2_000, |number| format!("STEP_{number:0>250}")));
        assert!(shown[0].from.ends_with("1999"), "{}", shown[0].from);
        assert!((40..=MAX_EDGES).contains(&shown.len()), "{}", shown.len());
        let text = serde_json::to_vec(&shown).unwrap();
        assert!(text.len() <= 30 << 10, "{}", text.len());
    }

    #[test]
    fn names_that_are_long_as_json_leave_room_for_fewer() {
        let shown = busiest(edges(100, |number| format!("{}{number}", "\u{1}".repeat(250))));
        assert!((1..=10).contains(&shown.len()), "{}", shown.len());
    }
}
