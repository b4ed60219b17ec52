//! `openkey-sim`: the whole system on a laptop, in one command, with faults on demand.
//!
//! Exit status: 0 done, 1 failed, 2 a wrong flag or argument.

mod cli;
mod load;
mod run;

use std::process::ExitCode;

use clap::Parser;
use openkey_simulator::Usage;

/// Exit status for what cannot be asked, as clap's own.
const USAGE: u8 = 2;

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
