//! The saga definitions in force beside the file that is configured, and beside the steps in use: what no definition
//! names is either new or misspelt.

use super::Check;
use crate::domain::UnreadableVersion;
use crate::operations::definitions::{Configured, Version, in_force, versions_before};
use crate::pipeline::query::{UnnamedSteps, unnamed_steps};
use crate::program::config::Config;
use crate::store::StoreError;
use crate::store::rocks::RocksStore;
use std::sync::Arc;

const CHECK: &str = "definitions";
/// Steps that are named at most.
const NAMED: usize = 10;

/// Compares the definitions with the store, where there is one.
pub(super) fn check(config: &Config) -> Vec<Check> {
    // What is wrong with the definitions or the store is told by the checks before.
    let (Ok(configured), Ok(true)) = (
        config.definitions(),
        RocksStore::inspect(&config.store.data_dir, &config.store),
    ) else {
        return Vec::new();
    };
    let configured = Configured {
        definitions: Arc::new(configured),
        by_file: config.definitions_file.is_some(),
    };
    let look = || {
        let store = RocksStore::open_copy(&config.store.data_dir)?;
        let last = versions_before(&*store, None, 1)?.pop();
        let in_force = in_force(&*store, &configured)?;
        let unnamed = unnamed_steps(&*store, &in_force.definitions)?;
        Ok::<_, StoreError>((last, in_force.unreadable, unnamed))
    };
    match look() {
        Ok((last, unreadable, unnamed)) => {
            let unreadable = unreadable.map(|unreadable| cannot_read(&unreadable));
            let beside = last.and_then(|last| beside_the_file(&last, &configured));
            let found = unreadable.into_iter().chain(beside);
            found.chain([judge(&unnamed)]).collect()
        }
        // Files come and go under a running tracker.
        Err(error) => vec![Check::warn(
            CHECK,
            error.to_string(),
            "ask again, or `saga-tracker definitions show`",
        )],
    }
}

/// What to do about a version that was applied and that this program cannot read.
fn cannot_read(unreadable: &UnreadableVersion) -> Check {
    Check::fail(
        CHECK,
        format!(
            "version {} was applied and cannot be read: {}",
            unreadable.version, unreadable.why
        ),
        "upgrade to the version that the other trackers run before other definitions are applied",
    )
}

/// What to do about a file that is not used, because something else was decided.
fn beside_the_file(last: &Version, configured: &Configured) -> Option<Check> {
    configured.is_other_file_than(last).then(|| {
        Check::warn(
            CHECK,
            format!(
                "version {} is in force, applied by {} at {}; the file of definitions_file says something else and is \
                 not used",
                last.number, last.by, last.at
            ),
            format!(
                "`saga-tracker definitions apply FILE` brings the file into force; `saga-tracker definitions show \
                 --file {} > FILE` makes it say the same",
                last.number
            ),
        )
    })
}

fn judge(unnamed: &UnnamedSteps) -> Check {
    if unnamed.steps.is_empty() {
        return Check::ok(CHECK, "every step in use is named");
    }
    let named = unnamed.steps.iter().take(NAMED);
    let mut named: Vec<String> = named
        .map(|(step, events)| format!("{step} ({events} events)"))
        .collect();
    let more = unnamed.steps.len().saturating_sub(NAMED);
    if more > 0 || unnamed.other_events > 0 {
        named.push("others".to_owned());
    }
    Check::warn(
        CHECK,
        format!("steps that no definition names: {}", named.join(", ")),
        "name them in the definitions file (known_steps), or mend the service that misspells them",
    )
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::domain::{Millis, SagaDefinitions};

    #[test]
    fn a_file_that_is_not_used_is_told_and_one_that_says_the_same_is_not() {
        let definitions = Arc::<SagaDefinitions>::default();
        let last = Version {
            number: 3,
            decision: 9,
            at: Millis(0),
            by: "kim".to_owned(),
            reason: "ticket 8".to_owned(),
            hash: definitions.hash(),
        };
        let same = Configured {
            definitions,
            by_file: true,
        };
        assert!(beside_the_file(&last, &same).is_none());
        let mut other = SagaDefinitions::default();
        other.types.clear();
        let other = |by_file| Configured {
            definitions: Arc::new(other.clone()),
            by_file,
        };
        assert!(
            beside_the_file(&last, &other(false)).is_none(),
            "nobody configured it"
        );
        let told = beside_the_file(&last, &other(true)).unwrap();
        assert_eq!(told.verdict, Verdict::Warn);
        assert!(
            told.found.contains("version 3 is in force, applied by kim"),
            "{}",
            told.found
        );
    }

    #[test]
    fn steps_without_a_name_are_told_with_their_events_and_not_without_end() {
        assert_eq!(judge(&UnnamedSteps::default()).verdict, Verdict::Ok);
        let steps = (0..30u64).map(|number| (format!("S{number}"), 30 - number));
        let many = judge(&UnnamedSteps {
            steps: steps.collect(),
            other_events: 0,
        });
        assert_eq!(many.verdict, Verdict::Warn);
        assert!(
            many.found.contains("S0 (30 events)") && many.found.ends_with("S9 (21 events), others"),
            "{}",
            many.found
        );
    }
}
