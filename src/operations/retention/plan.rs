//! What would be purged if retention ran now, by rule. Nothing is decided here.

use super::RetentionError;
use super::claim::{Claim, Deliveries};
use super::holds::Holds;
use super::rules::Rules;
use super::sweep::{Due, each_due};
use super::waiting::Readable;
use crate::domain::{Millis, SagaStatus};
use crate::pipeline::ingest::late_schemas::AskedFor;
use crate::pipeline::query::Query;
use crate::store::reads;
use std::ops::ControlFlow;

/// What would be purged if retention ran now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// By type, status and rule.
    pub lines: Vec<PlanLine>,
    /// Whether there was more than could be looked at.
    pub truncated: bool,
}

/// What one rule would remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanLine {
    /// The type of the sagas.
    pub saga_type: String,
    /// Their status.
    pub status: SagaStatus,
    /// The rule, in words.
    pub rule: String,
    /// Last event at or before.
    pub cutoff: Millis,
    /// Sagas that would be purged.
    pub sagas: u64,
    /// Their deliveries.
    pub events: u64,
    /// Sagas that are due and stay, because of a hold.
    pub held: u64,
    /// Sagas that are due and stay, because something arrived or came back lately.
    pub recently_active: u64,
    /// The oldest last event among those that would be purged.
    pub oldest: Option<Millis>,
    /// Some of those that would be purged, oldest first.
    pub examples: Vec<String>,
}

/// Sagas that a plan looks at, at most.
const MAX_SAGAS: u64 = 100_000;
/// Examples of each line.
const MAX_EXAMPLES: usize = 10;

/// What would be purged if retention ran now.
///
/// # Errors
/// [`RetentionError`].
pub fn plan(query: &Query, rules: &Rules, now: Millis, asked_for: &AskedFor) -> Result<Plan, RetentionError> {
    let asked = asked_for.within();
    let snapshot = query.store().snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let cut = reads::cursor(&*snapshot, generation)?;
    let holds = Holds::read(&*snapshot)?;
    let seen = Readable::within(&*snapshot, &cut, &asked)?.seen;
    let cut = cut.into();
    let mut plan = Plan::default();
    let Some(now) = Claim::new(0, 0, &seen, now).latest() else {
        return Ok(plan);
    };
    let (mut looked, mut failed) = (0, None);
    each_due(query, rules, now, |due| {
        looked += 1;
        if looked > MAX_SAGAS {
            plan.truncated = true;
            return ControlFlow::Break(());
        }
        match Deliveries::read(&*snapshot, &due.saga.saga_id, &cut) {
            Ok(deliveries) => {
                let claim = Claim::new(due.rule.days, rules.quiet_hours(), &seen, now);
                line_of(&mut plan, &due, now).add(&due, deliveries.as_ref(), &holds, &claim);
            }
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(plan), |error| Err(error.into()))
}

fn line_of<'p>(plan: &'p mut Plan, due: &Due, now: Millis) -> &'p mut PlanLine {
    let (saga_type, status) = (due.saga.state.saga_type.as_str(), due.saga.state.status);
    let known = plan
        .lines
        .iter()
        .position(|line| line.saga_type == saga_type && line.status == status);
    let index = known.unwrap_or_else(|| {
        plan.lines.push(PlanLine {
            saga_type: saga_type.to_owned(),
            status,
            rule: due.rule.to_string(),
            cutoff: due.rule.cutoff(now),
            sagas: 0,
            events: 0,
            held: 0,
            recently_active: 0,
            oldest: None,
            examples: Vec::new(),
        });
        plan.lines.len() - 1
    });
    &mut plan.lines[index]
}

impl PlanLine {
    fn add(&mut self, due: &Due, deliveries: Option<&Deliveries>, holds: &Holds, claim: &Claim) {
        if holds
            .keeping(u64::MAX, &due.saga.saga_id, &due.saga.state)
            .is_some()
        {
            self.held += 1;
        } else if !deliveries.is_some_and(|all| claim.is_due(all, None)) {
            self.recently_active += 1;
        } else {
            self.sagas += 1;
            self.events += deliveries.map_or(0, Deliveries::count);
            self.oldest.get_or_insert(due.saga.state.updated_at);
            if self.examples.len() < MAX_EXAMPLES {
                self.examples.push(due.saga.saga_id.as_str().to_owned());
            }
        }
    }
}
