//! Which part each step plays in a definition, worked out once: the fold asks for every event.

use super::schema::Schema;
use super::{Order, SagaDefinition};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// The part that a step plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its number among the steps that are counted.
    pub counted: Option<u16>,
    /// Whether its COMPLETED completes the saga.
    pub completes: bool,
    /// Whether the definition names it.
    pub known: bool,
    /// The number of the schema of its metadata.
    pub schema: Option<u16>,
}

/// Steps that can be compensated together: their name or pattern, and who does it. Steps stand for their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// As the definition names it.
    pub name: String,
    /// The steps that do it.
    pub done_by: Vec<u16>,
    /// The steps that undo it.
    pub undone_by: Vec<u16>,
    /// The names and patterns of those.
    pub undoing: Vec<String>,
}

/// A step or pattern as the definition names it, and the numbers of the steps that it covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// As the definition names it.
    pub name: String,
    /// What it covers.
    pub steps: Vec<u16>,
}

/// The parts of all steps.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    counted: Vec<String>,
    exact: HashMap<String, Role, FixedState>,
    /// By how steps begin, longest first.
    patterns: Vec<(String, Role)>,
    /// Whether the definition says which steps there are.
    says_all: bool,
    /// What can be compensated.
    pub targets: Vec<Target>,
    /// The steps that compensate.
    undoing: Vec<u16>,
    /// Those of them whose FAILED is not meant to be.
    pub compensating: Vec<u16>,
    /// The steps that complete.
    pub completing: Vec<Named>,
    /// The steps that a completed saga must have.
    pub expected: Vec<Named>,
    /// Pairs, the first of which must have come before the second.
    pub order: Vec<(Named, Named)>,
    /// Pairs between which the time is measured.
    pub edges: Vec<(Named, Named)>,
    schemas: Vec<Schema>,
}

impl Roles {
    /// The part of a step.
    pub fn role(&self, step: &str) -> Role {
        if let Some(role) = self.exact.get(step) {
            return *role;
        }
        let fits = |(prefix, _): &&(String, Role)| step.starts_with(prefix.as_str());
        self.patterns
            .iter()
            .find(fits)
            .map_or(Role::default(), |(_, role)| *role)
    }

    /// Whether the definition says which steps there are, and this part is that of none.
    pub fn is_strange(&self, role: Role) -> bool {
        self.says_all && !role.known
    }

    /// Why the metadata of a step with this part does not fit the step's schema; `None` when it does, or there is none.
    pub fn unfit(&self, role: Role, metadata: Option<&str>) -> Option<String> {
        let schema = self.schemas.get(usize::from(role.schema?))?;
        schema.unfit(metadata)
    }

    /// Whether no other step than this one is counted under a number.
    pub fn counts_alone(&self, counted: u16, step: &str) -> bool {
        let is_here = |role: &Role| role.counted == Some(counted);
        let alone = |(name, role): (&String, &Role)| name.as_str() == step || !is_here(role);
        self.exact.iter().all(alone) && !self.patterns.iter().any(|(_, role)| is_here(role))
    }

    /// Whether a step that is counted compensates.
    pub fn undoes(&self, counted: u16) -> bool {
        self.undoing.contains(&counted)
    }

    /// The name or pattern of a step that is counted.
    pub fn name(&self, counted: u16) -> &str {
        self.counted.get(usize::from(counted)).map_or("", String::as_str)
    }

    fn of(definition: &SagaDefinition) -> Self {
        let counted: BTreeSet<&str> = counted(definition).collect();
        let mut roles = Self {
            counted: counted.into_iter().map(str::to_owned).collect(),
            says_all: definition.known_steps.is_some(),
            ..Self::default()
        };
        // What was checked can be read.
        let schemas = definition.metadata_schemas.values();
        roles.schemas = schemas
            .map(|text| Schema::read(text).unwrap_or_default())
            .collect();
        roles.name_all(definition);
        roles.targets = roles.targets_of(definition);
        roles.undoing = roles.undoing_of(definition);
        roles.compensating = roles.compensating_of(definition);
        roles.completing = definition
            .completing_steps
            .iter()
            .map(|step| roles.named(step))
            .collect();
        roles.expected = definition
            .expected_steps
            .iter()
            .map(|step| roles.named(step))
            .collect();
        roles.order = roles.pairs(&definition.order);
        roles.edges = roles.pairs(&definition.edges);
        roles
    }

    fn name_all(&mut self, definition: &SagaDefinition) {
        let known = definition.known_steps.iter().flatten();
        let named = known
            .chain(definition.metadata_schemas.keys())
            .map(String::as_str);
        let named: BTreeSet<String> = named
            .chain(self.counted.iter().map(String::as_str))
            .map(str::to_owned)
            .collect();
        for name in named {
            let role = self.role_of(definition, &name);
            match name.strip_suffix('*') {
                Some(prefix) => self.patterns.push((prefix.to_owned(), role)),
                None => {
                    self.exact.insert(name, role);
                }
            }
        }
        self.patterns
            .sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        for (name, of) in &definition.aliases {
            let role = Role {
                known: true,
                ..self.role(of)
            };
            self.exact.insert(name.clone(), role);
        }
    }

