//! Saga definitions: what is known of each saga type. Data that the user edits; how it is read is in `grammar`,
//! which part each step plays in `roles`.

mod built_in;
mod difference;
mod forms;
mod grammar;
mod retention;
mod roles;
mod schema;
mod shared;
#[cfg(test)]
mod tests;

pub use grammar::DefinitionError;
pub use retention::{DefaultDays, ShorterRetention};
pub(super) use roles::{Named, Role, Roles, Target};
pub use shared::{InForce, SharedDefinitions, UnreadableVersion};

use super::{SagaStatus, SagaType};
use roles::Cached;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is known about one saga type. Where steps are named, a trailing `*` stands for any end; an exact name goes
/// before a pattern, a longer pattern before a shorter one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SagaDefinition {
    /// The steps whose COMPLETED completes the saga; COMPLETED of any other completes only the step.
    pub completing_steps: BTreeSet<String>,
    /// The steps whose FAILED says that the saga failed, not that the step did: an order is cancelled well when
    /// ORDER_CANCELLED reports FAILED.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub failing_steps: BTreeSet<String>,
    /// Other names of steps: name in use to name in this definition.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// Which steps undo which: compensating step to compensated steps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub compensates: BTreeMap<String, Undone>,
    /// The steps that a completed saga must have, in the order in which they are awaited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_steps: Vec<String>,
    /// Which step must have come before which.
    #[serde(default, skip_serializing_if = "Order::is_empty")]
    pub order: Order,
    /// Between which steps the time is measured: from a saga's first event of the one to its first event of the other,
    /// where that one comes behind it.
    #[serde(default, skip_serializing_if = "Order::is_empty")]
    pub edges: Order,
    /// Further steps that are known. Only where this is given is a step that nothing here names a violation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_steps: Option<BTreeSet<String>>,
    /// What the metadata of steps must be: step or pattern to a JSON Schema, as text. Metadata that does not fit is an
    /// anomaly and breaks a rule; its event counts as any other.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata_schemas: BTreeMap<String, String>,
    /// Whom to ask about sagas of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Seconds after which a saga that is not terminal counts as stuck.
    #[serde(default = "default_deadline")]
    pub deadline_seconds: u64,
    /// Seconds within which a failed saga must be compensated.
    #[serde(default = "default_compensation")]
    pub compensation_seconds: u64,
    /// By status: days after the last event that a saga in it is kept. What is not named here follows
    /// the settings of retention.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retention_days: BTreeMap<String, u64>,
    #[serde(skip)]
    roles: Cached,
}

const fn default_deadline() -> u64 {
    1_800
}

const fn default_compensation() -> u64 {
    300
}

/// The steps that a compensating step undoes; none when it is not known which. One or a list in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Undone(#[serde(deserialize_with = "forms::one_or_more")] pub BTreeSet<String>);

/// Pairs of steps. Pairs, or a list in order, in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Order(#[serde(deserialize_with = "forms::pairs_or_list")] pub Vec<(String, String)>);

impl Order {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is known of a service that reports steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceDefinition {
    /// Whom to ask about it.
    pub owner: String,
}

/// All definitions, by saga type. A type without one is folded by the plain rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SagaDefinitions {
    /// By saga type, e.g. `ORDER_CREATION`.
    pub types: BTreeMap<String, SagaDefinition>,
    /// By the name that events give as `producerService`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, ServiceDefinition>,
}

/// The part of a definition that states, and what is told of them, depend on.
#[derive(Serialize)]
struct FoldRules<'d> {
    completing_steps: &'d BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    failing_steps: &'d BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    aliases: &'d BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    compensates: &'d BTreeMap<String, Undone>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    expected_steps: &'d [String],
    #[serde(skip_serializing_if = "Order::is_empty")]
    order: &'d Order,
    #[serde(skip_serializing_if = "Order::is_empty")]
    edges: &'d Order,
    #[serde(skip_serializing_if = "Option::is_none")]
    known_steps: Option<&'d BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata_schemas: &'d BTreeMap<String, String>,
}

