//! How long a saga is kept after its last event: by type and outcome. Pure.

use super::RetentionSettings;
use crate::domain::{Event, Millis, SagaDefinitions, SagaState, SagaStatus, SagaType};
use std::sync::Arc;

const DAY: i64 = 24 * 60 * 60 * 1000;
const HOUR: i64 = 60 * 60 * 1000;

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Rules {
    definitions: Arc<SagaDefinitions>,
    finished_days: u64,
    unfinished_days: u64,
    quiet_hours: u64,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The status that it is about.
    pub status: SagaStatus,
    /// Days after the last event.
    pub days: u64,
    /// Whether the saga's definition says so.
    pub of_definition: bool,
}

impl Rule {
    /// Sagas whose last event is at or before this are due.
    pub fn cutoff(&self, now: Millis) -> Millis {
        let days = i64::try_from(self.days).unwrap_or(i64::MAX);
        Millis(now.0.saturating_sub(days.saturating_mul(DAY)))
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = if self.of_definition {
            "the saga definition"
        } else {
            "the default"
        };
        write!(
            f,
            "{} {} days after the last event, by {whose}",
            self.status, self.days
        )
    }
}

/// Whether nothing more is expected of a saga in that status.
pub const fn is_over(status: SagaStatus) -> bool {
    matches!(
        status,
        SagaStatus::Completed | SagaStatus::Failed | SagaStatus::Compensated
    )
}

impl Rules {
    /// The rules of the settings, and of the definitions where they name their own.
    pub fn new(settings: &RetentionSettings, definitions: Arc<SagaDefinitions>) -> Self {
        Self {
            definitions,
            finished_days: settings.finished_days,
            unfinished_days: settings.unfinished_days,
            quiet_hours: settings.quiet_hours,
        }
    }

    /// The rule for sagas of this type in this status.
    pub fn of(&self, saga_type: &SagaType, status: SagaStatus) -> Rule {
        let own = self
            .definitions
            .types
            .get(saga_type.as_str())
            .and_then(|definition| definition.retention_days.get(status.as_str()));
        let default = if is_over(status) {
            self.finished_days
        } else {
            self.unfinished_days
        };
        Rule {
            status,
            days: own.copied().unwrap_or(default),
            of_definition: own.is_some(),
        }
    }

    /// The rule by which a saga is due, if it is.
    pub fn due(&self, state: &SagaState, now: Millis) -> Option<Rule> {
        let rule = self.of(&state.saga_type, state.status);
        (state.updated_at <= rule.cutoff(now)).then_some(rule)
    }

    /// Whether something of the saga arrived so lately that it must not go yet: old events can come
    /// late, by a redrive or by a producer that was cut off for long.
    pub fn is_restless(&self, deliveries: &[Event], now: Millis) -> bool {
        let quiet = i64::try_from(self.quiet_hours)
            .unwrap_or(i64::MAX)
            .saturating_mul(HOUR);
        let last = deliveries.iter().map(|event| event.arrived_at).max();
        self.quiet_hours > 0 && last.is_some_and(|last| last.0.saturating_add(quiet) > now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MetadataForm, Position};
    use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};
    use proptest::prelude::*;

    fn rules(settings: &RetentionSettings) -> Rules {
        let mut definitions = SagaDefinitions::default();
        let order = definitions.types.get_mut("ORDER_CREATION").unwrap();
        order.retention_days = [("COMPLETED".to_owned(), 30), ("STARTED".to_owned(), 7)].into();
        Rules::new(settings, Arc::new(definitions))
    }

    fn event(recorded_at: i64, arrived_at: i64, status: SagaStatus) -> Event {
        Event {
            position: Position::new(0, 0),
            arrived_at: Millis(arrived_at),
            recorded_at: Millis(recorded_at),
            event_timestamp: Millis(recorded_at),
            event_id: "e".into(),
            saga_id: "s".into(),
            saga_type: "REFUND".into(),
            step: "S".into(),
            status,
            order_id: "o".into(),
            metadata: None,
            metadata_form: MetadataForm::Absent,
            producer_service: None,
            trace_id: None,
        }
    }

    #[test]
    fn a_definition_goes_before_the_defaults_and_unfinished_sagas_stay_longer() {
        let rules = rules(&RetentionSettings::default());
        let days = |saga_type: &str, status| rules.of(&saga_type.into(), status).days;
        assert_eq!(days("ORDER_CREATION", Completed), 30);
        assert_eq!(days("ORDER_CREATION", Started), 7);
        assert_eq!(days("ORDER_CREATION", Failed), 90);
        assert_eq!(days("UNKNOWN", Compensated), 90);
        assert_eq!(days("UNKNOWN", Started), 365);
        assert_eq!(days("PAYMENT_COMPLETION", InProgress), 365);
        assert_eq!(
            rules.of(&"ORDER_CREATION".into(), Completed).to_string(),
            "COMPLETED 30 days after the last event, by the saga definition"
        );
    }

    #[test]
    fn what_arrived_lately_stays_however_old_it_is() {
        let rules = rules(&RetentionSettings::default());
        let now = Millis(1_795_000_000_000);
        let old = event(1_000_000_000_000, now.0 - 23 * HOUR, Completed);
        assert!(rules.is_restless(std::slice::from_ref(&old), now));
        assert!(!rules.is_restless(std::slice::from_ref(&old), Millis(now.0 + HOUR)));
    }

    proptest! {
        #[test]
        fn a_saga_is_due_from_the_very_millisecond_on(
            days in 0u64..4_000, over in any::<bool>(), updated_at in 0i64..1_900_000_000_000,
        ) {
            let settings = RetentionSettings {
                finished_days: days,
                unfinished_days: days,
                ..RetentionSettings::default()
            };
            let rules = rules(&settings);
            let status = if over { Completed } else { Started };
            let state = crate::domain::fold(&[event(updated_at, 0, status)], &SagaDefinitions::default()).unwrap();
            let due_at = updated_at + i64::try_from(days).unwrap() * DAY;
            prop_assert!(rules.due(&state, Millis(due_at)).is_some());
            prop_assert!(rules.due(&state, Millis(due_at - 1)).is_none());
        }
    }
}
