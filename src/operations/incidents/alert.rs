//! What Alertmanager's webhook (version 4) sends, and Grafana's, which has more fields: read, bounded, and refused by
//! the name of the field.

use super::room::{self, Room};
use crate::domain::Millis;
use crate::domain::text::{first, is_longer};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Alerts in one call, at most.
pub const MAX_ALERTS: usize = 1_000;
/// Labels of one alert, and annotations, at most.
const MAX_PAIRS: usize = 64;
/// Characters of a name of a label or annotation, and of a fingerprint.
const MAX_NAME_CHARS: usize = 255;
/// Characters of a value of a label, and of a receiver.
const MAX_VALUE_CHARS: usize = 2_000;
/// Bytes that are kept of a receiver.
const MAX_RECEIVER_BYTES: usize = 1_000;
/// Bytes of an address: no browser and no proxy takes much longer ones.
const MAX_ADDRESS_BYTES: usize = 4_096;
/// Characters that are kept of an annotation: people write it, and no alert is lost for its length.
const MAX_ANNOTATION_CHARS: usize = 4_000;
/// Versions of the webhook: Alertmanager's, and what Grafana calls it.
const VERSIONS: [&str; 2] = ["4", "1"];
/// 2000-01-01: no alert fires since before.
const FIRST_START: i64 = 946_684_800_000;
/// So far the clock of a sender may be ahead of ours.
const MAX_AHEAD_MILLIS: i64 = 5 * 60_000;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertFault {
    /// The field, as in `alerts[0].labels.severity`.
    pub field: String,
    /// What was found.
    pub found: String,
    /// What is accepted.
    pub accepted: String,
}

/// The alerts of one call.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Alerts {
    /// To which receiver of its sender they were sent.
    pub receiver: Option<String>,
    /// The alerts.
    pub alerts: Vec<Alert>,
}

/// An alert as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Names its series: the same for the same labels.
    pub fingerprint: String,
    /// Since when it fires.
    pub began: Millis,
    /// Until when it fired; `None` while it does.
    pub ended: Option<Millis>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Where what it is made of is shown: http or https.
    pub generator_url: Option<String>,
}

impl Alerts {
    /// Reads what was sent, at that time of our clock.
    ///
    /// # Errors
    /// Everything that is not as it must be, up to ten; then none of the alerts counts.
    pub fn read(sent: &Map<String, Value>, now: Millis) -> Result<Self, Vec<AlertFault>> {
        let mut reader = Reader {
            now,
            faults: Vec::new(),
        };
        let version = reader.text(sent, "", "version", MAX_NAME_CHARS);
        if let Some(version) = version.filter(|of| !VERSIONS.contains(&of.as_str())) {
            reader.fault(
                "version",
                &Value::String(version),
                "4 (Alertmanager) or 1 (Grafana)",
            );
        }
        let receiver = reader.optional_text(sent, "", "receiver", MAX_VALUE_CHARS);
        let alerts = reader.alerts(sent.get("alerts"));
        if reader.faults.is_empty() {
            let receiver = receiver.map(|name| room::cut(&name, MAX_RECEIVER_BYTES));
            let alerts = alerts.into_iter();
            let alerts = alerts.map(|alert| alert.within_bounds(receiver.as_deref()));
            Ok(Self {
                alerts: alerts.collect(),
                receiver,
            })
        } else {
            Err(reader.faults)
        }
    }
}

impl Alert {
    /// As much of it as one incident may take: annotations make room for labels.
    fn within_bounds(self, receiver: Option<&str>) -> Self {
        let texts = [
            Some(self.fingerprint.as_str()),
            receiver,
            self.generator_url.as_deref(),
        ];
        let mut room = Room::beside(texts.into_iter().flatten());
        let labels = room.take(self.labels);
        Self {
            annotations: room.take(self.annotations),
            labels,
            ..self
        }
    }
}

/// Faults that are told of one call.
const MAX_FAULTS: usize = 10;

struct Reader {
    now: Millis,
    faults: Vec<AlertFault>,
}

impl Reader {
    fn fault(&mut self, field: &str, found: &Value, accepted: &str) {
        if self.faults.len() >= MAX_FAULTS {
            return;
        }
        let found = match found {
            Value::Null => "nothing".to_owned(),
            Value::Array(list) => format!("a list of {}", list.len()),
            Value::Object(fields) => format!("an object of {} fields", fields.len()),
            other => first(&other.to_string(), 100).to_owned(),
        };
        self.faults.push(AlertFault {
            field: field.to_owned(),
            found,
            accepted: accepted.to_owned(),
        });
    }

    fn alerts(&mut self, sent: Option<&Value>) -> Vec<Alert> {
        match sent {
            Some(Value::Array(list)) if list.len() <= MAX_ALERTS => {
                let numbered = list.iter().enumerate();
                numbered.filter_map(|(at, alert)| self.alert(at, alert)).collect()
            }
            other => {
                let accepted = format!("a list of up to {MAX_ALERTS} alerts; see max_alerts of Alertmanager");
                self.fault("alerts", other.unwrap_or(&Value::Null), &accepted);
                Vec::new()
            }
        }
    }

