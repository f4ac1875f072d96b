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

/// Room on the disk as a test has it: the number in the file that `SAGA_TRACKER_TEST_FREE_BYTES_FILE`
/// names. None without the feature, the variable or the file.
pub(crate) fn pretended_free_bytes() -> Option<u64> {
    #[cfg(feature = "failpoints")]
    if let Some(path) = std::env::var_os("SAGA_TRACKER_TEST_FREE_BYTES_FILE") {
        return std::fs::read_to_string(path).ok()?.trim().parse().ok();
    }
    None
}

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
