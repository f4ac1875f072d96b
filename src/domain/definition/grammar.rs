//! What a definitions file may say, and what is wrong with one.

use super::roles::covers;
use super::{Order, SagaDefinition, SagaDefinitions};
use crate::domain::SagaStatus;
use saga_tracker_sdk::contract::limits::MAX_STEP_CHARS;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeSet;

/// At most so many steps and patterns a definition may name: states count each of them.
pub(super) const MAX_STEPS: usize = 200;

/// At most so many pairs of steps may be measured: each is a label of a metric.
pub(super) const MAX_EDGES: usize = 50;

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
    /// Something else that a key says cannot be meant.
    #[error("{key}: {fault}")]
    Fault {
        /// The key, from the top of the file.
        key: String,
        /// What was found and what is accepted.
        fault: String,
    },
}

impl SagaDefinitions {
    /// Reads a definitions file.
    ///
    /// # Errors
    /// The first of its [faults](SagaDefinitions::faults).
    pub fn from_toml(text: &str) -> Result<Self, DefinitionError> {
        let parsed = parse(text)?;
        match parsed.all_faults().into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(parsed),
        }
    }

    /// All that is wrong with a definitions file; of one that is no TOML of this form, the first place.
    pub fn faults(text: &str) -> Vec<DefinitionError> {
        match parse(text) {
            Ok(parsed) => parsed.all_faults(),
            Err(fault) => vec![fault],
        }
    }

    fn all_faults(&self) -> Vec<DefinitionError> {
        let mut faults = Vec::new();
        for (name, definition) in &self.types {
            Checked {
                name,
                definition,
                faults: &mut faults,
            }
            .all();
        }
        for (name, service) in &self.services {
            if service.owner.trim().is_empty() {
                faults.push(fault(format!("services.{name}.owner"), BLANK_OWNER));
            }
        }
        faults
    }
}

const BLANK_OWNER: &str = "is blank; accepted: whom to ask, or no owner at all";

fn parse(text: &str) -> Result<SagaDefinitions, DefinitionError> {
    toml::from_str(text).map_err(|e| DefinitionError::Form(e.to_string()))
}

fn fault(key: String, fault: impl Into<String>) -> DefinitionError {
    let fault = fault.into();
    DefinitionError::Fault { key, fault }
}

/// One type's definition while it is looked through.
struct Checked<'d> {
    name: &'d str,
    definition: &'d SagaDefinition,
    faults: &'d mut Vec<DefinitionError>,
}

impl Checked<'_> {
    fn all(&mut self) {
        self.completing();
        self.names();
        self.aliases();
        self.compensations();
        self.order();
        self.edges();
        self.rest();
    }

    fn fault(&mut self, key: &str, found: impl Into<String>) {
        self.faults
            .push(fault(format!("types.{}.{key}", self.name), found));
    }

    fn completing(&mut self) {
        if self.definition.completing_steps.is_empty() {
            let name = self.name.to_owned();
            self.faults.push(DefinitionError::NoCompletingStep(name));
        }
    }

    /// Every name of a step must be one.
    fn names(&mut self) {
        let definition = self.definition;
        let mut all = BTreeSet::new();
        for (key, name) in named(definition) {
            if let Some(why) = unfit(name) {
                self.fault(key, format!("{name:?} {why}"));
            }
            if let Some(of) = definition.aliases.get(name) {
                self.fault(key, format!("{name:?} is another name of {of:?}; name that one"));
            }
            all.insert(name);
        }
        if all.len() > MAX_STEPS {
            let found = format!(
                "{} different steps are named; accepted: up to {MAX_STEPS}",
                all.len()
            );
            self.faults.push(fault(format!("types.{}", self.name), found));
        }
    }

    fn aliases(&mut self) {
        let aliases = &self.definition.aliases;
        for (name, of) in aliases {
            for text in [name, of] {
                if let Some(why) = unfit(text) {
                    self.fault("aliases", format!("{text:?} {why}"));
                } else if text.ends_with('*') {
                    self.fault(
                        "aliases",
                        format!("{text:?} is a pattern; accepted: names of steps"),
                    );
                }
            }
            if aliases.contains_key(of) {
                self.fault(
                    "aliases",
                    format!("{of:?}, which {name:?} stands for, is an alias itself"),
                );
            }
        }
    }

    fn compensations(&mut self) {
        for (undo, done) in &self.definition.compensates {
            if done.0.contains(undo) {
                self.fault("compensates", format!("{undo:?} compensates itself"));
            }
        }
    }

    fn order(&mut self) {
        let pairs = &self.definition.order.0;
        if let Some((before, after)) = pairs.iter().find(|(before, after)| leads(pairs, after, before)) {
            let found = format!("{before:?} must come before {after:?} and, by the other pairs, behind it");
            self.fault("order", found);
        }
    }

    fn edges(&mut self) {
        let pairs = &self.definition.edges.0;
        for (from, to) in pairs {
            if covers(from, to) || covers(to, from) {
                self.fault(
                    "edges",
                    format!("from {from:?} to {to:?}; accepted: two different steps"),
                );
            }
        }
        if pairs.len() > MAX_EDGES {
            let found = format!("{} pairs of steps; accepted: up to {MAX_EDGES}", pairs.len());
            self.fault("edges", found);
        }
    }

    fn rest(&mut self) {
        let unknown = |status: &&String| status.parse::<SagaStatus>().is_err();
        for status in self.definition.retention_days.keys().filter(unknown) {
            let unknown = DefinitionError::UnknownStatus(self.name.to_owned(), status.clone());
            self.faults.push(unknown);
        }
        if self
            .definition
            .owner
            .as_ref()
            .is_some_and(|owner| owner.trim().is_empty())
        {
            self.fault("owner", BLANK_OWNER);
        }
    }
}

