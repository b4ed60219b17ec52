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
    let ended = runtime.block_on(async {
        let stop = stop::asked()?;
        let announce = |address| tracing::info!(%address, "listening");
        run(config, Parts::default(), stop, announce).await?;
        Ok::<_, anyhow::Error>(())
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format!("{error:#}")),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(code)
}
