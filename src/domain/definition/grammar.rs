//! What a definitions file may say, and what is wrong with one.

use super::roles::covers;
use super::schema::Schema;
use super::{Order, SagaDefinition, SagaDefinitions};
use crate::domain::SagaStatus;
use saga_tracker_sdk::contract::limits::{MAX_ID_CHARS, MAX_STEP_CHARS};
use std::collections::{BTreeMap, BTreeSet};

/// At most so many steps and patterns a definition may name: states count each of them.
pub(super) const MAX_STEPS: usize = 200;

/// At most so many pairs of steps may be measured: each is a label of a metric.
pub(super) const MAX_EDGES: usize = 50;

/// At most so many pairs may stand in `order`, and so many other names in `aliases`: all are looked through at every
/// event of a saga.
pub(super) const MAX_PAIRS: usize = 400;

/// At most so many types may be defined, and so many services: whoever counts what is stuck asks of each type.
pub(super) const MAX_TYPES: usize = 200;

/// At most so many bytes all schemas of a file may have: each takes memory of its own once it is read.
pub(super) const MAX_SCHEMA_BYTES: usize = 64 << 10;

/// Faults that are told of one file: whoever mends these is told the next.
pub(super) const MAX_FAULTS: usize = 50;

/// Characters of a name that are told of it.
const SHOWN_CHARS: usize = 100;

/// The stack of the thread that reads a file. Tables may stand in tables some thousand levels deep before the reader
/// of TOML refuses them, and a stack that ends takes the process with it.
const STACK_BYTES: usize = 64 << 20;

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

    /// What is wrong with a definitions file, at most [`MAX_FAULTS`] of it; of one that is no TOML of this form, the
    /// first place.
    pub fn faults(text: &str) -> Vec<DefinitionError> {
        match parse(text) {
            Ok(parsed) => parsed.all_faults(),
            Err(fault) => vec![fault],
        }
    }

    fn all_faults(&self) -> Vec<DefinitionError> {
        let mut faults = Faults::default();
        for (key, count) in [("types", self.types.len()), ("services", self.services.len())] {
            if count > MAX_TYPES {
                faults.add(fault(
                    key.to_owned(),
                    format!("{count} of them; accepted: up to {MAX_TYPES}"),
                ));
            }
        }
        let schemas: usize = self.types.values().map(bytes_of_schemas).sum();
        if schemas > MAX_SCHEMA_BYTES {
            faults.add(fault(
                "types".to_owned(),
                format!("{schemas} bytes of metadata_schemas in all; accepted: up to {MAX_SCHEMA_BYTES}"),
            ));
            return faults.0;
        }
        for (name, definition) in &self.types {
            if faults.are_enough() || self.types.len() > MAX_TYPES {
                break;
            }
            if let Some(why) = unfit_of_all(name) {
                faults.add(fault("types".to_owned(), format!("{} {why}", shown(name))));
                continue;
            }
            Checked {
                name,
                definition,
                faults: &mut faults,
            }
            .all();
        }
        for (name, service) in self.services.iter().take(MAX_TYPES) {
            if let Some(why) = unfit_of_all(name) {
                faults.add(fault("services".to_owned(), format!("{} {why}", shown(name))));
            } else if service.owner.trim().is_empty() {
                faults.add(fault(format!("services.{name}.owner"), BLANK_OWNER));
            }
        }
        faults.0
    }
}

const BLANK_OWNER: &str = "is blank; accepted: whom to ask, or no owner at all";

/// The faults of a file, the first ones.
#[derive(Default)]
struct Faults(Vec<DefinitionError>);

impl Faults {
    fn add(&mut self, fault: DefinitionError) {
        if !self.are_enough() {
            self.0.push(fault);
        }
    }

    fn are_enough(&self) -> bool {
        self.0.len() >= MAX_FAULTS
    }
}

fn parse(text: &str) -> Result<SagaDefinitions, DefinitionError> {
    let read = || toml::from_str(text).map_err(|e| DefinitionError::Form(e.to_string()));
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, read);
        let reader = reader.map_err(|e| DefinitionError::Form(format!("no thread to read it on: {e}")))?;
        reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A name as it is told.
fn shown(name: &str) -> String {
    let mut chars = name.chars();
    let first: String = chars.by_ref().take(SHOWN_CHARS).collect();
    if chars.next().is_some() {
        format!("{first:?}…")
    } else {
        format!("{first:?}")
    }
}

/// Why a text is no name of a type or of a service.
fn unfit_of_all(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("is blank".to_owned());
    }
    if name.chars().count() > MAX_ID_CHARS || name.chars().any(char::is_control) {
        return Some(format!(
            "is no name; accepted: up to {MAX_ID_CHARS} characters, none of them a control character"
        ));
    }
    None
}

