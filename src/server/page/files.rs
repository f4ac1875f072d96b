//! Templates, texts and assets: in the program, or read from a directory by whoever works on them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The files of one kind, with their content.
macro_rules! embedded {
    ($name:ident in $directory:literal: $($file:literal,)+) => {
        pub(super) const $name: &[(&str, &str)] = &[
            $(($file, include_str!(concat!($directory, "/", $file))),)+
        ];
    };
}

embedded! {
    TEMPLATES in "templates":
        "compare.html",
        "empty.html",
        "error.html",
        "flow.html",
        "glyphs.html",
        "graph.html",
        "incidents.html",
        "layout.html",
        "letter.html",
        "letters.html",
        "ops_archive.html",
        "ops_audit.html",
        "ops_config.html",
        "ops_health.html",
        "ops_jobs.html",
        "ops_ledger.html",
        "ops_nav.html",
        "ops_retention.html",
        "ops_snapshots.html",
        "overview.html",
        "parts.html",
        "redrive.html",
        "redrive_letters.html",
        "redrive_publish.html",
        "redrive_rehearsal.html",
        "redrive_rows.html",
        "redrives.html",
        "refusal.html",
        "saga.html",
        "saga_purged.html",
        "search.html",
}

embedded! {
    TEXTS in "texts":
        "en.ftl",
        "ko.ftl",
}

embedded! {
    ASSETS in "assets":
        "act.js",
        "base.css",
        "copy.js",
        "dom.js",
        "fresh.js",
        "icon.svg",
        "keys.js",
        "letters.js",
        "live.js",
        "main.js",
        "noscript.css",
        "palette.js",
        "parts.css",
        "print.css",
        "quote.js",
        "saga.js",
        "search.js",
        "settings.js",
        "shell.css",
        "texts.js",
        "time.js",
        "timeline.css",
        "timeline/address.js",
        "timeline/arcs.js",
        "timeline/draw.js",
        "timeline/lanes.js",
        "timeline/look.js",
        "timeline/minimap.js",
        "timeline/model.js",
        "timeline/moment.js",
        "timeline/parts.js",
        "timeline/pen.js",
        "timeline/plot.js",
        "timeline/scale.js",
        "tokens.css",
        "views.css",
}

/// Where the files are.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    directory: Option<PathBuf>,
}

impl Files {
    /// Those of the program, unless there is a directory.
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// Whether they may change while the program runs.
    pub(super) fn change(&self) -> bool {
        self.directory.is_some()
    }

    /// The directory of the templates, if they are read from one.
    pub(super) fn templates(&self) -> Option<PathBuf> {
        self.directory
            .as_ref()
            .map(|directory| directory.join("templates"))
    }

    /// The texts of a language; none for a language that there is not.
    pub(super) fn texts(&self, language: &str) -> Option<Cow<'static, str>> {
        self.read("texts", TEXTS, &format!("{language}.ftl"))
    }

    /// An asset by its name; none where there is no such asset.
    pub(super) fn asset(&self, name: &str) -> Option<Cow<'static, str>> {
        self.read("assets", ASSETS, name)
    }

    /// Only names that the program knows are read, wherever they are read from.
    fn read(
        &self,
        kind: &str,
        known: &'static [(&'static str, &'static str)],
        name: &str,
    ) -> Option<Cow<'static, str>> {
        let (name, content) = known.iter().find(|(known, _)| *known == name)?;
        match &self.directory {
            None => Some(Cow::Borrowed(content)),
            Some(directory) => {
                let path = directory.join(kind).join(Path::new(name));
                std::fs::read_to_string(path).ok().map(Cow::Owned)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn on_disk(directory: &Path, below: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                on_disk(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_page_is_in_the_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/page");
        for (kind, known) in [("templates", TEMPLATES), ("texts", TEXTS), ("assets", ASSETS)] {
            let mut found = BTreeSet::new();
            on_disk(&root.join(kind), "", &mut found);
            let known: BTreeSet<String> = known.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(found, known, "{kind}");
        }
    }
}
