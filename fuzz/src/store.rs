//! Keys, records and the table of tables, without the engines.

#[path = "../../src/store/cells.rs"]
pub mod cells;
#[path = "../../src/store/census_records.rs"]
mod census_records;
#[path = "../../src/store/codec.rs"]
pub mod codec;
#[path = "../../src/store/dead_letter_records.rs"]
mod dead_letter_records;
#[path = "../../src/store/error.rs"]
mod error;
#[path = "../../src/store/incident_records.rs"]
mod incident_records;
#[path = "../../src/store/key.rs"]
mod key;
#[path = "../../src/store/keys.rs"]
pub mod keys;
#[path = "../../src/store/late_records.rs"]
mod late_records;
#[path = "../../src/store/ledger_records.rs"]
mod ledger_records;
#[path = "../../src/store/notice_records.rs"]
mod notice_records;
#[path = "../../src/store/projection_keys.rs"]
mod projection_keys;
#[path = "../../src/store/purged_records.rs"]
mod purged_records;
#[path = "../../src/store/records.rs"]
pub mod records;
#[path = "../../src/store/state_records.rs"]
mod state_records;
#[path = "../../src/store/table.rs"]
mod table;

pub use error::StoreError;
pub use table::Table;
