//! Doing what was said.

use anyhow::{Context, bail};
use openkey_simulator::Usage;
use openkey_simulator::dir::Dir;
use openkey_simulator::fault::{Fault, Faults};
use openkey_simulator::process::{self, ProcessOptions};
use openkey_simulator::up::{self, UpOptions, running};
use openkey_verifier::command::output;

use crate::cli::{self, Command, FaultChange};
use crate::unwritten;

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(up) => start(up),
        Command::Down(at) => {
            running::down(&at.dir)?;
            said("stopped\n")
        }
        Command::Status(status) => show(&status),
        Command::Fault(fault) => change(fault),
        Command::CopyStore(copy) => copy_store(&copy),
        Command::Load(load) => crate::load::load(load),
        Command::LoadNode(load) => crate::load::load_node(load),
        Command::Process(process) => be(process),
        Command::SqlWorker => openkey_node::sql::workers::serve().map_err(anyhow::Error::msg),
    }
}

/// Writes what a command found.
fn said(text: &str) -> anyhow::Result<()> {
    output::text(text);
    Ok(output::shown().map_err(unwritten)?)
}

fn usage(text: &str) -> Usage {
    Usage(text.to_owned())
}

fn start(up: cli::Up) -> anyhow::Result<()> {
    let mut faults = Faults::seeded(up.seed);
    for text in &up.faults {
        faults.set_text(text).context(usage("--fault"))?;
    }
    let page_dir = up
        .page_dir
        .map(|dir| {
            dir.canonicalize()
                .with_context(|| usage(&format!("--page-dir {}", dir.display())))
        })
        .transpose()?;
    let options = UpOptions {
        dir: up.at.dir,
        port: up.port,
        json: up.json,
        restart: !up.no_restart,
        until_eof: up.until_eof,
        verbose: up.verbose,
        image: up.image,
        replicas: up.replicas,
        fork_store: up.fork_store.map(cli::Switch::is_on),
        root: up.root,
        node_listen: up.node_listen,
        node: !up.no_node,
        play_operators: up.no_operators.map(|alone| !alone.is_on()),
        faults,
        processes: ProcessOptions {
            no_rate_limits: !up.rate_limit.is_on(),
            page_dir,
            enclaves: 0,
            node: None,
            accounts: up.accounts,
            channel: up.channel_listen,
            log: up.log,
        },
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(up::up(options));
    // A probe may still wait for an answer that nobody needs any more.
    runtime.shutdown_background();
    result
}

fn show(status: &cli::Status) -> anyhow::Result<()> {
    let (dir, mut running) = running::Running::find(&status.at.dir)?;
    let asked = running::ask(&dir, &mut running.ready);
    if status.json {
        said(&format!("{}\n", serde_json::to_string(&running.ready)?))?;
    } else {
        said(&format!("{}\n", running.ready))?;
    }
    asked.context("it is running but does not answer")
}

fn copy_store(copy: &cli::CopyStore) -> anyhow::Result<()> {
    let records = up::copy_store(&copy.dir, &copy.from, &copy.to)?;
    said(&format!(
        "{} has the records of {}: {records}\n",
        copy.to, copy.from
    ))
}

fn change(fault: cli::Fault) -> anyhow::Result<()> {
    let dir = Dir::open(&fault.dir)?;
    let mut shown = String::new();
    running::change_faults(&dir, |faults| {
        match fault.change {
            FaultChange::Set { faults: set, seed } => {
                if let Some(seed) = seed {
                    faults.seed = seed;
                }
                for text in set {
                    faults.set_text(&text).context(usage("fault set"))?;
                }
            }
            FaultChange::Clear { names } if names.is_empty() => {
                *faults = Faults::seeded(faults.seed);
            }
            FaultChange::Clear { names } => {
                for name in names {
                    let fault: Fault = name.parse().context(usage("fault clear"))?;
                    faults.clear(fault);
                }
            }
            FaultChange::Show => {}
        }
        shown = format!("seed={}\n", faults.seed);
        for (fault, setting) in faults.iter() {
            shown.push_str(&format!("{fault}={setting}\n"));
        }
        Ok(())
    })?;
    said(&shown)
}

fn be(process: cli::Process) -> anyhow::Result<()> {
    let Some(it) = process::Process::of_name(&process.name) else {
        bail!(usage(&format!("there is no process {:?}", process.name)));
    };
    let options = ProcessOptions {
        no_rate_limits: process.no_rate_limits,
        page_dir: process.page_dir,
        enclaves: process.enclaves,
        node: process.node_listen,
        accounts: process.accounts,
        channel: process.channel_listen,
        log: process.log,
    };
    it.run(&process.dir, &options)
}
