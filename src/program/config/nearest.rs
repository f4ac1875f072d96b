//! Which known name someone who wrote an unknown one may have meant.

/// The known name that is most like the one found, if any is alike at all.
pub(super) fn nearest(found: &str, known: impl Iterator<Item = String>) -> Option<String> {
    // What all names begin with says nothing about which one was meant.
    let distinct = |name: &str| name.strip_prefix(super::PREFIX).unwrap_or(name).to_lowercase();
    let score = |name: &str| strsim::jaro_winkler(&distinct(found), &distinct(name));
    known
        .map(|name| (score(&name), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}