fn fault(key: String, fault: impl Into<String>) -> DefinitionError {
    let fault = fault.into();
    DefinitionError::Fault { key, fault }
}

/// One type's definition while it is looked through.
struct Checked<'d> {
    name: &'d str,
    definition: &'d SagaDefinition,
    faults: &'d mut Faults,
}

impl Checked<'_> {
    fn all(&mut self) {
        if !self.is_bounded() {
            return;
        }
        self.completing();
        self.names();
        self.aliases();
        self.compensations();
        self.order();
        self.edges();
        self.schemas();
        self.rest();
    }

    /// Whether there is no more of anything than may be; nothing else is looked at before.
    fn is_bounded(&mut self) -> bool {
        let definition = self.definition;
        let different = named(definition)
            .map(|(_, name)| name)
            .collect::<BTreeSet<_>>()
            .len();
        let edges = definition.edges.0.len();
        let counts = [
            ("", different, MAX_STEPS, "different steps are named"),
            (
                ".expected_steps",
                definition.expected_steps.len(),
                MAX_STEPS,
                "steps",
            ),
            (".aliases", definition.aliases.len(), MAX_PAIRS, "other names"),
            (".order", definition.order.0.len(), MAX_PAIRS, "pairs of steps"),
            (".edges", edges, MAX_EDGES, "pairs of steps"),
        ];
        let mut bounded = true;
        for (key, found, limit, what) in counts {
            if found > limit {
                bounded = false;
                let told = format!("{found} {what}; accepted: up to {limit}");
                self.faults.add(fault(format!("types.{}{key}", self.name), told));
            }
        }
        bounded
    }

    fn fault(&mut self, key: &str, found: impl Into<String>) {
        self.faults
            .add(fault(format!("types.{}.{key}", self.name), found));
    }

    fn completing(&mut self) {
        if self.definition.completing_steps.is_empty() {
            let name = self.name.to_owned();
            self.faults.add(DefinitionError::NoCompletingStep(name));
        }
    }

    /// Every name of a step must be one.
    fn names(&mut self) {
        let definition = self.definition;
        for (key, name) in named(definition) {
            if let Some(why) = unfit(name) {
                self.fault(key, format!("{} {why}", shown(name)));
            }
            if let Some(of) = definition.aliases.get(name) {
                let (name, of) = (shown(name), shown(of));
                self.fault(key, format!("{name} is another name of {of}; name that one"));
            }
        }
        let mut seen = BTreeSet::new();
        for name in &definition.expected_steps {
            if !seen.insert(name) {
                self.fault("expected_steps", format!("{} stands there twice", shown(name)));
            }
        }
    }

    fn aliases(&mut self) {
        let aliases = &self.definition.aliases;
        for (name, of) in aliases {
            for text in [name, of] {
                if let Some(why) = unfit(text) {
                    self.fault("aliases", format!("{} {why}", shown(text)));
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
        let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (before, after) in pairs {
            next.entry(before).or_default().push(after);
        }
        if let Some((before, after)) = pairs.iter().find(|(before, after)| leads(&next, after, before)) {
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
    }

    fn schemas(&mut self) {
        for (step, text) in &self.definition.metadata_schemas {
            if let Err(why) = Schema::read(text) {
                self.fault("metadata_schemas", format!("of {}: {why}", shown(step)));
            }
        }
    }

    fn rest(&mut self) {
        let unknown = |status: &&String| status.parse::<SagaStatus>().is_err();
        for status in self.definition.retention_days.keys().filter(unknown) {
            let unknown = DefinitionError::UnknownStatus(self.name.to_owned(), cut(status));
            self.faults.add(unknown);
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

fn bytes_of_schemas(definition: &SagaDefinition) -> usize {
    definition.metadata_schemas.values().map(String::len).sum()
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
        .chain(definition.metadata_schemas.keys().map(under("metadata_schemas")))
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

/// Whether pairs, by their first steps, lead from one step to another.
fn leads<'p>(next: &BTreeMap<&'p str, Vec<&'p str>>, from: &'p str, to: &str) -> bool {
    let (mut reached, mut waiting) = (BTreeSet::from([from]), vec![from]);
    while let Some(step) = waiting.pop() {
        if covers(step, to) || covers(to, step) {
            return true;
        }
        let behind = next.get(step).into_iter().flatten();
        waiting.extend(behind.filter(|after| reached.insert(after)));
    }
    false
}

/// The first characters of a text, as they stand.
fn cut(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}
