//! From the OpenMetrics text that the metrics library writes to the classic text format.
//!
//! OpenMetrics strips `_total` from the family name of a counter and reserves it for counters, but the
//! contract has a *gauge* named `saga_active_total`. The classic format has no such rule, every
//! scraper reads it, and a family is named like its samples.

/// The same families and values in text format 0.0.4.
pub(super) fn from_openmetrics(text: &str) -> String {
    let mut classic = String::with_capacity(text.len() + 1024);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let counter = lines.peek().is_some_and(|next| is_counter(next));
            describe(&mut classic, "# HELP ", help, counter);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            describe(&mut classic, "# TYPE ", kind, is_counter(line));
        } else if !line.starts_with('#') {
            classic.push_str(line);
            classic.push('\n');
        }
    }
    classic
}

fn is_counter(line: &str) -> bool {
    line.starts_with("# TYPE ") && line.ends_with(" counter")
}

fn describe(classic: &mut String, prefix: &str, named: &str, counter: bool) {
    let (name, rest) = named.split_once(' ').unwrap_or((named, ""));
    classic.push_str(prefix);
    classic.push_str(name);
    if counter {
        classic.push_str("_total");
    }
    classic.push(' ');
    classic.push_str(rest);
    classic.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_named_like_its_sample() {
        let text = "# HELP a Things.\n# TYPE a counter\na_total{x=\"# TYPE b counter\"} 3\n# EOF\n";
        let classic = "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"# TYPE b counter\"} 3\n";
        assert_eq!(from_openmetrics(text), classic);
    }

    #[test]
    fn other_families_stay_and_what_the_classic_format_lacks_goes() {
        let text = "# HELP a_total Now.\n# TYPE a_total gauge\n# UNIT a_total total\na_total 1\n# EOF\n";
        assert_eq!(
            from_openmetrics(text),
            "# HELP a_total Now.\n# TYPE a_total gauge\na_total 1\n"
        );
    }
}