impl SagaDefinition {
    /// A definition that knows nothing but what completes a saga.
    pub fn completed_by(steps: &[&str]) -> Self {
        Self {
            completing_steps: steps.iter().map(|step| (*step).to_owned()).collect(),
            failing_steps: BTreeSet::new(),
            aliases: BTreeMap::new(),
            compensates: BTreeMap::new(),
            expected_steps: Vec::new(),
            order: Order::default(),
            edges: Order::default(),
            known_steps: None,
            metadata_schemas: BTreeMap::new(),
            owner: None,
            deadline_seconds: default_deadline(),
            compensation_seconds: default_compensation(),
            retention_days: BTreeMap::new(),
            roles: Cached::default(),
        }
    }

    /// Which part each step plays. Worked out at the first question: a definition is changed before it is used.
    pub fn roles(&self) -> &Roles {
        self.roles.of(self)
    }

    fn fold_rules(&self) -> FoldRules<'_> {
        FoldRules {
            completing_steps: &self.completing_steps,
            failing_steps: &self.failing_steps,
            aliases: &self.aliases,
            compensates: &self.compensates,
            expected_steps: &self.expected_steps,
            order: &self.order,
            edges: &self.edges,
            known_steps: self.known_steps.as_ref(),
            metadata_schemas: &self.metadata_schemas,
        }
    }
}

impl SagaDefinitions {
    /// What the fold depends on, as text: projections made under another text must be made anew. JSON, by
    /// type what names steps.
    pub fn fold_rules(&self) -> String {
        let rules = self.types.iter();
        let rules: BTreeMap<_, _> = rules.map(|(name, of)| (name, of.fold_rules())).collect();
        json(&rules)
    }

    /// Definitions that the fold does the same under as under those whose [`SagaDefinitions::fold_rules`]
    /// these are. What is no rule of the fold is as it is by default.
    ///
    /// # Errors
    /// When the text is no such rules.
    pub fn of_fold_rules(rules: &str) -> Result<Self, DefinitionError> {
        let types = serde_json::from_str(rules).map_err(|e| DefinitionError::Rules(e.to_string()))?;
        Ok(Self {
            types,
            services: BTreeMap::new(),
        })
    }

    /// The same rules of the fold, and all else as `other` has it for types that both know.
    #[must_use]
    pub fn with_rest_of(mut self, other: &Self) -> Self {
        for (name, definition) in &mut self.types {
            let Some(other) = other.types.get(name) else {
                continue;
            };
            definition.owner.clone_from(&other.owner);
            definition.deadline_seconds = other.deadline_seconds;
            definition.compensation_seconds = other.compensation_seconds;
            definition.retention_days.clone_from(&other.retention_days);
        }
        self.services.clone_from(&other.services);
        self
    }

    /// Tells definitions apart: equal for all that say the same.
    pub fn hash(&self) -> String {
        blake3::hash(json(self).as_bytes()).to_hex().to_string()
    }

    /// Whether the type is defined.
    pub fn knows(&self, saga_type: &SagaType) -> bool {
        self.of(saga_type).is_some()
    }

    /// The type's definition.
    pub fn of(&self, saga_type: &SagaType) -> Option<&SagaDefinition> {
        self.types.get(saga_type.as_str())
    }

    /// Whether any definition names the step.
    pub fn names_step(&self, step: &str) -> bool {
        self.types.values().any(|of| of.roles().role(step).known)
    }

    /// What the event's status means for the saga: COMPLETED of a step that does not complete a
    /// saga of this type is progress.
    pub fn effective(&self, saga_type: &SagaType, step: &str, status: SagaStatus) -> SagaStatus {
        let role = self.of(saga_type).map(|of| of.roles().role(step));
        effective(role, status)
    }
}

/// The same, of the step's part in the type's definition; `None` where the type has none.
pub(super) fn effective(role: Option<Role>, status: SagaStatus) -> SagaStatus {
    match role {
        Some(role) if status == SagaStatus::Completed && !role.completes => SagaStatus::InProgress,
        _ => status,
    }
}

/// Maps with texts as keys always have a JSON text.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
