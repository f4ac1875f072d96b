//! What two sets of definitions say differently.

use super::{SagaDefinition, SagaDefinitions};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

impl SagaDefinitions {
    /// The types that others say something else of, each with the keys of a definitions file that differ. Of a
    /// type that only one of them knows these are all keys that are given.
    pub fn differing_types(&self, others: &Self) -> BTreeMap<String, Vec<String>> {
        let names: BTreeSet<&String> = self.types.keys().chain(others.types.keys()).collect();
        let keys = |name: &String| differing_keys([self, others].map(|all| all.types.get(name)));
        names
            .into_iter()
            .map(|name| (name.clone(), keys(name)))
            .filter(|(_, keys)| !keys.is_empty())
            .collect()
    }
}

fn differing_keys(definitions: [Option<&SagaDefinition>; 2]) -> Vec<String> {
    let [one, other] = definitions.map(given);
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names
        .into_iter()
        .filter(|name| one.get(*name) != other.get(*name))
        .cloned()
        .collect()
}

fn given(definition: Option<&SagaDefinition>) -> Map<String, Value> {
    match definition.map(serde_json::to_value) {
        Some(Ok(Value::Object(keys))) => keys,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_named_by_type() {
        let old = SagaDefinitions::default();
        assert!(old.differing_types(&old.clone()).is_empty());
        let mut new = old.clone();
        let order = new.types.get_mut("ORDER_CREATION").unwrap();
        order.deadline_seconds += 1;
        order.completing_steps.insert("SHIPPED".to_owned());
        new.types.remove("PAYMENT_COMPLETION");
        new.types
            .insert("REFUND".to_owned(), SagaDefinition::completed_by(&["REFUNDED"]));
        let found = old.differing_types(&new);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["ORDER_CREATION", "PAYMENT_COMPLETION", "REFUND"]);
        assert_eq!(found["ORDER_CREATION"], ["completing_steps", "deadline_seconds"]);
        let refund = ["compensation_seconds", "completing_steps", "deadline_seconds"];
        assert_eq!(found["REFUND"], refund);
        assert_eq!(new.differing_types(&old), found);
    }
}
