//! How a component declares what it may be told: one struct, in which every option is one field.
//!
//! The field's name is the option's, its doc comment is the help of the reference and of the flag, and its
//! attribute says what it holds and what else it is called:
//!
//! ```text
//! settings! {
//!     /// How metrics are bounded.
//!     #[derive(Debug)]
//!     pub struct MetricsSettings of [metrics] {
//!         /// Distinct steps that are told apart; further ones are counted as "other".
//!         #[option(Integer(1, 10_000), env = ["METRICS_MAX_STEPS"], flag = "max-steps")]
//!         pub max_steps: usize = 200,
//!     }
//! }
//! ```
//!
//! Fields after `beside` are no options. Where values come from is none of this module's business, but that of
//! `program::config`.

mod secret;

pub(crate) use secret::{Secret, mask_address};

/// What an option holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Any text that is not empty.
    Text,
    /// A Kafka topic name.
    Topic,
    /// A path.
    Path,
    /// One or several http or https addresses.
    Urls,
    /// An IP address.
    Address,
    /// A log filter: a level, or levels by module.
    LogFilter,
    /// A password or token.
    Secret,
    /// A whole number, from and to.
    Integer(u64, u64),
    /// true or false.
    Switch,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Names and values.
    Map,
}

impl Kind {
    /// A timeout in milliseconds.
    pub const MILLIS: Self = Self::Integer(1, 3_600_000);
    /// A timeout in seconds.
    pub const SECONDS: Self = Self::Integer(1, 3_600);
    /// A number of bytes.
    pub const BYTES: Self = Self::Integer(0, i64::MAX as u64);

    /// What is accepted, as the end of a sentence.
    pub fn accepts(&self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Topic => "a topic name (1 to 249 of a-z A-Z 0-9 . _ -)".into(),
            Self::Path => "a path".into(),
            Self::Urls => "http://host:port or https://host:port, several separated by commas".into(),
            Self::Address => "an IP address, e.g. 0.0.0.0 or ::1".into(),
            Self::LogFilter => {
                "error, warn, info, debug, trace, or levels by module as in info,rdkafka=debug".into()
            }
            Self::Secret => "text".into(),
            Self::Integer(from, to) => format!("a whole number from {from} to {to}"),
            Self::Switch => "true or false".into(),
            Self::Choice(words) => words.join(" or "),
            Self::Map => "name=value pairs".into(),
        }
    }
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfigOption {
    /// Its place in the file, e.g. `kafka.group_id`.
    pub key: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Environment names beside the one derived from the key.
    pub aliases: &'static [&'static str],
    /// Its own flag, without dashes. Every option can be set by `--set key=value`.
    pub flag: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
}

/// Makes a struct, its defaults and its `OPTIONS` from one declaration; see the module.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $settings:ident of $section:tt {$(
            $(#[doc = $help:literal])+
            #[option(
                $kind:ident $(($($of:expr),+))?
                $(, env = [$($alias:literal),+])?
                $(, flag = $flag:literal)?
            )]
            pub $name:ident: $type:ty = $default:expr,
        )+}
        $(beside {$(
            $(#[$beside_meta:meta])*
            pub $beside:ident: $beside_type:ty = $beside_default:expr,
        )+})?
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $settings {
            $($(#[doc = $help])+ pub $name: $type,)+
            $($($(#[$beside_meta])* pub $beside: $beside_type,)+)?
        }

        impl Default for $settings {
            fn default() -> Self {
                Self {
                    $($name: $default,)+
                    $($($beside: $beside_default,)+)?
                }
            }
        }

        impl $settings {
            /// Its options, in the order of the reference.
            pub(crate) const OPTIONS: &[$crate::settings::ConfigOption] = &[$(
                $crate::settings::ConfigOption {
                    key: $crate::settings::key!($section $name),
                    kind: $crate::settings::Kind::$kind $(($($of),+))?,
                    aliases: &[$($($alias),+)?],
                    flag: $crate::settings::flag!($($flag)?),
                    help: concat!($($help),+).trim_ascii_start(),
                },
            )+];
        }
    };
}

/// The place of an option in the file.
macro_rules! key {
    ([] $name:ident) => {
        stringify!($name)
    };
    ([$section:ident] $name:ident) => {
        concat!(stringify!($section), ".", stringify!($name))
    };
}

macro_rules! flag {
    () => {
        None
    };
    ($flag:literal) => {
        Some($flag)
    };
}

pub(crate) use {flag, key, settings};
