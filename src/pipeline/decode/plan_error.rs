//! Why a writer schema is of no use.

/// Why a writer schema cannot be read as the contract. Every record written with it is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No record at the top.
    #[error("the writer schema is of type {0}; accepted: a record with the fields of SagaTracker")]
    NotARecord(&'static str),
    /// A field of the contract that has no default.
    #[error("field {0} is missing from the writer schema and has no default")]
    Missing(&'static str),
    /// A field of another type.
    #[error("field {field} is of type {found} in the writer schema; accepted: {accepted}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// The writer's type.
        found: String,
        /// What it could be.
        accepted: &'static str,
    },
    /// A type that is referred to and defined nowhere.
    #[error("the writer schema refers to the type {0}, which neither it nor its references define")]
    UnknownName(String),
    /// Types within types without end.
    #[error("the writer schema nests types more than {0} deep")]
    TooDeep(usize),
}
