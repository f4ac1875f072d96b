//! Saga definitions: what the fold knows about each saga type. Data that the user edits.

use super::{SagaStatus, SagaType, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is known about one saga type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SagaDefinition {
    /// The steps whose COMPLETED completes the saga; COMPLETED of any other completes only the step.
    pub completing_steps: BTreeSet<String>,
    /// Which step undoes which: compensating step to compensated step.
    #[serde(default)]
    pub compensates: BTreeMap<String, String>,
    /// Seconds after which a saga that is not terminal counts as stuck.
    #[serde(default = "default_deadline")]
    pub deadline_seconds: u64,
    /// Seconds within which a failed saga must be compensated.
    #[serde(default = "default_compensation")]
    pub compensation_seconds: u64,
    /// By status: days after the last event that a saga in it is kept. What is not named here follows
    /// the settings of retention.
    #[serde(default)]
    pub retention_days: BTreeMap<String, u64>,
}

const fn default_deadline() -> u64 {
    1_800
}

const fn default_compensation() -> u64 {
    300
}

/// All definitions, by saga type. A type without one is folded by the plain rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SagaDefinitions {
    /// By saga type, e.g. `ORDER_CREATION`.
    pub types: BTreeMap<String, SagaDefinition>,
}

/// Why a definitions file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// Not TOML of the right form; the message names the place.
    #[error("{0}")]
    Form(String),
    /// A type that could never complete.
    #[error("types.{0}.completing_steps is empty; name at least one step that completes the saga")]
    NoCompletingStep(String),
    /// A recorded text is no rules of the fold.
    #[error("rules of the fold: {0}")]
    Rules(String),
    /// Days are given for a status that does not exist.
    #[error(
        "types.{0}.retention_days: status \"{1}\" is unknown; accepted: STARTED, IN_PROGRESS, COMPLETED, FAILED, \
         COMPENSATED"
    )]
    UnknownStatus(String, String),
}

impl SagaDefinitions {
    /// Reads a definitions file.
    ///
    /// # Errors
    /// When the text is not TOML of this form, or a type has no completing step.
    pub fn from_toml(text: &str) -> Result<Self, DefinitionError> {
        let parsed: Self = toml::from_str(text).map_err(|e| DefinitionError::Form(e.to_string()))?;
        for (name, definition) in &parsed.types {
            let unknown = |status: &&String| status.parse::<SagaStatus>().is_err();
            if let Some(status) = definition.retention_days.keys().find(unknown) {
                return Err(DefinitionError::UnknownStatus(name.clone(), status.clone()));
            }
        }
        match parsed
            .types
            .iter()
            .find(|(_, definition)| definition.completing_steps.is_empty())
        {
            Some((name, _)) => Err(DefinitionError::NoCompletingStep(name.clone())),
            None => Ok(parsed),
        }
    }

    /// What the fold depends on, as text: projections made under another text must be made anew. JSON, by
    /// type the completing steps.
    pub fn fold_rules(&self) -> String {
        let rules = self.types.iter().map(|(name, definition)| {
            let steps = definition.completing_steps.iter().cloned();
            (name.clone(), steps.map(Value::String).collect())
        });
        Value::Object(rules.collect()).to_string()
    }

    /// The BLAKE3 hash of what the fold depends on, in hexadecimal digits.
    pub fn hash(&self) -> String {
        text::hex(blake3::hash(self.fold_rules().as_bytes()).as_bytes())
    }

    /// Definitions that the fold does the same under as under those whose [`SagaDefinitions::fold_rules`]
    /// these are. What is no rule of the fold is as it is by default.
    ///
    /// # Errors
    /// When the text is no such rules.
    pub fn of_fold_rules(rules: &str) -> Result<Self, DefinitionError> {
        let types: BTreeMap<String, BTreeSet<String>> =
            serde_json::from_str(rules).map_err(|e| DefinitionError::Rules(e.to_string()))?;
        let types = types.into_iter().map(|(name, completing_steps)| {
            let definition = SagaDefinition {
                completing_steps,
                compensates: BTreeMap::new(),
                deadline_seconds: default_deadline(),
                compensation_seconds: default_compensation(),
                retention_days: BTreeMap::new(),
            };
            (name, definition)
        });
        Ok(Self {
            types: types.collect(),
        })
    }

    /// Whether the type is defined.
    pub fn knows(&self, saga_type: &SagaType) -> bool {
        self.types.contains_key(saga_type.as_str())
    }

    /// What the event's status means for the saga: COMPLETED of a step that does not complete a
    /// saga of this type is progress.
    pub fn effective(&self, saga_type: &SagaType, step: &str, status: SagaStatus) -> SagaStatus {
        if status != SagaStatus::Completed {
            return status;
        }
        match self.types.get(saga_type.as_str()) {
            Some(definition) if !definition.completing_steps.contains(step) => SagaStatus::InProgress,
            _ => SagaStatus::Completed,
        }
    }
}

