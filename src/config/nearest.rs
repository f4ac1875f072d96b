//! Which known name someone who wrote an unknown one may have meant.

/// The known name that is most like the one found, if any is alike at all.
pub(super) fn nearest(found: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let score = |name: &str| strsim::jaro_winkler(&found.to_lowercase(), &name.to_lowercase());
    known
        .map(|name| (score(&name), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}
