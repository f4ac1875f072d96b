//! Plans from a Confluent-compatible schema registry, each asked for once.
//!
//! Own client instead of `schema_registry_converter`: that crate hides the status and the error code
//! of an answer in a message and calls only 502 and 503 retriable, so 401, 429, 500 and the 404 of a
//! wrong URL look like "no such schema" — here that would turn a topic into dead letters. It also
//! caches by schema and not by plan. What is needed of the protocol is three GETs and a POST.
//!
//! Blocking: made, used and dropped on threads outside the async runtime only.

use super::http::{Answer, RegisteredSchema, RegistryHttp};
use super::questions::Questions;
use super::references::References;
use super::{
    BUNDLED_SCHEMA, RegistrySettings, RegistrySettingsError, SchemaError, SchemaSource, WriterSchema,
};
use crate::pipeline::decode::{DecodePlan, cut};
use apache_avro::Schema;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// The full name of the contract's record: a subject, or part of one, under other naming strategies.
const RECORD: &str = "com.groom.ecommerce.saga.event.avro.SagaTracker";

/// So many unknown ids are remembered: garbage can name billions.
const MAX_UNKNOWN: usize = 1_024;
/// And so many that it has: garbage can name all of a registry's. Beyond, they are asked for anew.
const MAX_PLANS: usize = 4_096;

/// What a registry says when it is greeted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryPing {
    /// Its URL, without user and password.
    pub url: String,
    /// How many subjects it has, or why it does not say.
    pub subjects: Result<usize, String>,
}

#[derive(Default)]
struct Known {
    /// Ids are immutable: what was found once holds for good.
    plans: HashMap<u32, Result<Arc<DecodePlan>, String>>,
    /// What is not there, and until when it is not asked for again.
    unknown: HashMap<u32, (Instant, SchemaError)>,
    /// How often it was asked for what is not there.
    questions: Questions,
}

/// A client of one registry, or of several that hold the same schemas.
pub struct RegistryClient {
    http: RegistryHttp,
    unknown_for: Duration,
    unknown_id_timeout: Duration,
    known: RwLock<Known>,
    /// Tells the time.
    now: fn() -> Instant,
}

impl RegistryClient {
    /// A client. Does not ask the registry yet.
    ///
    /// # Errors
    /// When a URL or the CA file cannot be used.
    pub fn new(settings: &RegistrySettings) -> Result<Self, RegistrySettingsError> {
        Ok(Self {
            http: RegistryHttp::new(settings)?,
            unknown_for: Duration::from_secs(settings.unknown_id_seconds),
            unknown_id_timeout: Duration::from_secs(settings.unknown_id_wait_seconds),
            known: RwLock::default(),
            now: Instant::now,
        })
    }

    /// Greets every configured registry, for `doctor`.
    pub fn ping(&self) -> Vec<RegistryPing> {
        let answers = self.http.subjects().into_iter();
        answers
            .map(|(url, subjects)| RegistryPing { url, subjects })
            .collect()
    }