    /// The part of a step or pattern that the definition names.
    fn role_of(&self, definition: &SagaDefinition, name: &str) -> Role {
        let counted = closest(self.counted.iter().map(String::as_str), name);
        let place = counted.and_then(|counted| self.counted.iter().position(|other| other == counted));
        Role {
            counted: place.and_then(|place| u16::try_from(place).ok()),
            completes: definition.completing_steps.iter().any(|step| covers(step, name)),
            known: true,
            schema: schema_of(definition, name),
        }
    }

    fn named(&self, name: &str) -> Named {
        Named {
            name: name.to_owned(),
            steps: self.numbers(|step| covers(name, step)),
        }
    }

    fn pairs(&self, of: &Order) -> Vec<(Named, Named)> {
        let pairs = of.0.iter();
        pairs
            .map(|(before, after)| (self.named(before), self.named(after)))
            .collect()
    }

    fn numbers(&self, which: impl Fn(&str) -> bool) -> Vec<u16> {
        let all = (0..).zip(&self.counted);
        all.filter(|(_, step)| which(step))
            .map(|(number, _)| number)
            .collect()
    }

    fn targets_of(&self, definition: &SagaDefinition) -> Vec<Target> {
        let compensates = &definition.compensates;
        let undoes = |step: &str| closest(compensates.keys().map(String::as_str), step);
        let names: BTreeSet<&String> = compensates.values().flat_map(|done| &done.0).collect();
        let target = |name: &String| {
            let undoing = compensates.iter().filter(|(_, done)| done.0.contains(name));
            let undoing: Vec<String> = undoing.map(|(undo, _)| undo.clone()).collect();
            Target {
                name: name.clone(),
                done_by: self.numbers(|step| covers(name, step) && undoes(step).is_none()),
                undone_by: self.numbers(|step| {
                    undoes(step).is_some_and(|undo| undoing.iter().any(|other| other == undo))
                }),
                undoing,
            }
        };
        names.into_iter().map(target).collect()
    }

    fn undoing_of(&self, definition: &SagaDefinition) -> Vec<u16> {
        self.numbers(|step| definition.compensates.keys().any(|undo| covers(undo, step)))
    }

    fn compensating_of(&self, definition: &SagaDefinition) -> Vec<u16> {
        let meant = |step: &str| {
            definition
                .failing_steps
                .iter()
                .any(|failing| covers(failing, step))
        };
        let undoing = self.undoing.iter().copied();
        undoing.filter(|step| !meant(self.name(*step))).collect()
    }
}

fn schema_of(definition: &SagaDefinition, name: &str) -> Option<u16> {
    let names = || definition.metadata_schemas.keys().map(String::as_str);
    let closest = closest(names(), name)?;
    names()
        .position(|other| other == closest)
        .and_then(|place| u16::try_from(place).ok())
}

/// The steps and patterns that are counted.
fn counted(definition: &SagaDefinition) -> impl Iterator<Item = &str> {
    let undone = definition.compensates.values().flat_map(|done| &done.0);
    let pairs = definition.order.0.iter().chain(&definition.edges.0);
    definition
        .completing_steps
        .iter()
        .chain(&definition.failing_steps)
        .chain(definition.compensates.keys())
        .chain(undone)
        .chain(&definition.expected_steps)
        .chain(pairs.flat_map(|(before, after)| [before, after]))
        .map(String::as_str)
}

/// Whether all steps that `name` stands for, a step or a pattern, fit `pattern`, which may be a step too.
pub(super) fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.strip_suffix('*').unwrap_or(name).starts_with(prefix),
        None => pattern == name,
    }
}

/// Of the steps and patterns that cover this one, the one that says most.
fn closest<'n>(names: impl Iterator<Item = &'n str>, step: &str) -> Option<&'n str> {
    let covering = names.filter(|name| covers(name, step));
    covering.max_by_key(|name| (!name.ends_with('*'), name.len()))
}

/// Roles that are worked out when they are first asked for. A copy works them out for itself, since copies are
/// there to be changed; they follow from the rest of a definition, so they are no part of what makes two equal.
#[derive(Debug, Default)]
pub(super) struct Cached(OnceLock<Box<Roles>>);

impl Cached {
    pub(super) fn of(&self, definition: &SagaDefinition) -> &Roles {
        self.0.get_or_init(|| Box::new(Roles::of(definition)))
    }
}

impl Clone for Cached {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Cached {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Cached {}
