//! What the frame of every view tells: whether the tracker is up, whether it rebuilds, which types there are. Asked once
//! a second for all that look, and no view waits long for it: the frame tells what was known last then.

use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long it is told again.
const FRESH: Duration = Duration::from_secs(1);
/// How long a view waits for it.
const PATIENCE: Duration = Duration::from_millis(300);

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
pub(super) struct Known {
    facts: Arc<Facts>,
    at: Option<Instant>,
    is_asking: bool,
}

/// What is known, for all views.
#[derive(Default)]
pub(super) struct Shell {
    known: Arc<watch::Sender<Known>>,
}

impl Shell {
    /// As they are, or were a second ago; where that takes long, as they were known last. Of several that want them at
    /// once one asks, and whoever waits for it no longer does not end it.
    pub(super) async fn facts<A>(&self, ask: impl FnOnce(Asking) -> A) -> Arc<Facts>
    where
        A: Future<Output = ()> + Send + 'static,
    {
        let mut known = self.known.subscribe();
        if self.known.send_if_modified(Known::begin_asking) {
            tokio::spawn(ask(Asking(self.known.clone())));
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
pub(super) struct Asking(Arc<watch::Sender<Known>>);

impl Asking {
    /// Tells a fact that was found; none is told that was not. Returns whether it was.
    pub(super) fn tell<T>(&self, found: Option<T>, tell: impl FnOnce(&mut Facts, T)) -> bool {
        let is_known = found.is_some();
        if let Some(found) = found {
            self.change(|known| tell(Arc::make_mut(&mut known.facts), found));
        }
        is_known
    }

    /// Health is what it says now, and unknown when it says nothing. Returns whether it did.
    pub(super) fn tell_health(&self, found: Option<&Value>) -> bool {
        let health = found.map(Health::of).unwrap_or_default();
        self.tell(Some(health), |facts, health| facts.health = health);
        found.is_some()
    }

    /// All facts are known as of now.
    pub(super) fn is_complete(&self) {
        self.change(|known| known.at = Some(Instant::now()));
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        self.0.send_modify(change);
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
