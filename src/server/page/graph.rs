//! A flow as a drawing: steps in layers from left to right, laid out the same way for the same flow.
//!
//! A step stands one layer behind the farthest step that leads to it; edges that lead back do not count. Within a layer
//! steps stand in the order of the middle of those that lead to them.

use super::definition;
use super::values::{int, list, text};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Height of a step's box, distance of boxes in a layer, and space between layers.
const HEIGHT: f64 = 40.0;
const ROW: f64 = 70.0;
const GAP: f64 = 76.0;
const MARGIN: f64 = 10.0;
const TOP: f64 = 14.0;
/// Room below for edges that lead back.
const BOTTOM: f64 = 34.0;
/// Width of a character of a step's name, and of what stands beside the name.
const CHAR: f64 = 7.6;
const BESIDE: f64 = 42.0;
/// Edges that are drawn, of those that were seen; a drawing of more shows nothing, and takes long to lay out.
const MOST_EDGES: usize = 150;
/// How often the order within layers is made better.
const SWEEPS: usize = 4;

/// What there is to draw.
#[derive(Default)]
struct Drawn {
    steps: Vec<String>,
    /// By name: the place among the steps.
    nodes: HashMap<String, usize>,
    layer: Vec<usize>,
    /// By pair of steps.
    edges: BTreeMap<(usize, usize), Edge>,
}

#[derive(Default)]
struct Edge {
    seen: Option<Value>,
    defined: bool,
    compensates: bool,
}

/// The drawing of what was seen, laid over what is defined; null where there is nothing of either.
pub(super) fn drawn(flow: &Value, definitions: &Value, saga_type: &str, period: &Value) -> Value {
    let of = &definitions["types"][saga_type];
    let drawn = Drawn::of(flow, of);
    if drawn.steps.is_empty() {
        return Value::Null;
    }
    let orders = drawn.orders();
    let widths = drawn.widths(&orders);
    let tallest = orders.iter().map(Vec::len).max().unwrap_or(1);
    let height = TOP + tallest as f64 * ROW - (ROW - HEIGHT) + BOTTOM;
    let mut places = vec![(0.0, 0.0, 0.0); drawn.steps.len()];
    let mut x = MARGIN;
    for (order, width) in orders.iter().zip(&widths) {
        // Layers stand about the middle.
        let above = (tallest - order.len()) as f64 * ROW / 2.0;
        for (row, node) in order.iter().enumerate() {
            places[*node] = (x, TOP + above + row as f64 * ROW, *width);
        }
        x += width + GAP;
    }
    json!({
        "sagaType": saga_type,
        "width": tenth(x - GAP + MARGIN),
        "height": height,
        "nodes": drawn.nodes(flow, of, &places),
        "edges": drawn.lines(flow, &places, seconds(period)),
        "period": period,
        "shown": list(&flow["edges"]).len().min(MOST_EDGES),
        "total": list(&flow["edges"]).len(),
    })
}

impl Drawn {
    fn of(flow: &Value, of: &Value) -> Self {
        let mut drawn = Self::default();
        let busiest = busiest(flow);
        let is_whole = busiest.len() == list(&flow["edges"]).len();
        for edge in busiest {
            let pair = (text(&edge["from"]), text(&edge["to"]));
            drawn.edge(pair).seen = Some(edge.clone());
        }
        // Beside edges that are left out, steps would stand as if nothing led to them.
        for step in list(&flow["steps"]).iter().filter(|_| is_whole) {
            drawn.node(text(&step["step"]));
        }
        for (from, to) in definition::edges(of).into_iter().take(MOST_EDGES) {
            drawn.edge((&from, &to)).defined = true;
        }
        for step in definition::expected(of).into_iter().take(MOST_EDGES) {
            drawn.node(&step);
        }
        for ((_, to), edge) in &mut drawn.edges {
            edge.compensates = definition::undoes(of, &drawn.steps[*to]);
        }
        drawn.set_layers();
        drawn
    }

    fn node(&mut self, step: &str) -> usize {
        if let Some(node) = self.nodes.get(step) {
            return *node;
        }
        self.nodes.insert(step.to_owned(), self.steps.len());
        self.steps.push(step.to_owned());
        self.steps.len() - 1
    }

    fn edge(&mut self, (from, to): (&str, &str)) -> &mut Edge {
        let pair = (self.node(from), self.node(to));
        self.edges.entry(pair).or_default()
    }