impl Default for SagaDefinitions {
    /// The two types of the contract.
    fn default() -> Self {
        let define = |completing: &str, compensates: &[(&str, &str)]| SagaDefinition {
            completing_steps: BTreeSet::from([completing.to_owned()]),
            compensates: compensates
                .iter()
                .map(|(undo, done)| ((*undo).to_owned(), (*done).to_owned()))
                .collect(),
            deadline_seconds: default_deadline(),
            compensation_seconds: default_compensation(),
            retention_days: BTreeMap::new(),
        };
        let order = define(
            "ORDER_CONFIRMED",
            &[
                ("STOCK_RELEASED", "STOCK_RESERVED"),
                ("COMPENSATION_STOCK", "STOCK_RESERVED"),
                ("PAYMENT_CANCELLED", "PAYMENT_INITIALIZED"),
                ("PAYMENT_REFUNDED", "PAYMENT_COMPLETED"),
                ("COMPENSATION_PAYMENT", "PAYMENT_COMPLETED"),
                ("ORDER_CANCELLED", "ORDER_CREATED"),
                ("COMPENSATION_ORDER", "ORDER_CREATED"),
            ],
        );
        let payment = define(
            "PAYMENT_COMPLETED",
            &[
                ("PAYMENT_CANCELLED", "PAYMENT_INITIALIZED"),
                ("PAYMENT_REFUNDED", "PAYMENT_COMPLETED"),
            ],
        );
        Self {
            types: BTreeMap::from([
                ("ORDER_CREATION".to_owned(), order),
                ("PAYMENT_COMPLETION".to_owned(), payment),
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completed_step_completes_the_saga_only_where_its_type_says_so() {
        let definitions = SagaDefinitions::default();
        let effective =
            |saga_type: &str, step: &str, status| definitions.effective(&saga_type.into(), step, status);
        use SagaStatus::{Completed, Failed, InProgress};
        assert_eq!(
            effective("ORDER_CREATION", "ORDER_CONFIRMED", Completed),
            Completed
        );
        assert_eq!(
            effective("ORDER_CREATION", "STOCK_RESERVED", Completed),
            InProgress
        );
        assert_eq!(
            effective("PAYMENT_COMPLETION", "PAYMENT_COMPLETED", Completed),
            Completed
        );
        assert_eq!(effective("PAYMENT_COMPLETION", "PAYMENT_FAILED", Failed), Failed);
        assert_eq!(effective("REFUND", "ANY_STEP", Completed), Completed);
    }

    #[test]
    fn the_rules_of_the_fold_are_read_back_as_they_were_written() {
        let mut definitions = SagaDefinitions::default();
        let order = definitions.types.get_mut("ORDER_CREATION").unwrap();
        order.completing_steps.insert("A \"quoted\" step\n속".to_owned());
        order.deadline_seconds = 1;
        let rules = definitions.fold_rules();
        let read = SagaDefinitions::of_fold_rules(&rules).unwrap();
        assert_eq!(read.fold_rules(), rules);
        for step in ["ORDER_CONFIRMED", "A \"quoted\" step\n속", "STOCK_RESERVED"] {
            let effective = |definitions: &SagaDefinitions| {
                definitions.effective(&"ORDER_CREATION".into(), step, SagaStatus::Completed)
            };
            assert_eq!(effective(&read), effective(&definitions), "{step}");
        }
        assert!(SagaDefinitions::of_fold_rules("\"ORDER\" completes by \"X\"").is_err());
    }

    #[test]
    fn a_definitions_file_is_read_and_its_faults_are_named() {
        let read = SagaDefinitions::from_toml("[types.REFUND]\ncompleting_steps = [\"REFUNDED\"]\n").unwrap();
        assert!(read.knows(&"REFUND".into()) && !read.knows(&"ORDER_CREATION".into()));
        assert_eq!(read.types["REFUND"].deadline_seconds, 1_800);

        let unknown = SagaDefinitions::from_toml("[types.REFUND]\ncompleting_step = []\n").unwrap_err();
        assert!(unknown.to_string().contains("completing_step"), "{unknown}");
        assert_eq!(
            SagaDefinitions::from_toml("[types.REFUND]\ncompleting_steps = []\n"),
            Err(DefinitionError::NoCompletingStep("REFUND".into()))
        );
        let days = "[types.REFUND]\ncompleting_steps = [\"REFUNDED\"]\n[types.REFUND.retention_days]\n";
        let read = SagaDefinitions::from_toml(&format!("{days}COMPLETED = 30\n")).unwrap();
        assert_eq!(read.types["REFUND"].retention_days["COMPLETED"], 30);
        let unknown = SagaDefinitions::from_toml(&format!("{days}DONE = 30\n")).unwrap_err();
        assert!(unknown.to_string().contains("\"DONE\""), "{unknown}");
    }
}
