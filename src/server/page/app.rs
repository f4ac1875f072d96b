//! The page as it is served: its files, its settings, and the API that it asks.

use super::deployment::Deployment;
use super::files::Files;
use super::settings::PageSettings;
use super::shapes::Shapes;
use super::shell::Shell;
use super::templates::{Templates, TemplatesError};
use crate::server::api::InProcess;
use std::sync::Arc;

/// The page. Cheap to clone.
#[derive(Clone)]
pub struct Page {
    inner: Arc<Inner>,
}

struct Inner {
    settings: PageSettings,
    base: String,
    deployment: Deployment,
    api: InProcess,
    templates: Templates,
    shapes: Shapes,
    shell: Shell,
}

impl Page {
    /// Over this API.
    ///
    /// # Errors
    /// When a template or a text is not as it must be.
    pub fn new(
        settings: PageSettings,
        deployment: Deployment,
        api: InProcess,
    ) -> Result<Self, TemplatesError> {
        let base = settings.base();
        let templates = Templates::read(&Files::new(settings.files.clone()), &base)?;
        let inner = Inner {
            base,
            settings,
            deployment,
            api,
            templates,
            shapes: Shapes::of_api(),
            shell: Shell::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    pub(super) fn settings(&self) -> &PageSettings {
        &self.inner.settings
    }

    /// What stands in front of every path.
    pub(super) fn base(&self) -> &str {
        &self.inner.base
    }

    pub(super) fn deployment(&self) -> &Deployment {
        &self.inner.deployment
    }

    pub(super) fn api(&self) -> &InProcess {
        &self.inner.api
    }

    pub(super) fn templates(&self) -> &Templates {
        &self.inner.templates
    }

    /// What the frame of every view tells.
    pub(super) fn shell(&self) -> &Shell {
        &self.inner.shell
    }

    pub(super) fn shapes(&self) -> &Shapes {
        &self.inner.shapes
    }
}
