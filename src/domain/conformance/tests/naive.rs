//! The rules once more, read off the events one by one: nothing is counted, and nothing of roles or tallies is
//! used. Of the state only what does not depend on them.

use super::super::super::*;
use std::collections::BTreeSet;

pub(super) struct Model<'m> {
    definition: &'m SagaDefinition,
    timeline: &'m [Event],
    state: &'m SagaState,
    /// How many events came before the one that made the saga FAILED last.
    before_failure: usize,
}

fn fits(name: &str, step: &str) -> bool {
    match name.split_once('*') {
        Some((beginning, _)) => step.starts_with(beginning),
        None => name == step,
    }
}

impl<'m> Model<'m> {
    pub(super) fn new(definitions: &'m SagaDefinitions, timeline: &'m [Event], state: &'m SagaState) -> Self {
        let status = |events: usize| fold(&timeline[..events], definitions).map(|state| state.status);
        let statuses: Vec<Option<SagaStatus>> = (0..=timeline.len()).map(status).collect();
        let failed = Some(SagaStatus::Failed);
        let entered = |events: &usize| statuses[*events] != failed && statuses[events + 1] == failed;
        Self {
            definition: &definitions.types["ORDER_CREATION"],
            timeline,
            state,
            before_failure: (0..timeline.len()).rfind(entered).unwrap_or(0),
        }
    }

    /// The steps that count, in order, under the names that the definition has for them; blank for operators.
    fn steps(&self) -> Vec<(String, &str)> {
        let name = |event: &Event| {
            let step = event.step.as_str();
            if step == "OPERATOR_STATUS_CHANGE" {
                return String::new();
            }
            self.definition
                .aliases
                .get(step)
                .cloned()
                .unwrap_or(step.to_owned())
        };
        self.timeline
            .iter()
            .map(|event| (name(event), event.status.as_str()))
            .collect()
    }

    /// The entry of `compensates` that a step falls under: by its name, else by the pattern that says most.
    fn undo(&self, step: &str) -> Option<&str> {
        let entries = self
            .definition
            .compensates
            .keys()
            .filter(|entry| fits(entry, step));
        entries
            .max_by_key(|entry| if *entry == step { usize::MAX } else { entry.len() })
            .map(String::as_str)
    }

    fn undoes(&self, step: &str, target: &str) -> bool {
        self.undo(step)
            .is_some_and(|entry| self.definition.compensates[entry].0.contains(target))
    }

    fn does(&self, step: &str, target: &str) -> bool {
        fits(target, step) && self.undo(step).is_none()
    }

    fn targets(&self) -> BTreeSet<String> {
        self.definition
            .compensates
            .values()
            .flat_map(|done| done.0.clone())
            .collect()
    }

    fn done_before_failure(&self, target: &str) -> bool {
        let steps = self.steps();
        steps[..self.before_failure]
            .iter()
            .any(|(step, status)| self.does(step, target) && ["IN_PROGRESS", "COMPLETED"].contains(status))
    }

    fn is_undone(&self, target: &str) -> bool {
        self.steps().iter().any(|(step, status)| {
            self.undoes(step, target) || self.does(step, target) && *status == "COMPENSATED"
        })
    }

    pub(super) fn compensation(&self) -> (&'static str, Vec<String>) {
        let done: Vec<String> = self
            .targets()
            .into_iter()
            .filter(|target| self.done_before_failure(target))
            .collect();
        let owed: Vec<String> = done
            .iter()
            .filter(|target| !self.is_undone(target))
            .cloned()
            .collect();
        match (self.state.status.as_str(), done.is_empty(), owed.is_empty()) {
            ("FAILED", true, _) => ("NOTHING_TO_COMPENSATE", owed),
            ("FAILED", _, false) => ("OWED", owed),
            ("COMPENSATED", _, false) => ("PARTLY_COMPENSATED", owed),
            ("FAILED" | "COMPENSATED", ..) => ("COMPENSATED", owed),
            _ => ("NOT_NEEDED", Vec::new()),
        }
    }

    pub(super) fn stuck(&self, now: i64) -> Option<(i64, &'static str)> {
        let (from, seconds, rule) = match self.state.status.as_str() {
            "STARTED" | "IN_PROGRESS" => (
                self.timeline[0].recorded_at.0,
                self.definition.deadline_seconds,
                "PAST_DEADLINE",
            ),
            "FAILED" if self.compensation().0 == "OWED" => {
                let failed = &self.timeline[self.before_failure];
                (
                    failed.recorded_at.0,
                    self.definition.compensation_seconds,
                    "COMPENSATION_OVERDUE",
                )
            }
            _ => return None,
        };
        let since = from + i64::try_from(seconds).unwrap() * 1_000;
        (now >= since).then_some((since, rule))
    }

