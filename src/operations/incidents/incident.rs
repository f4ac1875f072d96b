//! An incident: an alert from when it fired until it was over, and which sagas its labels are about.

use super::alert::{Alert, web_address};
use super::settings::IncidentSettings;
use crate::domain::{DAY_MILLIS, HOUR_MILLIS, Millis, SagaStatus};
use crate::store::records::IncidentRecord;
use std::collections::BTreeMap;
use std::sync::Arc;

/// For so long a sender may send a message again that was not answered.
const SENT_AGAIN_MILLIS: i64 = 5 * 60_000;

/// Labels that name a saga's type, its order and the saga itself.
const TYPE_LABELS: [&str; 2] = ["saga_type", "sagaType"];
const ORDER_LABELS: [&str; 3] = ["order_id", "orderId", "order"];
const SAGA_LABELS: [&str; 3] = ["saga_id", "sagaId", "saga"];

/// An alert that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Names its series: the same for the same labels.
    pub fingerprint: String,
    /// Since when it fires.
    pub began: Millis,
    /// Until when it fired, as was told.
    pub ended: Option<Millis>,
    /// When it was told of first, by our clock.
    pub first_told: Millis,
    /// When it was told of last, by our clock.
    pub last_told: Millis,
    /// How often it was told of.
    pub times: u64,
    /// To which receiver of its sender it was sent.
    pub receiver: Option<String>,
    /// Where what it is made of is shown: http or https.
    pub generator_url: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// An incident as it stands at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentView {
    /// The incident.
    pub incident: Arc<Incident>,
    /// Until when it was; `None` while it goes on.
    pub until: Option<Millis>,
}

/// Which sagas labels name. A label that is not there names all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatchedSagas<'a> {
    /// Of this type.
    pub saga_type: Option<&'a str>,
    /// Of this order.
    pub order_id: Option<&'a str>,
    /// This one.
    pub saga_id: Option<&'a str>,
    /// In this status.
    pub status: Option<SagaStatus>,
}

impl Incident {
    /// An alert that is told of for the first time.
    pub(super) fn new(alert: &Alert, receiver: Option<&str>, now: Millis) -> Self {
        Self {
            fingerprint: alert.fingerprint.clone(),
            began: alert.began,
            ended: alert.ended,
            first_told: now,
            last_told: now,
            times: 1,
            receiver: receiver.map(str::to_owned),
            generator_url: alert.generator_url.clone(),
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
        }
    }

    /// The same alert, told of again. What is over stays over for a while, for an older message may come behind a newer
    /// one: it counts, but is not what was told last. What fires still goes on again.
    pub(super) fn told_again(&self, alert: &Alert, receiver: Option<&str>, now: Millis) -> Self {
        let times = self.times.saturating_add(1);
        let may_be_older = now.0.saturating_sub(self.last_told.0) <= SENT_AGAIN_MILLIS;
        if self.ended.is_some() && alert.ended.is_none() && may_be_older {
            return Self {
                times,
                ..self.clone()
            };
        }
        Self {
            first_told: self.first_told,
            times,
            ..Self::new(alert, receiver, now)
        }
    }

    /// Bytes of its texts.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.receiver, &self.generator_url].into_iter().flatten();
        let pairs = self.labels.iter().chain(&self.annotations);
        let of_pairs: usize = pairs.map(|(name, text)| name.len() + text.len()).sum();
        self.fingerprint.len() + texts.map(String::len).sum::<usize>() + of_pairs
    }

    /// What other calls name it by.
    pub fn id(&self) -> String {
        format!("{}-{}", self.fingerprint, self.began.0)
    }

    /// The rule that fired.
    pub fn name(&self) -> &str {
        self.label(&["alertname", "rulename"])
            .unwrap_or(&self.fingerprint)
    }

    /// How bad it is, where the rule says.
    pub fn severity(&self) -> Option<&str> {
        self.label(&["severity"])
    }

    /// What to do about it: http or https.
    pub fn runbook_url(&self) -> Option<String> {
        self.annotations
            .get("runbook_url")
            .and_then(|text| web_address(text))
    }

    /// Which sagas its labels name.
    pub fn sagas(&self) -> MatchedSagas<'_> {
        MatchedSagas {
            saga_type: self.label(&TYPE_LABELS),
            order_id: self.label(&ORDER_LABELS),
            saga_id: self.label(&SAGA_LABELS),
            status: self.label(&["status"]).and_then(|name| name.parse().ok()),
        }
    }

    fn label(&self, names: &[&str]) -> Option<&str> {
        let found = names.iter().find_map(|name| self.labels.get(*name))?;
        Some(found.as_str()).filter(|text| !text.is_empty())
    }

    /// Until when it was, seen from an instant. One that nobody tells of any more was over when it was told of last.
    pub(super) fn until(&self, now: Millis, settings: &IncidentSettings) -> Option<Millis> {
        let silent = i64::try_from(settings.silent_hours)
            .unwrap_or(i64::MAX)
            .saturating_mul(HOUR_MILLIS);
        let is_silent = now.0.saturating_sub(self.last_told.0) > silent;
        self.ended.or(is_silent.then_some(self.last_told.max(self.began)))
    }

    /// Whether it was over so long ago that it is no longer kept.
    pub(super) fn is_old(&self, now: Millis, settings: &IncidentSettings) -> bool {
        let days = i64::try_from(settings.kept_days)
            .unwrap_or(i64::MAX)
            .saturating_mul(DAY_MILLIS);
        let until = self.until(now, settings);
        until.is_some_and(|until| now.0.saturating_sub(until.0) > days)
    }

    pub(super) fn record(&self) -> IncidentRecord<'_> {
        IncidentRecord {
            ended: self.ended.map(|at| at.0),
            first_told: self.first_told.0,
            last_told: self.last_told.0,
            times: self.times,
            receiver: self.receiver.as_deref(),
            generator_url: self.generator_url.as_deref(),
            labels: borrowed(&self.labels),
            annotations: borrowed(&self.annotations),
        }
    }

    pub(super) fn of(record: &IncidentRecord<'_>, (began, fingerprint): (Millis, &str)) -> Self {
        Self {
            fingerprint: fingerprint.to_owned(),
            began,
            ended: record.ended.map(Millis),
            first_told: Millis(record.first_told),
            last_told: Millis(record.last_told),
            times: record.times,
            receiver: record.receiver.map(str::to_owned),
            generator_url: record.generator_url.map(str::to_owned),
            labels: owned(&record.labels),
            annotations: owned(&record.annotations),
        }
    }
}

impl MatchedSagas<'_> {
    /// Whether any label names sagas.
    pub fn names_any(&self) -> bool {
        self.saga_type.is_some() || self.order_id.is_some() || self.saga_id.is_some()
    }

    /// Whether the saga of this type, order and id is among them.
    pub fn has(&self, saga_type: &str, order_id: &str, saga_id: &str) -> bool {
        let is = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        is(self.saga_type, saga_type) && is(self.order_id, order_id) && is(self.saga_id, saga_id)
    }
}

fn borrowed(pairs: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    pairs
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect()
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}
