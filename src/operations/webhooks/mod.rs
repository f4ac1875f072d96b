//! Webhooks out: what happens to sagas and dead letters, told to whoever is configured, signed, at least once.
//!
//! Nothing waits in a queue: each webhook has cursors in the store, and what lies behind them is what it was not told
//! yet. A receiver that is away so costs no memory, holds nothing up but itself, and is told after a restart as well.
//! What happened is read from projections and the table of dead letters, on threads of its own: ingest does not know of
//! it. Each replica tells by itself; a notice has the same id on all of them.

mod cursors;
mod event;
mod http;
mod late;
mod notice;
mod parts;
mod sender;
mod settings;
mod signature;
mod sources;
mod spawn;
mod status;
mod transport;

#[cfg(test)]
mod tests;

pub use event::NoticeEvent;
pub use parts::Webhooks;
pub use settings::{MAX_URLS, WebhookSettings};
pub use signature::SignerError;
pub use spawn::WebhookError;
pub use status::{NoticeResult, WebhookFigures, WebhookStatus};
