//! One route: who answers there, under which other paths, and on what terms. Its path, its methods and its part of
//! OpenAPI stand at the handler, in `#[utoipa::path]`; `routes!` collects them.

use super::context::Context;
use axum::routing::MethodRouter;
use utoipa::openapi::path::Paths;
use utoipa_axum::router::UtoipaMethodRouter;

/// A path and who answers there. Unless its line says more, its time is bounded, it answers data, and every
/// request is worth a line in the access log.
pub(super) struct Route {
    /// Its template: what OpenAPI, metrics and the access log call it.
    pub(super) path: String,
    /// Other paths to the same handlers, which existing clients use.
    pub(super) aliases: Vec<&'static str>,
    pub(super) terms: Terms,
    /// Who answers which method, and what OpenAPI says of it; nothing of a page.
    pub(super) handlers: UtoipaMethodRouter<Context>,
}

/// What the middleware holds a route to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// How loud it is in the access log.
    pub(super) log_level: LogLevel,
    /// How long its answer may take.
    pub(super) time: Time,
    /// What it answers with.
    pub(super) kind: Kind,
}

/// How loud a route is in the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogLevel {
    /// Every request is worth a line.
    Normal,
    /// Probes and scrapes: a line for whoever asks for the debug level.
    Quiet,
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// As long as the settings say.
    Bounded,
    /// As long as reading all state takes.
    Unbounded,
}

/// What a route answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something for programs.
    Data,
    /// Whether the tracker works: also answered when there is no place for anything else.
    Probe,
    /// Something of a library for a browser to show, which sets styles from inside its script.
    Page,
    /// A page of ours: it runs its own files, asks this tracker, and nothing else.
    View,
    /// A file of a page, which never changes under its address.
    Asset,
}

/// A path for people, and who answers there.
pub struct PageRoute {
    path: &'static str,
    kind: Kind,
    handlers: MethodRouter<Context>,
}

impl PageRoute {
    /// Answers with a page.
    pub fn view(path: &'static str, handlers: MethodRouter<Context>) -> Self {
        Self {
            path,
            kind: Kind::View,
            handlers,
        }
    }

    /// Answers with files that never change.
    pub fn asset(path: &'static str, handlers: MethodRouter<Context>) -> Self {
        Self {
            kind: Kind::Asset,
            ..Self::view(path, handlers)
        }
    }

    /// Its path, its handlers, and what the middleware holds it to.
    pub(super) fn into_parts(self) -> (&'static str, MethodRouter<Context>, Terms) {
        let log_level = match self.kind {
            Kind::Asset => LogLevel::Quiet,
            _ => LogLevel::Normal,
        };
        let terms = Terms {
            log_level,
            kind: self.kind,
            ..Terms::DEFAULT
        };
        (self.path, self.handlers, terms)
    }
}

impl Terms {
    pub(super) const DEFAULT: Self = Self {
        log_level: LogLevel::Normal,
        time: Time::Bounded,
        kind: Kind::Data,
    };
}

impl Route {
    /// Of what `routes!` makes of the handlers of one path.
    pub(super) fn of(handlers: UtoipaMethodRouter<Context>) -> Self {
        let path = handlers.1.paths.keys().next().cloned().unwrap_or_default();
        Self {
            path,
            aliases: Vec::new(),
            terms: Terms::DEFAULT,
            handlers,
        }
    }

    /// For a browser; OpenAPI does not tell of it.
    pub(super) fn page(path: &str, handlers: MethodRouter<Context>) -> Self {
        let mut page = Self::of((Vec::new(), Paths::new(), handlers)).quiet();
        path.clone_into(&mut page.path);
        page.terms.kind = Kind::Page;
        page
    }

    pub(super) fn alias(mut self, path: &'static str) -> Self {
        self.aliases.push(path);
        self
    }

    pub(super) fn quiet(mut self) -> Self {
        self.terms.log_level = LogLevel::Quiet;
        self
    }

    pub(super) fn unbounded(mut self) -> Self {
        self.terms.time = Time::Unbounded;
        self
    }

    pub(super) fn probe(mut self) -> Self {
        self.terms.kind = Kind::Probe;
        self
    }

    /// Its path and the other ones.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.path.as_str()).chain(self.aliases.iter().copied())
    }
}