    fn alert(&mut self, at: usize, sent: &Value) -> Option<Alert> {
        let place = format!("alerts[{at}].");
        let Value::Object(fields) = sent else {
            self.fault(place.trim_end_matches('.'), sent, "an object");
            return None;
        };
        let fingerprint = self.text(fields, &place, "fingerprint", MAX_NAME_CHARS);
        let began = self.start(fields, &place);
        let resolved = self.resolved(fields, &place);
        let labels = self.pairs(fields, &place, "labels");
        let annotations = self.pairs(fields, &place, "annotations");
        let ends_at = self.any_text(fields, &place, "endsAt");
        let generator_url = self.any_text(fields, &place, "generatorURL");
        let (fingerprint, began, resolved) = (fingerprint?, began?, resolved?);
        // Nothing ends later than it is told, nor, where a clock lags behind, before it began.
        let ended = resolved.then(|| ends_at.and_then(end).unwrap_or(self.now).min(self.now).max(began));
        Some(Alert {
            fingerprint,
            began,
            ended,
            labels: labels?,
            annotations: annotations?,
            generator_url: generator_url.and_then(web_address),
        })
    }

    fn start(&mut self, fields: &Map<String, Value>, place: &str) -> Option<Millis> {
        let sent = fields.get("startsAt").unwrap_or(&Value::Null);
        let latest = self.now.0.saturating_add(MAX_AHEAD_MILLIS);
        let began = sent
            .as_str()
            .and_then(instant)
            .filter(|at| (FIRST_START..=latest).contains(&at.0));
        if began.is_none() {
            let accepted = "an instant from 2000 up to 5 minutes from now, as in 2026-01-31T09:30:00Z";
            self.fault(&format!("{place}startsAt"), sent, accepted);
        }
        began
    }

    fn resolved(&mut self, fields: &Map<String, Value>, place: &str) -> Option<bool> {
        let sent = fields.get("status").unwrap_or(&Value::Null);
        match sent.as_str() {
            Some("firing") => Some(false),
            Some("resolved") => Some(true),
            _ => {
                self.fault(&format!("{place}status"), sent, "firing or resolved");
                None
            }
        }
    }

    fn pairs(
        &mut self,
        fields: &Map<String, Value>,
        place: &str,
        name: &str,
    ) -> Option<BTreeMap<String, String>> {
        let field = format!("{place}{name}");
        let sent = match fields.get(name).unwrap_or(&Value::Null) {
            Value::Null => return Some(BTreeMap::new()),
            Value::Object(sent) if sent.len() <= MAX_PAIRS => sent,
            other => {
                self.fault(&field, other, &format!("an object of up to {MAX_PAIRS} texts"));
                return None;
            }
        };
        let (mut pairs, mut faulty) = (BTreeMap::new(), false);
        for (key, value) in sent {
            let text = value.as_str().filter(|_| !is_longer(key, MAX_NAME_CHARS));
            let text = match text {
                Some(text) if name == "annotations" => Some(first(text, MAX_ANNOTATION_CHARS)),
                Some(text) => Some(text).filter(|text| !is_longer(text, MAX_VALUE_CHARS)),
                None => None,
            };
            if let Some(text) = text {
                pairs.insert(key.clone(), text.to_owned());
            } else {
                let accepted = format!(
                    "a name of up to {MAX_NAME_CHARS} and a text of up to {MAX_VALUE_CHARS} characters"
                );
                self.fault(
                    &format!("{field}.{}", first(key, MAX_NAME_CHARS)),
                    value,
                    &accepted,
                );
                faulty = true;
            }
        }
        (!faulty).then_some(pairs)
    }

    fn text(&mut self, fields: &Map<String, Value>, place: &str, name: &str, chars: usize) -> Option<String> {
        let sent = fields.get(name).unwrap_or(&Value::Null);
        let text = sent
            .as_str()
            .filter(|text| !text.is_empty() && !is_longer(text, chars));
        if text.is_none() {
            self.fault(
                &format!("{place}{name}"),
                sent,
                &format!("1 to {chars} characters"),
            );
        }
        text.map(str::to_owned)
    }

    /// A text whatever it says; not having it is no fault.
    fn any_text<'f>(&mut self, fields: &'f Map<String, Value>, place: &str, name: &str) -> Option<&'f str> {
        let sent = fields.get(name).filter(|sent| !sent.is_null())?;
        if sent.as_str().is_none() {
            self.fault(&format!("{place}{name}"), sent, "a text");
        }
        sent.as_str()
    }

    fn optional_text(
        &mut self,
        fields: &Map<String, Value>,
        place: &str,
        name: &str,
        chars: usize,
    ) -> Option<String> {
        match fields.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(_) => self.text(fields, place, name, chars),
        }
    }
}

/// When it ended. While an alert fires, that is the year 1, or when its sender would forget it.
fn end(sent: &str) -> Option<Millis> {
    instant(sent).filter(|ended| ended.0 >= FIRST_START)
}

fn instant(sent: &str) -> Option<Millis> {
    let at: Timestamp = sent.parse().ok()?;
    Some(Millis(at.as_millisecond()))
}

/// An address that a page may link to; nothing of any other text.
pub(super) fn web_address(text: &str) -> Option<String> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    let is_plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    (is_web && is_plain && room::written(text) <= MAX_ADDRESS_BYTES).then(|| text.to_owned())
}
