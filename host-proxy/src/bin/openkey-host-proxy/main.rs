//! `openkey-host-proxy`: the untrusted half of a deployment.

mod cli;
mod side;

use std::process::ExitCode;

use clap::Parser as _;
use openkey_edge::{log, stop};
use openkey_host_proxy::{Parts, run};

/// Exit status for a wrong flag or file, as clap's own.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    if let Err(error) = log::init(cli.log_format, &cli.log) {
        return fail(USAGE, &format!("--log: {error}"));
    }
    let config = match cli.config() {
        Ok(config) => config,
        Err(error) => return fail(USAGE, &format!("{error:#}")),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("no threads to work with: {error}")),
    };
    runtime.block_on(async {
        let stop = match stop::asked() {
            Ok(stop) => stop,
            Err(error) => return fail(1, &format!("cannot wait for signals: {error}")),
        };
        let announce = |address| tracing::info!(%address, "listening");
        match run(config, Parts::default(), stop, announce).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.is_usage() => fail(USAGE, &error.to_string()),
            Err(error) => fail(1, &error.to_string()),
        }
    })
}

fn fail(code: u8, message: &str) -> ExitCode {
    log::complain(message);
    ExitCode::from(code)
}
