//! Names as types: a saga id can never be passed where an order id is meant.
//!
//! Ids are shared: an event, its saga's state and the rows in between hold the same bytes. Names of
//! types and steps are short and stand in every event; they are kept in place, without an allocation.

use compact_str::CompactString;
use std::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident in $text:ty) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name($text);

        impl $name {
            /// Wraps the text as it came.
            pub fn new(text: impl Into<$text>) -> Self {
                Self(text.into())
            }

            /// The text as it came.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
    };
}

text_id! {
    /// Identifies one saga: an order id or an identifier of its own. Never empty in the log.
    SagaId in Arc<str>
}
text_id! {
    /// Identifies one event; normally a UUID. May be empty, see [`crate::domain::EventKey`].
    EventId in Arc<str>
}
text_id! {
    /// The order that a saga is about.
    OrderId in Arc<str>
}
text_id! {
    /// The kind of a saga, e.g. `ORDER_CREATION`. Open: any symbol of the writer's schema.
    SagaType in CompactString
}
text_id! {
    /// What happened, e.g. `STOCK_RESERVATION`. Open: any text up to 100 characters.
    Step in CompactString
}
