//! The page that operators look at, served by the tracker itself.
//!
//! A view asks the public API inside the process, in the name of whoever asks the page ([`crate::server::api::InProcess`]),
//! and fills a template with the answers: there is no second data model here, and no way to the store. What is changed is
//! changed by the browser, through the same API. Each template says at its top what it is given; the views lay that out.

mod address;
mod app;
mod assets;
mod command_line;
mod definition;
mod deployment;
mod failure;
mod files;
mod format;
mod graph;
mod preferences;
mod routes;
mod settings;
mod shapes;
mod shell;
mod templates;
mod texts;
mod times;
mod values;
mod views;
mod visit;

pub use app::Page;
pub use deployment::Deployment;
pub use routes::with_page;
pub use settings::PageSettings;
pub use templates::TemplatesError;
pub use texts::TextsError;
