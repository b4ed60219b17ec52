//! What a simulation says: progress on standard error, itself on standard output.

use anyhow::bail;
use openkey_verifier::command::{Failure, output};

use super::keeper::Told;
use super::{Ready, logfile};
use crate::Usage;
use crate::dir::Dir;

/// Lines of a log that are shown when a process does not start.
const SHOWN_LINES: usize = 12;

/// Says what has happened; an error if it cannot go on.
pub(super) fn say(told: &Told, dir: &Dir, restart: bool, answered: bool) -> anyhow::Result<()> {
    match told {
        Told::Started(process, pid) => eprintln!("{} runs as process {pid}", process.name()),
        Told::Ended(process, pid, status) => {
            let next = if restart {
                "starting it again with the same state"
            } else {
                "it stays down (--no-restart)"
            };
            eprintln!("{} (process {pid}) ended: {status}; {next}", process.name());
        }
        Told::Stopped(process, pid) => {
            eprintln!("{} (process {pid}) was stopped with it", process.name());
        }
        Told::Failing(process) if !answered => bail!(
            "{} does not start; the end of its log ({}):\n{}",
            process.name(),
            dir.logs().display(),
            logfile::tail(&dir.logs(), &process.name(), SHOWN_LINES),
        ),
        Told::Failing(process) => {
            eprintln!("{} keeps ending by itself; see its log", process.name());
        }
        Told::Unstartable(process, error) => bail!("{} cannot be started: {error}", process.name()),
    }
    Ok(())
}

/// Says that everything answers; without `serves` that it waits for its operators.
pub(super) fn print(ready: &Ready, json: bool, serves: bool) -> anyhow::Result<()> {
    if json {
        output::json(ready);
    } else {
        let dir = ready.dir.display();
        let open = if serves {
            "Open the page in a browser."
        } else {
            "The enclaves wait for their root key; until they have it the page can do nothing but verify."
        };
        output::text(&format!(
            "\nOpenKey is running: a simulation, which protects nothing.\n\n{ready}\n\
             {open} Check the enclave yourself:\n  \
             openkey-verify host {} --policy {}\n\
             (from the sources: cargo run --release -p openkey-verifier --bin openkey-verify -- host …)\n\
             Ctrl-C stops everything; `up --dir {dir}` goes on where it was.\n",
            ready.page,
            ready.policy.display()
        ));
    }
    let unwritten = |Failure { rule, message }| Usage(format!("{rule}: {message}"));
    Ok(output::shown().map_err(unwritten)?)
}