    pub(super) fn rules(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        let mut add = |rule: &'static str, times: usize| found.extend(std::iter::repeat_n(rule, times));
        add("NEVER_COMPENSATED", usize::from(self.compensation().0 == "OWED"));
        add("COMPENSATION_FAILED", self.compensations_failed());
        add("COMPENSATED_TWICE", self.compensated_twice());
        add("OUT_OF_ORDER", self.out_of_order());
        add("SUCCESS_AFTER_COMPENSATION", self.success_after_compensation());
        let ended = [
            "STARTED_AFTER_COMPLETED",
            "PROGRESS_AFTER_COMPLETED",
            "FAILED_AFTER_COMPLETED",
            "STARTED_AFTER_COMPENSATED",
            "FAILED_AFTER_COMPENSATED",
        ];
        add("ACTIVITY_AFTER_END", self.anomalies(&ended));
        let strange = self.steps().iter().any(|(step, _)| self.is_strange(step));
        add("UNKNOWN_STEP", usize::from(strange));
        add("MISSING_STEP", self.missing());
        found
    }

    fn anomalies(&self, kinds: &[&str]) -> usize {
        let kept = self.state.anomalies.kept.iter();
        kept.filter(|anomaly| kinds.contains(&anomaly.kind.as_str()))
            .count()
    }

    fn is_meant_to_fail(&self, step: &str) -> bool {
        self.definition.failing_steps.iter().any(|name| fits(name, step))
    }

    fn compensations_failed(&self) -> usize {
        let steps = self.steps();
        let failed = steps
            .iter()
            .filter(|(step, status)| *status == "FAILED" && !self.is_meant_to_fail(step));
        let entries: BTreeSet<&str> = failed.filter_map(|(step, _)| self.undo(step)).collect();
        entries.len()
    }

    fn compensated_twice(&self) -> usize {
        let steps = self.steps();
        let mut twice = 0;
        for entry in self.definition.compensates.keys() {
            for status in ["IN_PROGRESS", "COMPLETED", "COMPENSATED"] {
                let times = steps
                    .iter()
                    .filter(|(step, said)| *said == status && self.undo(step) == Some(entry))
                    .count();
                twice += usize::from(times > 1 && times > self.state.failures as usize);
            }
        }
        twice
    }

    fn came(&self, name: &str) -> Option<usize> {
        self.steps()
            .iter()
            .position(|(step, status)| fits(name, step) && *status != "FAILED" && !step.is_empty())
    }

    fn out_of_order(&self) -> usize {
        let pairs = self.definition.order.0.iter();
        pairs
            .filter(|(before, after)| match (self.came(before), self.came(after)) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(before), Some(after)) => before > after,
            })
            .count()
    }

    fn success_after_compensation(&self) -> usize {
        let told = self.anomalies(&["COMPLETED_AFTER_COMPENSATED"]);
        if told > 0 {
            return told;
        }
        let steps = self.steps();
        let last =
            |which: &dyn Fn(&str, &str) -> bool| steps.iter().rposition(|(step, status)| which(step, status));
        let completing = |step: &str| {
            self.definition
                .completing_steps
                .iter()
                .any(|name| fits(name, step))
        };
        let completed = last(&|step, status| completing(step) && status == "COMPLETED");
        let after = |target: &String| {
            let undone = last(&|step, status| {
                self.undoes(step, target)
                    && (["IN_PROGRESS", "COMPLETED", "COMPENSATED"].contains(&status)
                        || status == "FAILED" && self.is_meant_to_fail(step))
            });
            let done = last(&|step, status| {
                self.does(step, target) && ["IN_PROGRESS", "COMPLETED"].contains(&status)
            });
            undone.is_some() && done < undone && undone < completed
        };
        usize::from(self.targets().iter().any(after))
    }

    fn is_strange(&self, step: &str) -> bool {
        let definition = self.definition;
        let Some(known) = &definition.known_steps else {
            return false;
        };
        let pairs = definition.order.0.iter();
        let targets = self.targets();
        let mut names = known
            .iter()
            .chain(&definition.completing_steps)
            .chain(&definition.failing_steps)
            .chain(&definition.expected_steps)
            .chain(definition.compensates.keys())
            .chain(&targets)
            .chain(pairs.flat_map(|(before, after)| [before, after]));
        !step.is_empty() && !names.any(|name| fits(name, step))
    }

    fn missing(&self) -> usize {
        let missing = self
            .definition
            .expected_steps
            .iter()
            .filter(|step| self.came(step).is_none());
        if self.state.status == SagaStatus::Completed {
            missing.count()
        } else {
            0
        }
    }
}
