//! What an operator can set about the page.

use crate::settings::settings;
use std::collections::BTreeMap;
use std::path::PathBuf;

settings! {
    /// The page that operators look at.
    #[derive(Debug)]
    pub struct PageSettings of [page] {
        /// Whether / and /ui answer with the page. The API answers either way.
        #[option(Switch)]
        pub enabled: bool = true,
        /// The path under which an ingress shows this tracker, e.g. /tracker. It may take that path off before it asks, or
        /// leave it on: both are answered.
        #[option(Text)]
        pub base_path: Option<String> = None,
        /// Links that a saga and its events show, by their label. {sagaId}, {orderId}, {sagaType}, {traceId}, {step},
        /// {service}, {from} and {to} are filled in, percent-encoded; a link of which one stays empty is left out. Only http
        /// and https are shown.
        #[option(Map)]
        pub links: BTreeMap<String, String> = BTreeMap::new(),
        /// Searches that are offered beside the built in ones, by their label: the query of a search of the page, as in
        /// status=FAILED&step=PAYMENT_FAILED.
        #[option(Map)]
        pub searches: BTreeMap<String, String> = BTreeMap::new(),
        /// Directory with templates, texts and assets to read at every request instead of the ones in the program: for
        /// whoever works on the page.
        #[option(Path)]
        pub files: Option<PathBuf> = None,
    }
}

impl PageSettings {
    /// What stands in front of every path: nothing, or a path that begins with a slash and ends without one.
    pub fn base(&self) -> String {
        let path = self.base_path.as_deref().unwrap_or_default().trim_matches('/');
        if path.is_empty() {
            String::new()
        } else {
            format!("/{path}")
        }
    }
}
