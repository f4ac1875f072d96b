//! The schemas that a schema refers to, within bounds: what a registry holds, anybody may have put there.

use super::http::SchemaReference;
use std::collections::HashSet;

/// A schema may refer to so many others, directly and indirectly,
const MAX_REFERENCES: usize = 256;
/// over so many steps,
const DEEPEST: usize = 32;
/// of so many bytes together.
const MAX_BYTES: usize = 4 << 20;

/// What is still to be asked for, and the texts so far.
#[derive(Debug, Default)]
pub(super) struct References {
    seen: HashSet<SchemaReference>,
    due: Vec<(SchemaReference, usize)>,
    texts: Vec<String>,
    bytes: usize,
}

impl References {
    /// Adds what a schema refers to that lies so many steps from the first.
    ///
    /// # Errors
    /// In words, when it is too much.
    pub(super) fn add(
        &mut self,
        references: impl IntoIterator<Item = SchemaReference>,
        depth: usize,
    ) -> Result<(), String> {
        for reference in references {
            if depth > DEEPEST {
                return Err(format!(
                    "it refers to other schemas over more than {DEEPEST} steps"
                ));
            }
            if self.seen.contains(&reference) {
                continue;
            }
            if self.seen.len() == MAX_REFERENCES {
                return Err(format!("it refers to more than {MAX_REFERENCES} other schemas"));
            }
            self.seen.insert(reference.clone());
            self.due.push((reference, depth));
        }
        Ok(())
    }

    /// The next to ask for, and how many steps it lies from the first schema.
    pub(super) fn next(&mut self) -> Option<(SchemaReference, usize)> {
        self.due.pop()
    }

    /// Adds the text of one.
    ///
    /// # Errors
    /// In words, when it is too much.
    pub(super) fn found(&mut self, text: String) -> Result<(), String> {
        if self.texts.contains(&text) {
            return Ok(());
        }
        self.bytes += text.len();
        if self.bytes > MAX_BYTES {
            return Err(format!(
                "the schemas that it refers to have more than {MAX_BYTES} bytes"
            ));
        }
        self.texts.push(text);
        Ok(())
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        self.texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(version: usize) -> SchemaReference {
        SchemaReference {
            subject: "s".to_owned(),
            version: version as i64,
        }
    }

    #[test]
    fn so_many_at_most() {
        let mut references = References::default();
        for _ in 0..3 {
            references.add((0..MAX_REFERENCES).map(reference), 1).unwrap();
        }
        assert!(
            references
                .add([reference(MAX_REFERENCES)], 1)
                .unwrap_err()
                .contains("more than 256")
        );
        let asked = std::iter::from_fn(|| references.next()).count();
        assert_eq!(asked, MAX_REFERENCES, "each is asked for once");
    }

    #[test]
    fn so_deep_and_so_long_at_most() {
        let mut references = References::default();
        references.add([reference(0)], DEEPEST).unwrap();
        assert!(
            references
                .add([reference(1)], DEEPEST + 1)
                .unwrap_err()
                .contains("steps")
        );
        let half = |letter: &str| letter.repeat(MAX_BYTES / 2);
        references.found(half("a")).unwrap();
        references.found(half("a")).unwrap();
        references.found(half("b")).unwrap();
        assert!(references.found("c".to_owned()).unwrap_err().contains("bytes"));
    }
}