    /// Edges by how often they were seen, so that those that most sagas take decide what is behind what.
    fn set_layers(&mut self) {
        let mut edges: Vec<(i64, usize, usize)> = self
            .edges
            .iter()
            .filter(|((from, to), _)| from != to)
            .map(|((from, to), edge)| {
                (
                    edge.seen.as_ref().map_or(0, |seen| int(&seen["count"])),
                    *from,
                    *to,
                )
            })
            .collect();
        edges.sort_by_key(|(count, from, to)| (-count, *from, *to));
        let mut forward: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.steps.len()];
        for (_, from, to) in edges {
            if !reaches(&forward, to, from) {
                forward[from].insert(to);
            }
        }
        self.layer = vec![0; self.steps.len()];
        // Without circles the longest way has fewer edges than there are steps.
        for _ in 0..self.steps.len() {
            let mut moved = false;
            for (from, behind) in forward.iter().enumerate() {
                for to in behind {
                    if self.layer[*to] <= self.layer[from] {
                        self.layer[*to] = self.layer[from] + 1;
                        moved = true;
                    }
                }
            }
            if !moved {
                break;
            }
        }
        // What nothing leads to and that leads nowhere stands at the end.
        let last = self.layer.iter().copied().max().unwrap_or(0);
        for node in 0..self.steps.len() {
            let alone = !self
                .edges
                .keys()
                .any(|(from, to)| (*from == node || *to == node) && from != to);
            if alone && self.steps.len() > 1 {
                self.layer[node] = last;
            }
        }
    }

    /// The steps of each layer, from top to bottom.
    fn orders(&self) -> Vec<Vec<usize>> {
        let layers = self.layer.iter().copied().max().map_or(0, |last| last + 1);
        let mut orders: Vec<Vec<usize>> = vec![Vec::new(); layers];
        for (node, layer) in self.layer.iter().enumerate() {
            orders[*layer].push(node);
        }
        for _ in 0..SWEEPS {
            let mut row: Vec<f64> = vec![0.0; self.steps.len()];
            for (layer, order) in orders.iter_mut().enumerate() {
                let middle = |node: usize| {
                    let before: Vec<f64> = self
                        .edges
                        .keys()
                        .filter(|(from, to)| *to == node && self.layer[*from] < layer)
                        .map(|(from, _)| row[*from])
                        .collect();
                    if before.is_empty() {
                        f64::MAX
                    } else {
                        before.iter().sum::<f64>() / before.len() as f64
                    }
                };
                let mut placed: Vec<(f64, usize)> = order.iter().map(|node| (middle(*node), *node)).collect();
                placed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                *order = placed.into_iter().map(|(_, node)| node).collect();
                for (at, node) in order.iter().enumerate() {
                    row[*node] = at as f64 - (order.len() as f64 - 1.0) / 2.0;
                }
            }
        }
        orders
    }

    fn widths(&self, orders: &[Vec<usize>]) -> Vec<f64> {
        let of = |order: &Vec<usize>| {
            let chars = order.iter().map(|node| self.steps[*node].chars().count()).max();
            tenth(chars.unwrap_or(0) as f64 * CHAR + BESIDE)
        };
        orders.iter().map(of).collect()
    }

    fn nodes(&self, flow: &Value, of: &Value, places: &[(f64, f64, f64)]) -> Vec<Value> {
        let firsts = list(&flow["steps"]).iter().max_by_key(|step| int(&step["first"]));
        let first = firsts.map(|step| text(&step["step"]));
        let node = |(at, step): (usize, &String)| {
            let seen = list(&flow["steps"])
                .iter()
                .find(|found| found["step"] == step.as_str());
            let kind = match seen {
                None => "unseen",
                Some(_) if of.is_null() || definition::names(of, step) => "seen",
                Some(_) => "unknown",
            };
            let services = seen.and_then(|seen| seen["services"].as_object());
            let (x, y, width) = places[at];
            json!({
                "step": step,
                "kind": kind,
                "status": seen.map(|_| definition::status(of, step, first == Some(step.as_str()))),
                "events": seen.map_or(0, |seen| int(&seen["events"])),
                "services": services.into_iter().flatten().map(|(name, _)| name).collect::<Vec<_>>(),
                "x": tenth(x),
                "y": tenth(y),
                "width": width,
            })
        };
        self.steps.iter().enumerate().map(node).collect()
    }

    fn lines(&self, flow: &Value, places: &[(f64, f64, f64)], seconds: Option<f64>) -> Vec<Value> {
        let has_definition = self.edges.values().any(|edge| edge.defined);
        let line = |((from, to), edge): (&(usize, usize), &Edge)| {
            let count = edge.seen.as_ref().map_or(0, |seen| int(&seen["count"]));
            let kind = match &edge.seen {
                None => "unseen",
                Some(_) if edge.compensates => "compensates",
                Some(_) if has_definition && !edge.defined => "undefined",
                Some(_) => "seen",
            };
            let of_step = list(&flow["steps"])
                .iter()
                .find(|step| step["step"] == self.steps[*from].as_str());
            let events = of_step.map_or(0, |step| int(&step["events"]));
            // Of what came in within a time the API tells both: there a pair may be counted whose first step came before.
            let told = |field: &str| edge.seen.as_ref().and_then(|seen| seen[field].as_f64());
            let of_events = (events > 0 && count > 0).then(|| count as f64 / events as f64);
            let share = told("share").or(of_events);
            let of_period = seconds
                .filter(|_| count > 0)
                .map(|seconds| count as f64 / seconds);
            let per_second = told("perSecond").or(of_period);
            let (path, label_x, label_y) = curve(places[*from], places[*to]);
            let times = |field: &str| edge.seen.as_ref().map_or(Value::Null, |seen| seen[field].clone());
            json!({
                "from": self.steps[*from],
                "to": self.steps[*to],
                "kind": kind,
                "path": path,
                "labelX": tenth(label_x),
                "labelY": tenth(label_y),
                "width": tenth(1.2 + 0.9 * (1.0 + count as f64).log10()),
                "count": count,
                "share": share,
                "perSecond": per_second,
                "p50Seconds": times("p50Seconds"),
                "p95Seconds": times("p95Seconds"),
                "p99Seconds": times("p99Seconds"),
            })
        };
        self.edges.iter().map(line).collect()
    }
}

