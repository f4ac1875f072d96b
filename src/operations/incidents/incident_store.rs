//! All incidents that are kept: in the store, and in memory, where they are found.

use super::alert::Alerts;
use super::incident::{Incident, IncidentView};
use super::settings::IncidentSettings;
use super::token::{Token, TokenError};
use crate::domain::Millis;
use crate::store::codec::Record;
use crate::store::records::IncidentRecord;
use crate::store::{Batch, Durability, Key, Scan, SharedStore, StoreError, Table, keys};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow::Continue;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Bytes of the texts of all incidents that are kept, at most.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// When an alert began, and its fingerprint.
type Place = (Millis, String);
type Kept = BTreeMap<Place, Arc<Incident>>;

/// The incidents of this replica. Cheap to clone.
#[derive(Clone)]
pub struct Incidents {
    inner: Arc<Inner>,
}

struct Inner {
    store: SharedStore,
    settings: IncidentSettings,
    token: Option<Token>,
    /// Held while something is taken.
    taking: Mutex<()>,
    /// What readers see: replaced as a whole, once it is stored.
    kept: RwLock<Arc<Kept>>,
}

/// What taking alerts came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Alerts that were told of for the first time.
    pub new: usize,
    /// Alerts that were known.
    pub known: usize,
    /// Alerts that are over by what was told now.
    pub ended: usize,
}

/// Which incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// Those that go on, or those that are over.
    pub active: Option<bool>,
    /// The one of that id.
    pub id: Option<String>,
    /// Those that went on then or later.
    pub from: Option<Millis>,
    /// Those that had begun by then.
    pub to: Option<Millis>,
}

