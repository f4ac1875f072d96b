//! The rules once more, read off the events one by one: nothing is counted, and nothing of roles or tallies is
//! used. What depends on statuses, and on what is odd about them, whoever asks has to know.

use crate::domain::{Event, SagaDefinition};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Model<'m> {
    pub(crate) definition: &'m SagaDefinition,
    pub(crate) timeline: &'m [Event],
    /// The saga's status after each event.
    pub(crate) statuses: Vec<String>,
    /// The anomalies that are kept: kind and time.
    pub(crate) anomalies: Vec<(String, i64)>,
}

fn fits(name: &str, step: &str) -> bool {
    match name.split_once('*') {
        Some((beginning, _)) => step.starts_with(beginning),
        None => name == step,
    }
}

impl Model<'_> {
    fn status(&self) -> &str {
        self.statuses.last().map_or("", String::as_str)
    }

    /// The events at which the status changed to another one.
    fn changes(&self) -> impl DoubleEndedIterator<Item = usize> {
        let changed = move |event: &usize| *event == 0 || self.statuses[event - 1] != self.statuses[*event];
        (0..self.timeline.len()).filter(changed)
    }

    /// How many events came before each that made the saga FAILED.
    fn failures(&self) -> Vec<usize> {
        self.changes()
            .filter(|event| self.statuses[*event] == "FAILED")
            .collect()
    }

    /// How many events came before the one that made the saga FAILED last.
    fn before_failure(&self) -> usize {
        self.failures().pop().unwrap_or(0)
    }

    /// Since when it has its status.
    fn since(&self) -> i64 {
        self.changes().next_back().map_or(0, |event| self.at(event))
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
        steps[..self.before_failure()]
            .iter()
            .any(|(step, status)| self.does(step, target) && ["IN_PROGRESS", "COMPLETED"].contains(status))
    }

    fn is_undone(&self, target: &str) -> bool {
        self.steps().iter().any(|(step, status)| {
            self.undoes(step, target) || self.does(step, target) && *status == "COMPENSATED"
        })
    }

    pub(crate) fn compensation(&self) -> (&'static str, Vec<String>) {
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
        match (self.status(), done.is_empty(), owed.is_empty()) {
            ("FAILED", true, _) => ("NOTHING_TO_COMPENSATE", owed),
            ("FAILED", _, false) => ("OWED", owed),
            ("COMPENSATED", _, false) => ("PARTLY_COMPENSATED", owed),
            ("FAILED" | "COMPENSATED", ..) => ("COMPENSATED", owed),
            _ => ("NOT_NEEDED", Vec::new()),
        }
    }

    pub(crate) fn stuck(&self, now: i64) -> Option<(i64, &'static str)> {
        let (from, seconds, rule) = match self.status() {
            "STARTED" | "IN_PROGRESS" => (
                self.timeline[0].recorded_at.0,
                self.definition.deadline_seconds,
                "PAST_DEADLINE",
            ),
            "FAILED" if self.compensation().0 == "OWED" => (
                self.since(),
                self.definition.compensation_seconds,
                "COMPENSATION_OVERDUE",
            ),
            _ => return None,
        };
        let since = from + i64::try_from(seconds).unwrap() * 1_000;
        (now >= since).then_some((since, rule))
    }

    /// Each rule that is not kept, as often as it is not, with the time of it.
    pub(crate) fn rules(&self) -> Vec<(&'static str, i64)> {
        let mut found = Vec::new();
        let mut add = |rule: &'static str, times: Vec<i64>| {
            found.extend(times.into_iter().map(|at| (rule, at)));
        };
        let owed = self.compensation().0 == "OWED";
        let failed = owed.then(|| self.at(self.before_failure()));
        add("NEVER_COMPENSATED", failed.into_iter().collect());
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
        let strange = self.steps().iter().rposition(|(step, _)| self.is_strange(step));
        add(
            "UNKNOWN_STEP",
            strange.map(|last| self.at(last)).into_iter().collect(),
        );
        add("MISSING_STEP", self.missing());
        found
    }

    /// How often a compensating step reported FAILED.
    pub(crate) fn failed_compensations(&self) -> usize {
        let steps = self.steps();
        let failed = steps
            .iter()
            .filter(|(step, status)| self.fails_to_undo(step, status));
        failed.count()
    }

    /// The time of an event of the timeline.
    fn at(&self, event: usize) -> i64 {
        self.timeline[event].recorded_at.0
    }

    fn fails_to_undo(&self, step: &str, status: &str) -> bool {
        status == "FAILED" && !self.is_meant_to_fail(step) && self.undo(step).is_some()
    }

    fn anomalies(&self, kinds: &[&str]) -> Vec<i64> {
        let odd = self.anomalies.iter();
        odd.filter(|(kind, _)| kinds.contains(&kind.as_str()))
            .map(|(_, at)| *at)
            .collect()
    }

    fn is_meant_to_fail(&self, step: &str) -> bool {
        self.definition.failing_steps.iter().any(|name| fits(name, step))
    }

    fn compensations_failed(&self) -> Vec<i64> {
        let mut last = BTreeMap::new();
        for (number, (step, status)) in self.steps().iter().enumerate() {
            if self.fails_to_undo(step, status) {
                last.insert(self.undo(step), self.at(number));
            }
        }
        last.into_values().collect()
    }

    fn compensated_twice(&self) -> Vec<i64> {
        let steps = self.steps();
        let mut twice = Vec::new();
        for entry in self.definition.compensates.keys() {
            for status in ["IN_PROGRESS", "COMPLETED", "COMPENSATED"] {
                let fits = |place: &usize| {
                    let (step, said) = &steps[*place];
                    *said == status && self.undo(step) == Some(entry)
                };
                let places: Vec<usize> = (0..steps.len()).filter(fits).collect();
                if places.len() > 1 && places.len() > self.failures().len() {
                    twice.push(self.at(places[places.len() - 1]));
                }
            }
        }
        twice
    }

    fn came(&self, name: &str) -> Option<usize> {
        self.steps()
            .iter()
            .position(|(step, status)| fits(name, step) && *status != "FAILED" && !step.is_empty())
    }

    fn out_of_order(&self) -> Vec<i64> {
        let pairs = self.definition.order.0.iter();
        let broken = pairs.filter_map(|(before, after)| {
            let after = self.came(after)?;
            let kept = self.came(before).is_some_and(|before| before <= after);
            (!kept).then(|| self.at(after))
        });
        broken.collect()
    }

    fn success_after_compensation(&self) -> Vec<i64> {
        let told = self.anomalies(&["COMPLETED_AFTER_COMPENSATED"]);
        if !told.is_empty() {
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
        let completed = completed.filter(|_| self.targets().iter().any(after));
        completed
            .map(|completed| self.at(completed))
            .into_iter()
            .collect()
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

    fn missing(&self) -> Vec<i64> {
        let missing = self
            .definition
            .expected_steps
            .iter()
            .filter(|step| self.came(step).is_none());
        if self.status() == "COMPLETED" {
            missing.map(|_| self.since()).collect()
        } else {
            Vec::new()
        }
    }
}
