//! The flags that set options. They are made from the table of options, so that a flag's name, help
//! and default are written once.

use super::exit::Failure;
use crate::program::config::{Flag, Loaded, Sources, options};
use crate::settings::Kind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint, value_parser};
use std::path::PathBuf;

const HEADING: &str = "Configuration (environment and --config set the same; see `config --reference`)";

/// The file and the flags that a command was given.
#[derive(Clone, Debug, Default)]
pub(super) struct ConfigArgs {
    file: Option<PathBuf>,
    flags: Vec<Flag>,
}

impl ConfigArgs {
    /// The configuration from all sources.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        Ok(Sources::of_process(self.file.clone(), self.flags.clone()).load()?)
    }

    /// Whether the option was given as a flag.
    pub(super) fn gives(&self, key: &str) -> bool {
        self.flags.iter().any(|flag| flag.key == key)
    }
}

impl FromArgMatches for ConfigArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut read = Self::default();
        read.update_from_arg_matches(matches)?;
        Ok(read)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one::<PathBuf>("config").cloned();
        let settings = matches.get_many::<String>("set").into_iter().flatten();
        for setting in settings {
            let (key, value) = setting.split_once('=').ok_or_else(|| {
                let told = format!("--set takes section.key=value, found {setting:?}\n");
                clap::Error::raw(clap::error::ErrorKind::ValueValidation, told)
            })?;
            self.flags.push(Flag {
                name: "--set".into(),
                key: key.into(),
                value: value.into(),
            });
        }
        for option in options() {
            let Some(flag) = option.flag else { continue };
            if matches.value_source(option.key) != Some(ValueSource::CommandLine) {
                continue;
            }
            for value in matches.get_many::<String>(option.key).into_iter().flatten() {
                let name = format!("--{flag}");
                self.flags.push(Flag {
                    name,
                    key: option.key.into(),
                    value: value.clone(),
                });
            }
        }
        Ok(())
    }
}

impl Args for ConfigArgs {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help_heading(HEADING)
            .help("TOML file to read options from [env: SAGA_TRACKER_CONFIG]");
        let set = Arg::new("set")
            .long("set")
            .value_name("SECTION.KEY=VALUE")
            .action(ArgAction::Append)
            .help_heading(HEADING)
            .help("Set any option, e.g. --set store.block_cache_mib=256");
        let flags = options().filter_map(|option| {
            let repeats = option.kind == Kind::Map;
            let (value_name, hint) = match option.kind {
                Kind::Map => ("NAME=VALUE", ValueHint::Other),
                Kind::Path => ("PATH", ValueHint::AnyPath),
                Kind::Urls => ("URL", ValueHint::Url),
                Kind::Integer(..) => ("NUMBER", ValueHint::Other),
                _ => ("VALUE", ValueHint::Other),
            };
            let mut names = option.aliases.to_vec();
            let derived = option.env();
            names.push(&derived);
            let default = option
                .default_text()
                .map(|text| format!(" [default: {text}]"))
                .unwrap_or_default();
            // The reference tells the rest; here one sentence is enough.
            let sentence = option
                .help
                .split_once(". ")
                .map_or(option.help, |(first, _)| first);
            let help = format!("{}{default} [env: {}]", sentence.trim_end_matches('.'), names[0]);
            Some(
                Arg::new(option.key)
                    .long(option.flag?)
                    .value_name(value_name)
                    .value_hint(hint)
                    .action(if repeats {
                        ArgAction::Append
                    } else {
                        ArgAction::Set
                    })
                    .help_heading(HEADING)
                    .help(help),
            )
        });
        command.arg(file).args(flags.collect::<Vec<_>>()).arg(set)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
