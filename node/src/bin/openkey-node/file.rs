//! The settings of a file, as defaults of the flags.

use std::path::Path;

use anyhow::{Context as _, bail};
use clap::{ArgAction, Command};
use toml::{Table, Value};

/// Gives each flag that a file names the file's value as its default, so that variables and flags come
/// before it. A name that is no flag is refused: a misspelt bound must not be silently none.
pub(crate) fn defaults(command: Command, path: &Path) -> anyhow::Result<Command> {
    let text = std::fs::read_to_string(path).context("cannot be read")?;
    let table: Table = text.parse().context("is no TOML")?;
    let mut command = command;
    for (name, value) in table {
        let flags: Vec<_> = command
            .get_arguments()
            .map(|arg| (arg.get_id().clone(), arg.get_long()))
            .collect();
        let flag = flags
            .iter()
            .find(|(_, long)| long.is_some_and(|long| long == name.replace('_', "-")));
        let id = match flag {
            Some((id, _)) if !matches!(id.as_str(), "config" | "json" | "help" | "version") => {
                id.clone()
            }
            _ => bail!("{name} is no setting: see openkey-node --help"),
        };
        let values: Option<Vec<String>> = match value {
            Value::Array(values) => values.into_iter().map(text_of).collect(),
            value => text_of(value).map(|text| vec![text]),
        };
        let Some(values) = values else {
            bail!("{name} is neither a text nor a whole number");
        };
        let takes_many = command
            .get_arguments()
            .any(|arg| *arg.get_id() == id && matches!(arg.get_action(), ArgAction::Append));
        if values.len() != 1 && !takes_many {
            bail!("{name} takes one value");
        }
        command = command.mut_arg(id, |arg| arg.default_values(values));
    }
    Ok(command)
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}
