//! An answer of JSON that is one object with a long list in it, sent entry by entry while they are read.

use super::chunked::Parts;
use serde::Serialize;
use std::ops::ControlFlow;

/// Writes the object.
pub(super) struct JsonList {
    parts: Parts,
    /// Entries that still fit on the page; none when there are no pages.
    left: Option<u64>,
    begun: bool,
    /// Whether there was an entry too many for the page.
    more: bool,
    failed: bool,
}

impl JsonList {
    /// Begins the object with the fields of `head`, which is one itself and has some, and a list of that name, with
    /// room for so many entries (none: for all). Nothing is sent yet.
    pub(super) fn begin(parts: Parts, head: &impl Serialize, name: &str, page: Option<u64>) -> Self {
        let mut list = Self {
            parts,
            left: page,
            begun: false,
            more: false,
            failed: false,
        };
        list.json(head);
        // The closing brace: the object goes on.
        list.parts.part().pop();
        list.parts.part().extend_from_slice(b",\"");
        list.parts.part().extend_from_slice(name.as_bytes());
        list.parts.part().extend_from_slice(b"\":[");
        list
    }

    /// Adds the next entry. Breaks when no more are wanted.
    pub(super) fn add(&mut self, entry: &impl Serialize) -> ControlFlow<()> {
        if self.left == Some(0) {
            self.more = true;
            return ControlFlow::Break(());
        }
        self.left = self.left.map(|left| left - 1);
        if std::mem::replace(&mut self.begun, true) {
            self.parts.part().push(b',');
        }
        self.json(entry);
        let sent = self.parts.send_when_full();
        // What was not sent must not look like the end.
        self.failed |= sent.is_break();
        sent
    }

    /// Text and numbers can always be written.
    fn json(&mut self, value: &impl Serialize) {
        self.failed |= serde_json::to_writer(self.parts.part(), value).is_err();
    }

    /// Closes the answer, when all that is asked for was written; `next` leads to what follows, if anything does.
    pub(super) fn end(mut self, next: Option<String>) {
        self.parts.part().push(b']');
        if let Some(next) = next.filter(|_| self.more) {
            self.parts.part().extend_from_slice(b",\"next\":");
            self.json(&next);
        }
        self.parts.part().push(b'}');
        if !self.failed {
            self.parts.finish();
        }
    }
}
