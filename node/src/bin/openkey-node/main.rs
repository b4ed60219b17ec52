//! `openkey-node`: a TinyCloud node.

mod cli;
mod file;
mod say;
mod upkeep;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _};
use openkey_edge::{log, stop};
use openkey_node::clock::SystemClock;
use openkey_node::server::Server;
use openkey_node::sql::WorkerProgram;

use cli::{Action, Cli};

/// Exit status for a wrong flag or file, as clap's own.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    if matches!(cli.action, Some(Action::SqlWorker)) {
        return match openkey_node::sql::workers::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &format!("{}: {error}", WorkerProgram::ARGUMENT)),
        };
    }
    if let Err(error) = log::init(cli.log_format, &cli.log) {
        return fail(USAGE, &format!("--log: {error}"));
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("no threads to work with: {error}")),
    };
    match runtime.block_on(run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended::Usage(error)) => fail(USAGE, &format!("{error:#}")),
        Err(Ended::Failed(error)) => fail(1, &format!("{error:#}")),
    }
}

/// Flags before variables before the file.
fn read() -> Result<Cli, ExitCode> {
    let told = |error: clap::Error| {
        // clap prints help to standard output, and errors to standard error
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
    };
    let first = Cli::command()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let first = first.map_err(told)?;
    let Some(path) = &first.config else {
        return Ok(first);
    };
    let command = file::defaults(Cli::command(), path);
    let command =
        command.map_err(|error| fail(USAGE, &format!("{}: {error:#}", path.display())))?;
    let matches = command
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    matches.map_err(told)
}

/// Why the program ends early.
enum Ended {
    /// A flag, a variable or a file that it names.
    Usage(anyhow::Error),
    /// Anything else.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

async fn run(cli: &Cli) -> Result<(), Ended> {
    let dir = || cli.dir().map_err(Ended::Usage);
    match &cli.action {
        None | Some(Action::SqlWorker) => return serve(cli).await,
        Some(Action::Clock { accept }) => upkeep::clock(&dir()?, *accept, cli.json).await?,
        Some(Action::Check) => upkeep::check(&dir()?, cli.json).await?,
        Some(Action::Backup { to }) => upkeep::backup(&dir()?, to, cli.json).await?,
        Some(Action::Restore { from }) => upkeep::restore(&dir()?, from, cli.json).await?,
    }
    Ok(())
}

async fn serve(cli: &Cli) -> Result<(), Ended> {
    let config = cli.config().map_err(Ended::Usage)?;
    let serving = cli.serving().map_err(Ended::Usage)?;
    let stop = stop::asked()?;
    for name in unknown_variables() {
        tracing::warn!(
            name,
            "this variable is no setting of the node and has no effect"
        );
    }
    let server = Server::start(config, serving, Arc::new(SystemClock))?;
    let (address, node_id) = (server.address(), server.node_id());
    tracing::info!(%address, node_id, "listening");
    let said = if cli.json {
        let ready = serde_json::json!({ "url": format!("http://{address}"), "nodeId": node_id });
        say::line(&ready.to_string())
    } else {
        say::line(&format!(
            "TinyCloud node {node_id}\nlistening on http://{address}"
        ))
    };
    // whoever started it may read the log instead
    if let Err(error) = said {
        tracing::warn!("{error:#}");
    }
    server.serve(stop).await;
    Ok(())
}

/// Variables that are named as settings are, and that nobody reads.
fn unknown_variables() -> Vec<String> {
    let command = Cli::command();
    let known = |name: &str| {
        let mut settings = command.get_arguments().filter_map(clap::Arg::get_env);
        settings.any(|setting| setting == name)
    };
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let named = names.filter(|name| name.starts_with("OPENKEY_NODE_") && !known(name));
    named.collect()
}

fn fail(code: u8, message: &str) -> ExitCode {
    log::complain(message);
    ExitCode::from(code)
}