/// All names of steps but aliases, each with the key that it stands under.
fn named(definition: &SagaDefinition) -> impl Iterator<Item = (&'static str, &str)> {
    let under = |key: &'static str| move |name| (key, name);
    let compensates = &definition.compensates;
    let listed = [
        ("completing_steps", &definition.completing_steps),
        ("failing_steps", &definition.failing_steps),
    ];
    let known = definition.known_steps.iter().flatten().map(under("known_steps"));
    let undone = compensates.values().flat_map(|done| &done.0);
    listed
        .into_iter()
        .flat_map(|(key, names)| names.iter().map(move |name| (key, name)))
        .chain(known)
        .chain(compensates.keys().chain(undone).map(under("compensates")))
        .chain(definition.expected_steps.iter().map(under("expected_steps")))
        .chain(of_pairs(&definition.order).map(under("order")))
        .chain(of_pairs(&definition.edges).map(under("edges")))
        .map(|(key, name): (_, &String)| (key, name.as_str()))
}

fn of_pairs(pairs: &Order) -> impl Iterator<Item = &String> {
    pairs.0.iter().flat_map(|(before, after)| [before, after])
}

/// Why a text is no name of a step and no pattern.
fn unfit(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("names no step".to_owned());
    }
    if name.chars().count() > MAX_STEP_CHARS {
        return Some(format!(
            "is longer than the {MAX_STEP_CHARS} characters of a step"
        ));
    }
    let starred = name.strip_suffix('*').unwrap_or(name);
    starred.contains('*').then(|| {
        "has a `*` that is not at its end; accepted: a step, or how steps begin and then `*`".to_owned()
    })
}

/// Whether the pairs lead from one step to another.
fn leads(pairs: &[(String, String)], from: &str, to: &str) -> bool {
    let mut reached: BTreeSet<&str> = BTreeSet::from([from]);
    loop {
        if reached.iter().any(|step| covers(step, to) || covers(to, step)) {
            return true;
        }
        let next = pairs
            .iter()
            .filter(|(before, _)| reached.contains(before.as_str()));
        let next: Vec<&str> = next.map(|(_, after)| after.as_str()).collect();
        let known = reached.len();
        reached.extend(next);
        if reached.len() == known {
            return false;
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "accepted: a step, or a list of steps")]
enum OneOrMore {
    One(String),
    More(BTreeSet<String>),
}

/// Reads one text as a list of it alone.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<String>, D::Error> {
    Ok(match OneOrMore::deserialize(from)? {
        OneOrMore::One(step) => BTreeSet::from([step]),
        OneOrMore::More(steps) => steps,
    })
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "accepted: a list of steps in their order, or a list of pairs [before, after]"
)]
enum PairsOrList {
    List(Vec<String>),
    Pairs(Vec<(String, String)>),
}

/// Reads a list in order as the pairs of its neighbours.
pub(super) fn pairs_or_list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, String)>, D::Error> {
    Ok(match PairsOrList::deserialize(from)? {
        PairsOrList::Pairs(pairs) => pairs,
        PairsOrList::List(list) => {
            let behind = list.iter().skip(1).cloned();
            list.iter().cloned().zip(behind).collect()
        }
    })
}