/// The edges that were seen most, in their order.
fn busiest(flow: &Value) -> Vec<&Value> {
    let mut edges: Vec<&Value> = list(&flow["edges"]).iter().collect();
    if edges.len() > MOST_EDGES {
        edges.sort_by_key(|edge| -int(&edge["count"]));
        edges.truncate(MOST_EDGES);
    }
    edges
}

/// Whether one step leads to another, over however many.
fn reaches(forward: &[BTreeSet<usize>], from: usize, to: usize) -> bool {
    let mut open = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(node) = open.pop() {
        if node == to {
            return true;
        }
        if seen.insert(node) {
            open.extend(&forward[node]);
        }
    }
    false
}

/// A line from one box to another, and where its label stands.
fn curve(from: (f64, f64, f64), to: (f64, f64, f64)) -> (String, f64, f64) {
    let (from_x, from_y, from_width) = from;
    let (to_x, to_y, to_width) = to;
    let (start, end) = (from_x + from_width, to_x - 4.0);
    let (begin, finish) = (from_y + HEIGHT / 2.0, to_y + HEIGHT / 2.0);
    if end > start {
        let middle = (start + end) / 2.0;
        let path = format!(
            "M{start:.1} {begin:.1}C{middle:.1} {begin:.1} {middle:.1} {finish:.1} {end:.1} {finish:.1}"
        );
        return (path, middle, (begin + finish) / 2.0 - 6.0);
    }
    if from == to {
        let (left, right) = (from_x + 14.0, from_x + from_width - 14.0);
        let (below, deep) = (from_y + HEIGHT, from_y + HEIGHT + 18.0);
        let path = format!(
            "M{left:.1} {below:.1}C{left:.1} {deep:.1} {right:.1} {deep:.1} {right:.1} {:.1}",
            below + 4.0
        );
        return (path, (left + right) / 2.0, deep - 2.0);
    }
    // Back, or within a layer: from below to below, deeper the farther it goes.
    let (x, y) = (from_x + from_width / 2.0, from_y + HEIGHT);
    let (to_x, to_y) = (to_x + to_width / 2.0, to_y + HEIGHT + 4.0);
    let deep = y.max(to_y) + 22.0;
    let path = format!("M{x:.1} {y:.1}C{x:.1} {deep:.1} {to_x:.1} {deep:.1} {to_x:.1} {to_y:.1}");
    (path, (x + to_x) / 2.0, deep - 4.0)
}

/// How long a period is; none where it is open.
fn seconds(period: &Value) -> Option<f64> {
    let millis = super::times::between(text(&period["from"]), text(&period["to"]));
    (millis > 0).then(|| millis as f64 / 1_000.0)
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests;
