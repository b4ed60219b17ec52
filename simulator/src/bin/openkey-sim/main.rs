//! `openkey-sim`: the whole system on a laptop, in one command, with faults on demand.
//!
//! Exit status: 0 done, 1 failed, 2 a wrong flag or argument, or stdout that cannot be written.

mod cli;
mod load;
mod run;

use std::process::ExitCode;

use clap::Parser;
use openkey_simulator::Usage;
use openkey_verifier::command::Failure;

/// Exit status for what cannot be asked, as clap's own.
const USAGE: u8 = 2;

/// That stdout took nothing: whoever started this program has not read what it found.
fn unwritten(Failure { rule, message }: Failure) -> Usage {
    Usage(format!("{rule}: {message}"))
}

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match run::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref::<Usage>() {
                Some(_) => ExitCode::from(USAGE),
                None => ExitCode::FAILURE,
            }
        }
    }
}
