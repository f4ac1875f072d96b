//! How long a saga is kept after its last event: by type and outcome. Pure.

use super::RetentionSettings;
use crate::domain::{DAY_MILLIS, DefaultDays, Millis, SagaStatus, SagaType, SharedDefinitions};

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Rules {
    definitions: SharedDefinitions,
    default: DefaultDays,
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
        Millis(now.0.saturating_sub(days.saturating_mul(DAY_MILLIS)))
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

impl Rules {
    /// The rules of the settings, and of the definitions where they name their own.
    pub fn new(settings: &RetentionSettings, definitions: impl Into<SharedDefinitions>) -> Self {
        Self {
            definitions: definitions.into(),
            default: settings.default_days(),
            quiet_hours: settings.quiet_hours,
        }
    }

    /// The rule for sagas of this type in this status.
    pub fn of(&self, saga_type: &SagaType, status: SagaStatus) -> Rule {
        let own = self.definitions.get().retention_days(saga_type.as_str(), status);
        Rule {
            status,
            days: own.unwrap_or_else(|| self.default.of(status)),
            of_definition: own.is_some(),
        }
    }

    /// Hours after the arrival of its last delivery that a saga does not go.
    pub fn quiet_hours(&self) -> u64 {
        self.quiet_hours
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SagaDefinitions;
    use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};
    use std::sync::Arc;

    fn rules(settings: &RetentionSettings) -> Rules {
        let mut definitions = SagaDefinitions::default();
        let order = definitions.types.get_mut("ORDER_CREATION").unwrap();
        order.retention_days = [("COMPLETED".to_owned(), 30), ("STARTED".to_owned(), 7)].into();
        Rules::new(settings, Arc::new(definitions))
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
}