    fn remembered(&self, id: u32) -> Option<Result<Arc<DecodePlan>, SchemaError>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.plans.get(&id) {
            Some(Ok(plan)) => Some(Ok(Arc::clone(plan))),
            Some(Err(detail)) => Some(Err(SchemaError::Unreadable(detail.clone()))),
            None => known
                .unknown
                .get(&id)
                .filter(|(until, _)| (self.now)() < *until)
                .map(|(_, why)| Err(why.clone())),
        }
    }

    fn learn(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        let found = match self.http.schema(id).map_err(SchemaError::Unavailable)? {
            Answer::NotFound => return Err(self.note_missing(id, SchemaError::Unknown)),
            Answer::Found(found) => found,
        };
        let plan = match self.compile(&found) {
            Ok(plan) => Ok(Arc::new(plan)),
            Err(SchemaError::Unreadable(mut detail)) => {
                cut(&mut detail);
                Err(detail)
            }
            Err(missing) if missing.may_pass() => return Err(self.note_missing(id, missing)),
            Err(other) => return Err(other),
        };
        match &plan {
            Ok(_) => tracing::info!(schema = id, "learned a writer schema"),
            Err(detail) => tracing::warn!(schema = id, detail, "cannot read records of this writer schema"),
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.unknown.remove(&id);
        if known.plans.len() >= MAX_PLANS {
            known.plans.clear();
        }
        known.plans.insert(id, plan.clone());
        plan.map_err(SchemaError::Unreadable)
    }

    fn may_ask(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.questions.may_ask((self.now)())
    }

    fn note_missing(&self, id: u32, why: SchemaError) -> SchemaError {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.unknown.len() >= MAX_UNKNOWN {
            known.unknown.clear();
        }
        let now = (self.now)();
        let until = now + self.unknown_for;
        known.questions.in_vain(now);
        known.unknown.insert(id, (until, why.clone()));
        why
    }

    fn compile(&self, found: &RegisteredSchema) -> Result<DecodePlan, SchemaError> {
        let unreadable = |detail: String| SchemaError::Unreadable(detail);
        if let Some(other) = found.schema_type.as_deref().filter(|kind| *kind != "AVRO") {
            return Err(unreadable(format!(
                "it is a schema of type {other}; accepted: AVRO"
            )));
        }
        let references = self.references(found)?;
        let (writer, parts) = Schema::parse_str_with_list(&found.schema, &references)
            .map_err(|e| unreadable(format!("it is not an Avro schema: {e}")))?;
        DecodePlan::compile_with(&writer, &parts).map_err(|e| unreadable(e.to_string()))
    }

    /// The texts of all schemas that this one refers to, directly and indirectly.
    fn references(&self, found: &RegisteredSchema) -> Result<Vec<String>, SchemaError> {
        let too_much = SchemaError::Unreadable;
        let mut all = References::default();
        all.add(found.references.clone(), 1).map_err(too_much)?;
        while let Some((reference, depth)) = all.next() {
            match self.http.version(&reference).map_err(SchemaError::Unavailable)? {
                Answer::Found(part) => {
                    all.add(part.references, depth + 1).map_err(too_much)?;
                    all.found(part.schema).map_err(too_much)?;
                }
                Answer::NotFound => {
                    let mut detail = format!(
                        "it refers to version {} of subject {:?}, which the registry does not have",
                        reference.version, reference.subject
                    );
                    cut(&mut detail);
                    return Err(SchemaError::Incomplete(detail));
                }
            }
        }
        Ok(all.into_texts())
    }
}

impl SchemaSource for RegistryClient {
    fn plan(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        match self.remembered(id) {
            Some(remembered) => remembered,
            None if self.may_ask() => self.learn(id),
            None => Err(SchemaError::Unknown),
        }
    }

    fn plan_now(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        match self.remembered(id) {
            Some(Err(missing)) if missing.may_pass() => self.learn(id),
            Some(remembered) => remembered,
            None => self.learn(id),
        }
    }

    fn known(&self, id: u32) -> Option<Arc<DecodePlan>> {
        self.remembered(id)?.ok()
    }

    fn unknown_id_timeout(&self) -> Duration {
        self.unknown_id_timeout
    }

    /// The latest version that producers of the topic registered, whatever their naming strategy. Where
    /// there is none, the bundled schema is registered, as a producer would.
    fn writer(&self, topic: &str) -> Result<WriterSchema, SchemaError> {
        let of_topic = format!("{topic}-value");
        let subjects = [of_topic.clone(), RECORD.to_owned(), format!("{topic}-{RECORD}")];
        for subject in subjects {
            if let Answer::Found(latest) = self.http.latest(&subject).map_err(SchemaError::Unavailable)? {
                return Ok(WriterSchema {
                    id: latest.id,
                    text: latest.schema,
                });
            }
        }
        let id = self
            .http
            .register(&of_topic, BUNDLED_SCHEMA)
            .map_err(SchemaError::Unavailable)?;
        tracing::info!(
            subject = of_topic,
            id,
            "registered the bundled schema: nobody had one"
        );
        Ok(WriterSchema {
            id,
            text: BUNDLED_SCHEMA.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
