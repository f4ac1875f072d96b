//! Addresses: of views, of calls, of this page with something changed. All of it percent-encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::collections::HashMap;

/// Everything but letters, digits and `-._~`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Parameters, in their order; one that repeats has several values.
pub(super) type Params = Vec<(String, Vec<String>)>;

/// Parameters of an address, at most.
pub(super) const MAX_PARAMS: usize = 100;

/// The views and their paths. What is in braces comes from the parameters.
const VIEWS: [(&str, &str); 20] = [
    ("overview", "/"),
    ("find", "/ui/find"),
    ("search", "/ui/search"),
    ("saga", "/ui/saga"),
    ("compare", "/ui/compare"),
    ("letters", "/ui/dead-letters"),
    ("letter", "/ui/dead-letters/{id}"),
    ("redrives", "/ui/dead-letters/redrives"),
    ("redrive", "/ui/dead-letters/redrives/{number}"),
    ("flow", "/ui/flow/{type}"),
    ("ledger", "/ui/ops/ledger"),
    ("jobs", "/ui/ops/jobs"),
    ("retention", "/ui/ops/retention"),
    ("snapshots", "/ui/ops/snapshots"),
    ("archive", "/ui/ops/archive"),
    ("audit", "/ui/ops/audit"),
    ("config", "/ui/ops/config"),
    ("health", "/ui/ops/health"),
    ("incidents", "/ui/incidents"),
    ("settings", "/ui/settings"),
];

/// All but letters, digits and `-._~` as %XX.
pub(super) fn percent(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// A query with its question mark, without what is empty; nothing where all is.
pub(super) fn query<N: AsRef<str>, V: AsRef<str>>(params: impl IntoIterator<Item = (N, V)>) -> String {
    let mut text = String::new();
    for (name, value) in params {
        if value.as_ref().is_empty() {
            continue;
        }
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(&percent(name.as_ref()));
        text.push('=');
        text.push_str(&percent(value.as_ref()));
    }
    text
}

/// The query of parameters that may repeat.
pub(super) fn query_of(params: &Params) -> String {
    let pairs = params
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    query(pairs)
}

/// The address of a view, without what stands in front of every path; none where there is no such view. A part of the
/// path that is not given is left out with its slash.
pub(super) fn view(name: &str, mut params: Params) -> Option<String> {
    let (_, template) = VIEWS.iter().find(|(known, _)| *known == name)?;
    let mut path = (*template).to_owned();
    if let Some((begin, rest)) = template.split_once("/{") {
        let part = rest.trim_end_matches('}');
        let at = params.iter().position(|(name, _)| name == part);
        let value = at
            .map(|at| params.remove(at))
            .and_then(|(_, values)| values.into_iter().next());
        path = match value.filter(|value| !value.is_empty()) {
            Some(value) => format!("{begin}/{}", percent(&value)),
            None => begin.to_owned(),
        };
    }
    Some(path + &query_of(&params))
}

/// How many a query string holds; of more than [`MAX_PARAMS`] only so many are read.
pub(super) fn count_of(query: &str) -> usize {
    query.split('&').filter(|pair| !pair.is_empty()).count()
}

/// The parameters of a query string. One that is empty counts as not given, one that is no text as given with what can
/// be read of it.
pub(super) fn params_of(query: &str) -> Params {
    let mut params = Params::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()).take(MAX_PARAMS) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        if name.is_empty() || value.is_empty() {
            continue;
        }
        match places.get(&name) {
            Some(place) => params[*place].1.push(value),
            None => {
                places.insert(name.clone(), params.len());
                params.push((name, vec![value]));
            }
        }
    }
    params
}

fn decoded(raw: &str) -> String {
    let spaced = raw.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Params {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
            .collect()
    }

    #[test]
    fn a_view_has_its_address_whatever_an_id_holds() {
        let id = "ORD-<b>\"'&\u{202e}/%2F 한";
        let address = view("saga", given(&[("id", id)])).unwrap();
        assert_eq!(
            address,
            "/ui/saga?id=ORD-%3Cb%3E%22%27%26%E2%80%AE%2F%252F%20%ED%95%9C"
        );
        assert_eq!(
            params_of(address.split_once('?').unwrap().1),
            given(&[("id", id)])
        );
        assert_eq!(
            view("flow", given(&[("type", "A/B"), ("fromDate", "2026-01-31")])).unwrap(),
            "/ui/flow/A%2FB?fromDate=2026-01-31"
        );
        assert_eq!(view("flow", Params::new()).unwrap(), "/ui/flow");
        assert_eq!(view("nowhere", Params::new()), None);
    }

    #[test]
    fn of_many_parameters_only_so_many_are_read() {
        let query: String = (0..200_000).map(|at| format!("p{at}=1&")).collect();
        assert_eq!(count_of(&query), 200_000);
        assert_eq!(params_of(&query).len(), MAX_PARAMS);
    }

    #[test]
    fn what_is_empty_counts_as_not_given() {
        assert_eq!(
            params_of("status=&step=A&step=B+C&x"),
            vec![("step".to_owned(), vec!["A".to_owned(), "B C".to_owned()])]
        );
        assert_eq!(query([("a", ""), ("b", "1 2")]), "?b=1%202");
    }
}
