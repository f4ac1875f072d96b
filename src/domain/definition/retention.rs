//! How many days definitions have sagas kept, and where others keep them for fewer days.

use super::SagaDefinitions;
use crate::domain::SagaStatus;
use std::collections::BTreeSet;
use std::fmt;

/// Days after their last event that sagas are kept of whose type and status no definition says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultDays {
    /// Of sagas in COMPLETED, FAILED or COMPENSATED.
    pub finished: u64,
    /// Of all others.
    pub unfinished: u64,
}

/// Sagas that would be kept for fewer days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShorterRetention {
    /// Their type.
    pub saga_type: String,
    /// Their status.
    pub status: SagaStatus,
    /// Days after its last event that such a saga is kept now.
    pub current_days: u64,
    /// The same under the other definitions.
    pub new_days: u64,
}

impl DefaultDays {
    /// Those of sagas in a status.
    pub const fn of(self, status: SagaStatus) -> u64 {
        match status {
            SagaStatus::Completed | SagaStatus::Failed | SagaStatus::Compensated => self.finished,
            SagaStatus::Started | SagaStatus::InProgress => self.unfinished,
        }
    }
}

impl SagaDefinitions {
    /// The days that the type's definition names for a status.
    pub fn retention_days(&self, saga_type: &str, status: SagaStatus) -> Option<u64> {
        let days = &self.types.get(saga_type)?.retention_days;
        days.get(status.as_str()).copied()
    }

    /// The sagas that others would have kept for fewer days, by type and status. A type that the others do not define
    /// falls back to the default, as does a status that they do not name.
    pub fn shorter_retention(&self, others: &Self, default: DefaultDays) -> Vec<ShorterRetention> {
        let names: BTreeSet<&String> = self.types.keys().chain(others.types.keys()).collect();
        let both = names
            .into_iter()
            .flat_map(|name| SagaStatus::ALL.map(|status| (name, status)));
        both.filter_map(|(name, status)| {
            let days = |of: &Self| {
                of.retention_days(name, status)
                    .unwrap_or_else(|| default.of(status))
            };
            let (current_days, new_days) = (days(self), days(others));
            (new_days < current_days).then(|| ShorterRetention {
                saga_type: name.clone(),
                status,
                current_days,
                new_days,
            })
        })
        .collect()
    }
}

impl fmt::Display for ShorterRetention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in {} for {} days instead of {}",
            self.saga_type, self.status, self.new_days, self.current_days
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: DefaultDays = DefaultDays {
        finished: 90,
        unfinished: 365,
    };

    fn definitions(days: &[(&str, &[(&str, u64)])]) -> SagaDefinitions {
        let types = days.iter().map(|(name, days)| {
            let mut definition = super::super::SagaDefinition::completed_by(&["DONE"]);
            definition.retention_days = days
                .iter()
                .map(|(status, days)| ((*status).to_owned(), *days))
                .collect();
            ((*name).to_owned(), definition)
        });
        SagaDefinitions {
            types: types.collect(),
            services: Default::default(),
        }
    }

    fn told(old: &SagaDefinitions, new: &SagaDefinitions) -> Vec<String> {
        let shorter = old.shorter_retention(new, DEFAULT);
        shorter.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_kept_for_less_long_is_named_and_what_is_kept_longer_is_not() {
        let old = definitions(&[("GIFT", &[("COMPLETED", 30), ("FAILED", 400)]), ("REFUND", &[])]);
        assert!(told(&old, &old).is_empty());
        let new = definitions(&[("GIFT", &[("COMPLETED", 29), ("FAILED", 500)]), ("REFUND", &[])]);
        assert_eq!(told(&old, &new), ["GIFT in COMPLETED for 29 days instead of 30"]);
        assert_eq!(told(&new, &old), ["GIFT in FAILED for 400 days instead of 500"]);
    }

    #[test]
    fn where_no_definition_names_days_the_default_counts() {
        let none = definitions(&[]);
        let named = definitions(&[("GIFT", &[("COMPLETED", 30), ("FAILED", 400), ("STARTED", 7)])]);
        assert_eq!(
            told(&none, &named),
            [
                "GIFT in STARTED for 7 days instead of 365",
                "GIFT in COMPLETED for 30 days instead of 90"
            ]
        );
        // A type that is taken out loses what it had.
        assert_eq!(told(&named, &none), ["GIFT in FAILED for 90 days instead of 400"]);
    }
}
