//! Rows of the table, and where it is kept.

use crate::machine;
use std::fmt::Write as _;
use std::path::Path;

/// What was found, in order.
#[derive(Default)]
pub(crate) struct Report {
    ratios: Vec<String>,
    figures: Vec<String>,
}

impl Report {
    /// A ratio that should not be lower.
    pub(crate) fn at_least(&mut self, name: &str, ratio: f64, target: f64, detail: impl Into<String>) {
        self.ratio(
            name,
            ratio,
            &format!("≥ {target}"),
            ratio >= target,
            &detail.into(),
        );
    }

    /// A ratio that should not be higher.
    pub(crate) fn at_most(&mut self, name: &str, ratio: f64, target: f64, detail: impl Into<String>) {
        self.ratio(
            name,
            ratio,
            &format!("≤ {target}"),
            ratio <= target,
            &detail.into(),
        );
    }

    fn ratio(&mut self, name: &str, ratio: f64, target: &str, reached: bool, detail: &str) {
        let mark = if reached { "yes" } else { "**no**" };
        eprintln!("{name}: {ratio:.2} ({target}, {detail})");
        self.ratios
            .push(format!("| {name} | {ratio:.2} | {target} | {mark} | {detail} |"));
    }

    /// A figure that no target is set for, or one in words.
    pub(crate) fn figure(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        eprintln!("{name}: {value}");
        self.figures.push(format!("| {name} | {value} |"));
    }

    /// Puts the table into its section of `benches/RESULTS.md`; the other sections stay.
    pub(crate) fn keep(&self, section: &str, command: &str) -> anyhow::Result<()> {
        let mut text = format!("## {section}\n\n");
        let day = machine::said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]);
        let commit = machine::said("git", &["describe", "--always", "--dirty"]);
        writeln!(
            text,
            "`{command}`, {day}, commit {commit}, {}.\n",
            machine::describe()
        )?;
        if !self.ratios.is_empty() {
            writeln!(
                text,
                "| ratio | measured | target | reached | of |\n|---|---|---|---|---|"
            )?;
            writeln!(text, "{}\n", self.ratios.join("\n"))?;
        }
        if !self.figures.is_empty() {
            writeln!(
                text,
                "| figure | measured |\n|---|---|\n{}",
                self.figures.join("\n")
            )?;
        }
        println!("{text}");

        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
        let old = std::fs::read_to_string(&path)?;
        let heading = format!("## {section}\n");
        let (before, rest) = old.split_once(&heading).unwrap_or((&old, ""));
        let after = rest.find("\n## ").map_or("", |next| &rest[next + 1..]);
        let parts = [before.trim_end(), text.trim_end(), after.trim_end()];
        let kept = parts
            .iter()
            .filter(|part| !part.is_empty())
            .copied()
            .collect::<Vec<_>>();
        Ok(std::fs::write(&path, kept.join("\n\n") + "\n")?)
    }
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value that so many percent of all do not exceed; not a number when there are none.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