impl Incidents {
    /// Those of a store.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn open(
        store: SharedStore,
        settings: IncidentSettings,
        token: Option<Token>,
    ) -> Result<Self, StoreError> {
        let mut kept = Kept::new();
        let mut key = Key::default();
        keys::incidents(&mut key);
        Scan::of(Table::Incidents, key.partition()).each(&*store, |sort, value| {
            let (began, fingerprint) = keys::parse_incident(sort)?;
            let incident = Incident::of(&IncidentRecord::read(value)?, (began, fingerprint));
            kept.insert((began, fingerprint.to_owned()), Arc::new(incident));
            Ok(Continue(()))
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                settings,
                token,
                taking: Mutex::default(),
                kept: RwLock::new(Arc::new(kept)),
            }),
        })
    }

    /// Whether whoever shows this token, or none, may send alerts. Reads a file.
    ///
    /// # Errors
    /// [`TokenError`] when it is not known which token is right.
    pub fn trusts(&self, given: Option<&str>) -> Result<bool, TokenError> {
        match (&self.inner.token, given) {
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
            (Some(token), Some(given)) => token.is(given),
        }
    }

    /// Takes alerts, all of them or none. The same told again changes nothing but how often it was told. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be stored; then nothing has changed.
    pub fn take(&self, sent: &Alerts, now: Millis) -> Result<Taken, StoreError> {
        let _taking = self.inner.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.kept();
        let (mut kept, mut taken) = (Kept::clone(&before), Taken::default());
        let mut told = BTreeSet::new();
        for alert in &sent.alerts {
            let place = (alert.began, alert.fingerprint.clone());
            let receiver = sent.receiver.as_deref();
            let known = kept.get(&place);
            let was_over = known.is_some_and(|known| known.ended.is_some());
            let incident = match known {
                Some(known) => known.told_again(alert, receiver, now),
                None => Incident::new(alert, receiver, now),
            };
            taken.new += usize::from(known.is_none());
            taken.known += usize::from(known.is_some());
            taken.ended += usize::from(!was_over && incident.ended.is_some());
            told.insert(place.clone());
            kept.insert(place, Arc::new(incident));
        }
        self.let_go(&mut kept, &told, now);
        let batch = difference(&before, &kept);
        if !batch.is_empty() {
            self.inner.store.write(&batch, Durability::Power)?;
        }
        *self.inner.kept.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(kept);
        Ok(taken)
    }

    /// What is old goes, then what is too much: what is over before what goes on, what was told of longest ago first.
    /// What is told now goes last of all.
    fn let_go(&self, kept: &mut Kept, told: &BTreeSet<Place>, now: Millis) {
        let settings = &self.inner.settings;
        kept.retain(|_, incident| !incident.is_old(now, settings));
        let mut bytes: usize = kept.values().map(|incident| incident.bytes()).sum();
        if kept.len() <= settings.kept && bytes <= MAX_KEPT_BYTES {
            return;
        }
        let mut in_order: Vec<_> = kept
            .iter()
            .map(|(place, incident)| {
                let goes_on = incident.until(now, settings).is_none();
                (told.contains(place), goes_on, incident.last_told, place.clone())
            })
            .collect();
        in_order.sort();
        for (.., place) in in_order {
            if kept.len() <= settings.kept && bytes <= MAX_KEPT_BYTES {
                return;
            }
            bytes -= kept.remove(&place).map_or(0, |incident| incident.bytes());
        }
    }

    /// The incidents that are asked for, newest first: a page of them, and how many there are.
    pub fn page(
        &self,
        asked: &IncidentFilter,
        (page, size): (u64, usize),
        now: Millis,
    ) -> (Vec<IncidentView>, u64) {
        let found: Vec<IncidentView> = self.told(now).filter(|told| asked.wants(told)).collect();
        let total = found.len() as u64;
        let skip = usize::try_from(page.saturating_mul(size as u64)).unwrap_or(usize::MAX);
        (found.into_iter().skip(skip).take(size).collect(), total)
    }

    /// Those that go on, newest first.
    pub fn open_at(&self, now: Millis) -> Vec<IncidentView> {
        self.told(now).filter(|told| told.until.is_none()).collect()
    }

    /// Those whose labels name that saga, of this type and order, and that went on at any time between two instants:
    /// at most so many, newest first.
    pub fn beside(
        &self,
        (saga_type, order_id, saga_id): (&str, &str, &str),
        (first, last): (Millis, Millis),
        (now, limit): (Millis, usize),
    ) -> Vec<IncidentView> {
        let time = IncidentFilter {
            from: Some(first),
            to: Some(last),
            ..IncidentFilter::default()
        };
        let found = self.told(now).filter(|told| time.wants(told));
        let named = found.filter(|told| told.incident.sagas().has(saga_type, order_id, saga_id));
        named.take(limit).collect()
    }

    fn told(&self, now: Millis) -> impl Iterator<Item = IncidentView> {
        let (kept, settings) = (self.kept(), self.inner.settings.clone());
        let all: Vec<_> = kept.values().rev().cloned().collect();
        let there = all.into_iter().filter(move |it| !it.is_old(now, &settings));
        let settings = self.inner.settings.clone();
        there.map(move |incident| IncidentView {
            until: incident.until(now, &settings),
            incident,
        })
    }

    fn kept(&self) -> Arc<Kept> {
        self.inner
            .kept
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl IncidentFilter {
    fn wants(&self, told: &IncidentView) -> bool {
        self.active.is_none_or(|active| active == told.until.is_none())
            && self.id.as_ref().is_none_or(|id| *id == told.incident.id())
            && self.to.is_none_or(|to| told.incident.began <= to)
            && self
                .from
                .is_none_or(|from| told.until.is_none_or(|until| until >= from))
    }
}

/// What makes the rows of the one those of the other.
fn difference(before: &Kept, after: &Kept) -> Batch {
    let (mut batch, mut key) = (Batch::new(), Key::default());
    for (began, fingerprint) in before.keys().filter(|place| !after.contains_key(*place)) {
        keys::incident(&mut key, *began, fingerprint);
        batch.delete(Table::Incidents, &key);
    }
    for (place, incident) in after {
        if before.get(place) != Some(incident) {
            keys::incident(&mut key, place.0, &place.1);
            batch.put_with(Table::Incidents, &key, |bytes| incident.record().write(bytes));
        }
    }
    batch
}
