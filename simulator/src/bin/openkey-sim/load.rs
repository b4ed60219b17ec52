//! `openkey-sim load` and `load-node`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use openkey_simulator::load::{LoadOptions, Stop, read_back, run};
use openkey_simulator::load_node::{self, LoadNodeOptions};
use openkey_simulator::person::Site;
use openkey_simulator::up::running::Running;
use openkey_verifier::client::Host;
use openkey_verifier::command::output;

use crate::{cli, unwritten};

/// The relying party of a simulation's passkeys.
const RP_ID: &str = "localhost";
/// Exit code of a program that Ctrl-C ended, as shells say it.
const INTERRUPTED: i32 = 130;

pub(crate) fn load(load: cli::Load) -> anyhow::Result<()> {
    let (site, local) = site(&load)?;
    if let Some(file) = &load.verify {
        let found = read_back(&site, file, RP_ID, load.connections)?;
        print(&found, load.json)?;
        if !found.missing.is_empty() {
            bail!("{} acknowledgements were lost", found.missing.len());
        }
        return Ok(());
    }
    let options = LoadOptions {
        accounts: load.accounts,
        connections: load.connections,
        duration: Duration::from_secs(load.seconds),
        stop: interrupted()?,
        acks: load.acks,
    };
    eprintln!(
        "signing up {} accounts over {} connections, then signing for {} s",
        options.accounts, options.connections, load.seconds
    );
    let dir = load.at.dir;
    let processes = || {
        let running = Running::find(&dir).ok().filter(|_| local);
        let processes = running.map(|(_, running)| running.ready.processes);
        let processes = processes.unwrap_or_default().into_iter();
        processes.map(|it| (it.name, it.pid)).collect()
    };
    let report = run(&site, &options, &processes)?;
    print(&report, load.json)
}

pub(crate) fn load_node(load: cli::LoadNode) -> anyhow::Result<()> {
    let options = LoadNodeOptions {
        urls: load.urls,
        what: load.what,
        connections: load.connections,
        duration: Duration::from_secs(load.seconds),
        stop: interrupted()?,
        keys: load.keys,
        pids: load.pids,
        patient: load.acks.is_some(),
        pace: load.pace_ms.map(Duration::from_millis),
        acks: load.acks,
        seed: load.seed,
    };
    if let Some(file) = &load.read_back {
        let found = load_node::read_back(&options, file)?;
        print(&found, load.json)?;
        if !found.missing.is_empty() {
            bail!("{} acknowledgements were lost", found.missing.len());
        }
        return Ok(());
    }
    let report = load_node::run(&options)?;
    print(&report, load.json)?;
    if report.errors.contains_key("status_429") {
        eprintln!("the node limited the rate: start it with --rate off");
    }
    Ok(())
}

/// Ctrl-C ends a run with its report; a second one ends the program.
fn interrupted() -> anyhow::Result<Stop> {
    let stop = Stop::default();
    let asked = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() && !asked.is_asked() {
                asked.stop();
                eprintln!("ending; Ctrl-C once more to end without a report");
            }
        });
        std::process::exit(INTERRUPTED);
    });
    Ok(stop)
}

/// Whom to ask, and whether it is the simulation in the directory.
fn site(load: &cli::Load) -> anyhow::Result<(Arc<Site>, bool)> {
    if let Some(url) = &load.url {
        let policy = load.policy.as_ref().context("--url needs --policy")?;
        let policy = std::fs::read(policy).with_context(|| policy.display().to_string())?;
        let host = Host::new(url)?;
        let enclaves = host.enclaves()?;
        let first = enclaves.first().context("the host lists no enclave")?;
        let client = host.client(first);
        return Ok((Site::new(client.api(), host.url(), &policy)?, false));
    }
    let (_, running) = Running::find(&load.at.dir)?;
    let ready = running.ready;
    let policy = load.policy.as_ref().unwrap_or(&ready.policy);
    let policy = std::fs::read(policy).with_context(|| policy.display().to_string())?;
    let enclave = ready.enclaves.first().context("no enclave is running")?;
    Ok((Site::new(&enclave.api, &ready.page, &policy)?, true))
}

fn print(found: &(impl serde::Serialize + std::fmt::Display), json: bool) -> anyhow::Result<()> {
    if json {
        output::json(found);
    } else {
        output::text(&found.to_string());
    }
    Ok(output::shown().map_err(unwritten)?)
}
