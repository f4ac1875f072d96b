//! A flow as a graph for other tools. Names are text from outside: they stand in labels alone, and none can end its
//! label.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A language of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawing {
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
}

impl Drawing {
    /// What it travels as.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Dot => "text/vnd.graphviz; charset=utf-8",
            Self::Mermaid => "text/plain; charset=utf-8",
        }
    }
}

/// One step next behind another.
pub(super) struct Arrow<'f> {
    pub(super) from: &'f str,
    pub(super) to: &'f str,
    pub(super) count: u64,
    pub(super) p50_seconds: f64,
}

/// Draws steps, and which of them follow which.
pub(super) fn draw<'f>(
    drawing: Drawing,
    steps: impl Iterator<Item = &'f str>,
    arrows: impl Iterator<Item = Arrow<'f>>,
) -> String {
    let numbers: BTreeMap<&str, usize> = steps.zip(0..).collect();
    let mut graph = match drawing {
        Drawing::Dot => "digraph flow {\n  rankdir=LR;\n  node [shape=box];\n",
        Drawing::Mermaid => "flowchart LR\n",
    }
    .to_owned();
    for (name, number) in &numbers {
        // Writing to text cannot fail.
        let _written = match drawing {
            Drawing::Dot => writeln!(graph, "  n{number} [label=\"{}\"];", dot_text(name)),
            Drawing::Mermaid => writeln!(graph, "  n{number}[\"{}\"]", mermaid_text(name)),
        };
    }
    for arrow in arrows {
        let (Some(from), Some(to)) = (numbers.get(arrow.from), numbers.get(arrow.to)) else {
            continue;
        };
        let label = format!("{} × {:.3} s", arrow.count, arrow.p50_seconds);
        let _written = match drawing {
            Drawing::Dot => writeln!(graph, "  n{from} -> n{to} [label=\"{}\"];", dot_text(&label)),
            Drawing::Mermaid => writeln!(graph, "  n{from} -->|\"{}\"| n{to}", mermaid_text(&label)),
        };
    }
    if drawing == Drawing::Dot {
        graph.push_str("}\n");
    }
    graph
}

fn dot_text(text: &str) -> String {
    let escaped = text.chars().map(|letter| match letter {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        letter if letter.is_control() => " ".to_owned(),
        letter => letter.to_string(),
    });
    escaped.collect()
}

/// Letters that Mermaid or a page would take for something else stand as their numbers.
fn mermaid_text(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || " _-.,:×".contains(letter);
    let escaped = text.chars().map(|letter| match letter {
        letter if letter.is_control() => " ".to_owned(),
        letter if is_plain(letter) => letter.to_string(),
        letter => format!("#{};", u32::from(letter)),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [&str; 2] = ["A \"b\"\\", "<C>\n#1"];

    fn drawn(drawing: Drawing) -> String {
        let arrow = Arrow {
            from: STEPS[0],
            to: STEPS[1],
            count: 3,
            p50_seconds: 1.5,
        };
        draw(drawing, STEPS.into_iter(), std::iter::once(arrow))
    }

    #[test]
    fn names_cannot_break_out_of_a_dot_label() {
        let expected = "digraph flow {\n  rankdir=LR;\n  node [shape=box];\n  n1 [label=\"<C> #1\"];\n  \
                        n0 [label=\"A \\\"b\\\"\\\\\"];\n  n0 -> n1 [label=\"3 × 1.500 s\"];\n}\n";
        let mut lines: Vec<&str> = expected.lines().collect();
        let graph = drawn(Drawing::Dot);
        let mut found: Vec<&str> = graph.lines().collect();
        lines.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, lines);
    }

    #[test]
    fn names_cannot_break_out_of_a_mermaid_label() {
        let graph = drawn(Drawing::Mermaid);
        assert!(graph.contains("n0[\"A #34;b#34;#92;\"]"), "{graph}");
        assert!(graph.contains("n1[\"#60;C#62; #35;1\"]"), "{graph}");
        assert!(graph.contains("n0 -->|\"3 × 1.500 s\"| n1"), "{graph}");
    }
}
