//! Named places where a crash test may kill the process. Nothing at all without the feature
//! `failpoints`; with it, `FAILPOINTS="ingest.after_write=3*off->1*return"` aborts at the fourth pass.

/// Passes the place; aborts here when the environment says so.
#[cfg(feature = "failpoints")]
pub(crate) fn pass(name: &str) {
    let _: Option<()> = fail::eval(name, |_| std::process::abort());
}

/// Passes the place.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn pass(_name: &str) {}

/// While this lives, the places do what the environment says.
pub(crate) struct Armed {
    #[cfg(feature = "failpoints")]
    _scenario: fail::FailScenario<'static>,
}

impl Armed {
    /// Reads `FAILPOINTS`.
    pub(crate) fn from_environment() -> Self {
        Self {
            #[cfg(feature = "failpoints")]
            _scenario: fail::FailScenario::setup(),
        }
    }
}
