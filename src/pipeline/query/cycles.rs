//! What in a graph leads to each other: its strongly connected components of two nodes or more.

use std::collections::{BTreeMap, BTreeSet};

/// The nodes that an edge leads to, by node.
type Graph<'n> = BTreeMap<&'n str, BTreeSet<&'n str>>;

/// The components, each in order of names, and in the order of their first ones.
pub(super) fn components<'n>(edges: impl Iterator<Item = (&'n str, &'n str)>) -> Vec<BTreeSet<&'n str>> {
    let (mut onward, mut back) = (Graph::new(), Graph::new());
    for (from, to) in edges {
        onward.entry(from).or_default().insert(to);
        back.entry(to).or_default().insert(from);
    }
    let mut found: Vec<BTreeSet<&str>> = Vec::new();
    let mut open: BTreeSet<&str> = onward.keys().copied().collect();
    while let Some(node) = open.pop_first() {
        let behind = reached(&back, node);
        let mut component = reached(&onward, node);
        component.retain(|other| behind.contains(other));
        open.retain(|other| !component.contains(other));
        if component.len() > 1 {
            found.push(component);
        }
    }
    found
}

/// The node, and all that its edges lead to.
fn reached<'n>(graph: &Graph<'n>, from: &'n str) -> BTreeSet<&'n str> {
    let mut reached = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        for next in graph.get(node).into_iter().flatten() {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NODES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

    #[test]
    fn nodes_that_lead_to_each_other_are_one_component_and_a_node_alone_is_none() {
        let edges = [
            ("d", "e"),
            ("e", "d"),
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("c", "d"),
            ("f", "f"),
            ("e", "g"),
        ];
        let found = components(edges.into_iter());
        assert_eq!(
            found,
            [BTreeSet::from(["a", "b", "c"]), BTreeSet::from(["d", "e"])]
        );
    }

    proptest! {
        #[test]
        fn components_are_what_reaches_each_other(edges in proptest::collection::vec((0usize..7, 0usize..7), 0..16)) {
            let mut reaches = [[false; 7]; 7];
            for (from, to) in &edges {
                reaches[*from][*to] = true;
            }
            for over in 0..7 {
                for from in 0..7 {
                    for to in 0..7 {
                        reaches[from][to] |= reaches[from][over] && reaches[over][to];
                    }
                }
            }
            let found = components(edges.iter().map(|(from, to)| (NODES[*from], NODES[*to])));
            for one in 0..7 {
                for other in (0..7).filter(|other| *other != one) {
                    let together = found.iter().any(|of| of.contains(NODES[one]) && of.contains(NODES[other]));
                    prop_assert_eq!(together, reaches[one][other] && reaches[other][one]);
                }
            }
            prop_assert!(found.iter().all(|of| of.len() > 1));
        }
    }
}
