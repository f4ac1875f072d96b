//! The HTTP surface: routes, what travels over them, and the server that cuts slow clients off.
//!
//! A handler parses its question, asks, and lays out the answer. What an answer *is* belongs to
//! `query`, health's rules to [`health`], names of metrics to `metrics`: a page asks the same rooms.
//!
//! [`routes`] is the one place where routes are declared; [`shell`] what every request passes
//! through.

mod actuator;
pub mod admin;
mod audit;
mod body;
mod body_room;
mod caller;
mod chunked;
mod context;
mod docs;
mod error;
mod gone;
pub mod health;
mod internal;
mod letters;
mod noting;
mod origin;
mod params;
mod places;
pub mod removals;
mod request_id;
mod routes;
mod sagas;
mod server;
mod settings;
mod shares;
mod shell;
mod slow_body;
mod text;

pub use caller::{Caller, OPERATOR};
pub use context::{Context, Parts};
pub use docs::openapi_json;
pub use error::{ApiError, Detail, ErrorBody, ErrorKind};
pub use routes::router;
pub use server::{Server, ServerError, ServerHandle};
pub use settings::ServerSettings;
