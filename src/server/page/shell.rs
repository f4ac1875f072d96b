//! What the frame of every view tells: whether the tracker is up, whether it rebuilds, which types there are. Asked once
//! a second for all that look.

use super::visit::Visit;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long it is told again.
const FRESH: Duration = Duration::from_secs(1);
/// Saga types that are offered as choices.
const MAX_TYPES: usize = 100;

/// What the frame tells. A part of it that could not be asked for is left out: the view is more than its frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Names of the components that are DOWN.
    pub(super) down: Vec<String>,
    /// Whether the tracker as a whole is.
    pub(super) is_down: bool,
    /// The rebuild that runs or waits.
    pub(super) rebuild: Option<Value>,
    /// The types that are defined, and those of the sagas that there are.
    pub(super) types: Vec<String>,
}

/// The facts, and since when they are known.
#[derive(Default)]
pub(super) struct Shell {
    known: Mutex<Option<(Instant, Arc<Facts>)>>,
}

impl Shell {
    /// As they are, or were a second ago. Of several that want them at once one asks.
    pub(super) async fn facts(&self, visit: &Visit) -> Arc<Facts> {
        let mut known = self.known.lock().await;
        if let Some((at, facts)) = &*known
            && at.elapsed() < FRESH
        {
            return facts.clone();
        }
        let facts = Arc::new(Facts::ask(visit).await);
        *known = Some((Instant::now(), facts.clone()));
        facts
    }
}

impl Facts {
    async fn ask(visit: &Visit) -> Self {
        let none = super::address::Params::new();
        let (health, rebuild, types) = tokio::join!(
            visit.health(),
            visit.get("/internal/v1/rebuild", &[], &none),
            types(visit),
        );
        let health = health.unwrap_or_default();
        let parts = health["components"].as_object().into_iter().flatten();
        let down = parts.filter(|(_, part)| part["status"] == "DOWN");
        Self {
            down: down.map(|(name, _)| name.clone()).collect(),
            is_down: health["status"] == "DOWN",
            rebuild: rebuild
                .ok()
                .filter(|status| status["running"] == true || !status["waiting"].is_null()),
            types,
        }
    }
}

async fn types(visit: &Visit) -> Vec<String> {
    let none = super::address::Params::new();
    let (defined, counted) = tokio::join!(
        visit.get("/api/v1/definitions", &[], &none),
        visit.get("/api/v1/sagas/statistics", &[], &none),
    );
    let (defined, counted) = (defined.unwrap_or_default(), counted.unwrap_or_default());
    let names = [&defined["types"], &counted["byType"]];
    let names = names.iter().filter_map(|types| types.as_object()).flatten();
    let types: BTreeSet<String> = names.map(|(name, _)| name.clone()).collect();
    types.into_iter().take(MAX_TYPES).collect()
}
