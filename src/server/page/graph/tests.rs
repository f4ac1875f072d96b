use super::*;

fn flow(edges: &[(&str, &str, i64)]) -> Value {
    let mut steps: BTreeMap<&str, i64> = BTreeMap::new();
    for (from, to, count) in edges {
        *steps.entry(from).or_default() += count;
        *steps.entry(to).or_default() += 0;
    }
    let steps: Vec<Value> = steps
        .into_iter()
        .map(|(step, events)| json!({"step": step, "events": events, "first": 0, "last": 0, "services": {}}))
        .collect();
    let edges: Vec<Value> = edges
        .iter()
        .map(|(from, to, count)| json!({"from": from, "to": to, "count": count, "p50Seconds": 0.1, "p95Seconds": 0.2, "p99Seconds": 0.3}))
        .collect();
    json!({"steps": steps, "edges": edges})
}

fn x(graph: &Value, step: &str) -> f64 {
    let node = list(&graph["nodes"])
        .iter()
        .find(|node| node["step"] == step)
        .unwrap();
    node["x"].as_f64().unwrap()
}

#[test]
fn a_step_stands_behind_those_that_lead_to_it_and_what_leads_back_does_not_count() {
    let flow = flow(&[
        ("A", "B", 100),
        ("B", "C", 90),
        ("A", "C", 10),
        ("C", "A", 3),
        ("C", "C", 1),
    ]);
    let graph = drawn(&flow, &Value::Null, "T", &Value::Null);
    assert!(x(&graph, "A") < x(&graph, "B") && x(&graph, "B") < x(&graph, "C"));
    assert_eq!(
        graph,
        drawn(&flow, &Value::Null, "T", &Value::Null),
        "the same flow is drawn the same way"
    );
    assert_eq!(list(&graph["edges"]).len(), 5);
}

#[test]
fn what_is_defined_and_what_was_seen_are_told_apart() {
    let definitions = json!({"types": {"T": {"completing_steps": ["C"], "edges": [["A", "B"], ["B", "C"], ["B", "D"]], "compensates": {"UNDO": ["A"]}}}});
    let flow = flow(&[("A", "B", 100), ("B", "C", 90), ("B", "X", 2), ("X", "UNDO", 2)]);
    let graph = drawn(&flow, &definitions, "T", &Value::Null);
    let kind = |from: &str, to: &str| {
        let edge = list(&graph["edges"])
            .iter()
            .find(|edge| edge["from"] == from && edge["to"] == to)
            .unwrap();
        text(&edge["kind"]).to_owned()
    };
    assert_eq!(
        [kind("A", "B"), kind("B", "D"), kind("B", "X"), kind("X", "UNDO")],
        ["seen", "unseen", "undefined", "compensates"]
    );
    let node = |step: &str| {
        list(&graph["nodes"])
            .iter()
            .find(|node| node["step"] == step)
            .unwrap()
    };
    assert_eq!(
        [&node("D")["kind"], &node("X")["kind"], &node("C")["status"]],
        ["unseen", "unknown", "COMPLETED"]
    );
}

#[test]
fn of_very_many_edges_the_busiest_are_drawn() {
    let names: Vec<String> = (0..60).map(|step| format!("S{step}")).collect();
    let mut edges = Vec::new();
    for (at, from) in names.iter().enumerate() {
        for (to_at, to) in names.iter().enumerate().filter(|(to, _)| *to != at) {
            edges.push((
                from.as_str(),
                to.as_str(),
                i64::try_from(at * 60 + to_at).unwrap(),
            ));
        }
    }
    let graph = drawn(&flow(&edges), &Value::Null, "T", &Value::Null);
    assert_eq!((&graph["shown"], &graph["total"]), (&json!(150), &json!(3_540)));
    let drawn = list(&graph["edges"]);
    assert_eq!(drawn.len(), 150);
    assert!(drawn.iter().all(|edge| int(&edge["count"]) > 3_400));
    assert!(list(&graph["nodes"]).iter().all(|node| {
        drawn
            .iter()
            .any(|edge| edge["from"] == node["step"] || edge["to"] == node["step"])
    }));
}

#[test]
fn nothing_is_no_drawing() {
    assert_eq!(
        drawn(
            &json!({"steps": [], "edges": []}),
            &json!({"types": {}}),
            "T",
            &Value::Null
        ),
        Value::Null
    );
}
