//! Alert rules: when, how urgent, and what is said, in English and Korean. What to do is in docs/runbooks, a section
//! each, which a test looks for.

mod sagas;
mod tracker;

use super::promql::Query;

/// Whom an alert is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Who runs the shop's services.
    Sagas,
    /// Who runs the tracker.
    Tracker,
}

impl Subject {
    pub(super) const ALL: [Self; 2] = [Self::Sagas, Self::Tracker];

    /// The value of the label `subject`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Sagas => "sagas",
            Self::Tracker => "tracker",
        }
    }

    pub(super) fn alerts(self) -> Vec<Alert> {
        match self {
            Self::Sagas => sagas::alerts(),
            Self::Tracker => tracker::alerts(),
        }
    }
}

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// Worth a look by day.
    Info,
    /// Has to be looked at.
    Warning,
    /// Wakes people up.
    Critical,
}

impl Severity {
    /// The value of the label `severity`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What is said in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Words {
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
}

/// An alert rule.
#[derive(Clone, Debug)]
pub(super) struct Alert {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) query: Query,
    /// How long it has to be so: two scrapes at least.
    pub(super) pending: &'static str,
    /// How long it goes on when it is not so any more, lest it flutters.
    pub(super) keep: &'static str,
    /// The path of the tracker's page that shows what it is about, as a template.
    pub(super) page: Option<String>,
    pub(super) english: Words,
    pub(super) korean: Words,
}

impl Alert {
    fn new(name: &'static str, severity: Severity, query: Query) -> Self {
        Self {
            name,
            severity,
            query,
            pending: "2m",
            keep: "5m",
            page: None,
            english: Words::default(),
            korean: Words::default(),
        }
    }

    fn pending(mut self, duration: &'static str) -> Self {
        self.pending = duration;
        self
    }

    fn keep(mut self, duration: &'static str) -> Self {
        self.keep = duration;
        self
    }

    /// Leads to a view of the tracker's page.
    fn page(mut self, path: &str) -> Self {
        self.page = Some(path.to_owned());
        self
    }

    /// Leads to the sagas that match.
    fn search(self, filter: &str) -> Self {
        self.page(&format!("/ui/search?{filter}"))
    }

    /// Leads to the sagas that match and are of the alert's type. What counts as other has no type to search for.
    fn search_of_type(self, filter: &str) -> Self {
        const OF_TYPE: &str =
            r#"{{ if ne $labels.saga_type "other" }}&sagaType={{ $labels.saga_type | urlquery }}{{ end }}"#;
        self.search(&format!("{filter}{OF_TYPE}"))
    }

    fn english(mut self, summary: &'static str, description: &'static str) -> Self {
        self.english = Words { summary, description };
        self
    }

    fn korean(mut self, summary: &'static str, description: &'static str) -> Self {
        self.korean = Words { summary, description };
        self
    }
}
