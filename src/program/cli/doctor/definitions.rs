//! The saga definitions beside the steps in use: what no definition names is either new or misspelt.

use super::Check;
use crate::pipeline::query::{UnnamedSteps, unnamed_steps};
use crate::program::config::Config;
use crate::store::rocks::RocksStore;

const CHECK: &str = "definitions";
/// Steps that are named at most.
const NAMED: usize = 10;

/// Compares the definitions with the store, where there is one.
pub(super) fn check(config: &Config) -> Vec<Check> {
    // What is wrong with the definitions or the store is told by the checks before.
    let (Ok(definitions), Ok(true)) = (
        config.definitions(),
        RocksStore::inspect(&config.store.data_dir, &config.store),
    ) else {
        return Vec::new();
    };
    let found =
        RocksStore::open_copy(&config.store.data_dir).and_then(|store| unnamed_steps(&*store, &definitions));
    match found {
        Ok(unnamed) => vec![judge(&unnamed)],
        // Files come and go under a running tracker.
        Err(error) => vec![Check::warn(
            CHECK,
            error.to_string(),
            "ask again, or `saga-tracker definitions show`",
        )],
    }
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
