//! What the frame of every view tells: whether the tracker is up, whether it rebuilds, which types there are. Asked once
//! a second for all that look, and no view waits long for it: the frame tells what was known last then.

use super::address::Params;
use super::app::Page;
use super::visit::Visit;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long it is told again.
const FRESH: Duration = Duration::from_secs(1);
/// How long a view waits for it.
const PATIENCE: Duration = Duration::from_millis(300);
/// Saga types that are offered as choices.
const MAX_TYPES: usize = 100;

/// What the frame tells. A part of it that could not be asked for is what it was: the view is more than its frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) health: Health,
    /// The rebuild that runs or waits.
    pub(super) rebuild: Option<Value>,
    /// The types that are defined, and those of the sagas that there are.
    pub(super) types: Vec<String>,
}

/// Whether the tracker is up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Health {
    /// It is.
    Up,
    /// It is not.
    Down {
        /// Names of the components that are not.
        components: Vec<String>,
    },
    /// It did not say.
    #[default]
    Unknown,
}

/// The facts, since when all of them are known, and whether somebody asks for them.
#[derive(Clone, Debug, Default)]
struct Known {
    facts: Arc<Facts>,
    at: Option<Instant>,
    is_asking: bool,
}

/// What is known, for all views.
#[derive(Default)]
pub(super) struct Shell {
    known: watch::Sender<Known>,
}

impl Shell {
    /// As they are, or were a second ago; where that takes long, as they were known last. Of several that want them at
    /// once one asks, and whoever waits for it no longer does not end it.
    pub(super) async fn facts(&self, visit: &Visit) -> Arc<Facts> {
        let mut known = self.known.subscribe();
        if self.known.send_if_modified(Known::begin_asking) {
            let asking = Asking(visit.page.clone());
            let visit = visit.aside();
            tokio::spawn(async move { asking.ask(&visit).await });
        }
        let told = known.wait_for(|known| known.is_fresh() || !known.is_asking);
        // What tells of it lives as long as the page.
        let _in_time = tokio::time::timeout(PATIENCE, told).await.is_ok();
        self.known.borrow().facts.clone()
    }
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.at.is_some_and(|at| at.elapsed() < FRESH)
    }

    /// The right to ask, if it is time and nobody does.
    fn begin_asking(&mut self) -> bool {
        let begins = !self.is_asking && !self.is_fresh();
        self.is_asking |= begins;
        begins
    }
}

/// The right to ask. Dropping it gives it to the next.
struct Asking(Page);

impl Asking {
    /// Asks, and tells each fact as soon as it is known.
    async fn ask(self, visit: &Visit) {
        let (health, rebuild, types) = tokio::join!(
            async {
                let health = visit.health().await.map(|health| Health::of(&health)).ok();
                let is_known = health.is_some();
                self.tell(|facts| facts.health = health.unwrap_or_default());
                is_known
            },
            async {
                let status = visit.get("/internal/v1/rebuild", &[], &Params::new()).await;
                self.tell_if_known(status.ok(), |facts, status| {
                    let is_told = status["running"] == true || !status["waiting"].is_null();
                    facts.rebuild = is_told.then_some(status);
                })
            },
            async { self.tell_if_known(types(visit).await, |facts, types| facts.types = types) },
        );
        if health && rebuild && types {
            self.change(|known| known.at = Some(Instant::now()));
        }
    }

    fn tell_if_known<T>(&self, found: Option<T>, tell: impl FnOnce(&mut Facts, T)) -> bool {
        let is_known = found.is_some();
        if let Some(found) = found {
            self.tell(|facts| tell(facts, found));
        }
        is_known
    }

    fn tell(&self, tell: impl FnOnce(&mut Facts)) {
        self.change(|known| tell(Arc::make_mut(&mut known.facts)));
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        self.0.shell().known.send_modify(change);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.change(|known| known.is_asking = false);
    }
}

impl Health {
    fn of(health: &Value) -> Self {
        let parts = health["components"].as_object().into_iter().flatten();
        let down = parts.filter(|(_, part)| part["status"] == "DOWN");
        match health["status"].as_str() {
            Some("UP") => Self::Up,
            Some("DOWN") => Self::Down {
                components: down.map(|(name, _)| name.clone()).collect(),
            },
            _ => Self::Unknown,
        }
    }

    /// As templates are given it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down { .. } => "DOWN",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Names of the components that are DOWN.
    pub(super) fn down(&self) -> &[String] {
        match self {
            Self::Down { components } => components,
            Self::Up | Self::Unknown => &[],
        }
    }
}

/// The types, if all are known.
async fn types(visit: &Visit) -> Option<Vec<String>> {
    let none = Params::new();
    let (defined, counted) = tokio::join!(
        visit.get("/api/v1/definitions", &[], &none),
        visit.get("/api/v1/sagas/statistics", &[], &none),
    );
    let (defined, counted) = (defined.ok()?, counted.ok()?);
    let names = [&defined["types"], &counted["byType"]];
    let names = names.iter().filter_map(|types| types.as_object()).flatten();
    let types: BTreeSet<String> = names.map(|(name, _)| name.clone()).collect();
    Some(types.into_iter().take(MAX_TYPES).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_says_no_status_is_unknown_and_not_up() {
        let of = |health: Value| Health::of(&health).word();
        assert_eq!(of(json!({"status": "UP", "components": {}})), "UP");
        let down =
            json!({"status": "DOWN", "components": {"db": {"status": "DOWN"}, "kafka": {"status": "UP"}}});
        assert_eq!(Health::of(&down).down(), ["db"]);
        for none in [json!({}), json!({"error": "SERVICE_UNAVAILABLE"}), Value::Null] {
            assert_eq!(of(none), "UNKNOWN");
        }
    }

    #[test]
    fn one_asks_at_a_time_and_nobody_for_what_is_fresh() {
        let mut known = Known::default();
        assert!(known.begin_asking());
        assert!(!known.begin_asking(), "somebody does");
        known.is_asking = false;
        assert!(known.begin_asking(), "it was not answered");
        known = Known {
            at: Some(Instant::now()),
            ..Known::default()
        };
        assert!(!known.begin_asking());
    }
}
