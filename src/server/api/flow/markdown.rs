//! The catalogue of events as a page of Markdown. Names are text from outside: none can end its cell, or be anything but
//! text in a page.

use super::super::text::Instant;
use super::catalogue::{CatalogueBody, EntryBody};

const HEAD: &str = "| Type | Step | Service | Status | Events | Per hour | First seen | Last seen | Owner of the type \
                    | Owner of the service | Documented |\n|---|---|---|---|--:|--:|---|---|---|---|---|\n";

pub(super) fn catalogue(body: &CatalogueBody) -> String {
    let of_type = body.saga_type.as_deref();
    let of_type = of_type.map_or_else(String::new, |name| format!(" of type {}", cell(name)));
    let rows: String = body.entries.iter().map(row).collect();
    format!(
        "# Events\n\n{} events of {} sagas{of_type}, from {} to {}. Definitions {}.\n\n{HEAD}{rows}",
        body.events,
        body.sagas,
        instant(body.first_seen),
        instant(body.last_seen),
        cell(&body.definitions),
    )
}

fn row(entry: &EntryBody) -> String {
    let rate = entry
        .events_per_hour
        .map_or_else(String::new, |rate| format!("{rate:.2}"));
    let cells = [
        cell(&entry.saga_type),
        cell(&entry.step),
        maybe(entry.service.as_deref()),
        entry.status.to_string(),
        entry.events.to_string(),
        rate,
        instant(Some(entry.first_seen)),
        instant(Some(entry.last_seen)),
        maybe(entry.type_owner.as_deref()),
        maybe(entry.service_owner.as_deref()),
        if entry.documented { "yes" } else { "no" }.to_owned(),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn instant(at: Option<Instant>) -> String {
    at.map_or_else(|| "–".to_owned(), |Instant(at)| at.to_string())
}

fn maybe(text: Option<&str>) -> String {
    text.map_or_else(|| "–".to_owned(), cell)
}

/// Text in which nothing is markup.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let inside = |letter: Option<&char>| letter.is_some_and(|letter| letter.is_alphanumeric());
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Between letters it is only itself.
            '_' if inside(Some(&before)) && inside(letters.peek()) => out.push('_'),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '~' | '#' | '!' | '$' => out.extend(['\\', letter]),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
        before = letter;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_its_cell_or_is_markup() {
        assert_eq!(cell("ORDER_CREATED 주문"), "ORDER_CREATED 주문");
        assert_eq!(cell("a|b\nc"), "a\\|b c");
        assert_eq!(
            cell("_a_ `x` [y](z) <b>&"),
            "\\_a\\_ \\`x\\` \\[y\\](z) &lt;b&gt;&amp;"
        );
        assert_eq!(cell("\\|"), "\\\\\\|");
    }
}
