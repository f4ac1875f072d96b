//! The HTTP surface: routes, what travels over them, and the server that cuts slow clients off.
//!
//! A handler parses its question, asks, and lays out the answer. What an answer *is* belongs to
//! `query`, health's rules to [`health`], names of metrics to `metrics`. The page asks these routes, inside the process
//! ([`InProcess`]), and stands beside them ([`router_with`]).
//!
//! [`routes`] gathers the routes, which each noun lists; [`middleware`] is what every request passes
//! through.

mod actuator;
mod audit;
mod audit_entry;
mod body;
mod body_room;
mod caller;
mod census;
mod chunked;
mod context;
mod dead_letters;
mod definitions;
mod docs;
mod error;
mod events;
mod export;
mod flow;
mod gone;
pub mod health;
mod in_process;
mod incident_sagas;
mod incidents;
mod internal;
mod json_list;
mod ledger;
mod live;
mod middleware;
mod options;
mod origin;
mod overview;
mod overview_facts;
mod params;
mod parts;
mod places;
mod query_errors;
mod request_id;
mod retention;
mod route;
mod routes;
mod saga_fields;
mod sagas;
mod server;
mod settings;
mod shared_answers;
mod shares;
mod slow_body;
mod suggest;
mod text;
mod viewers;
mod waiters;

pub use crate::domain::text::is_unseen;
pub use crate::operations::dead_letters::DeadLetterId;
pub use caller::{Caller, OPERATOR};
pub use context::Context;
pub use error::{ApiError, Detail, ErrorBody, ErrorKind};
pub use in_process::{Asker, InProcess, InsideAnswer};
pub use middleware::OwnBody;
pub use options::{OptionInForce, OptionSource};
pub use origin::is_cross_site;
pub use parts::{EndedPart, EndedParts, Parts};
pub use route::PageRoute;
pub use routes::{openapi_json, router, router_with};
pub use sagas::filter::MAX_STEPS;
pub use server::{Server, ServerError, ServerHandle};
pub use settings::{HealthSettings, ServerSettings};
