//! A host that keeps two histories: each enclave has a host-proxy and a store of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::{Context, bail};

use super::prepare::{Machines, Plan};
use super::running::Running;
use super::{ReadyHost, UpOptions};
use crate::Usage;
use crate::dir::{Dir, Kept, RootKind};
use crate::files;
use crate::records::Records;

/// Decides where the further host-proxies listen, and keeps it. Nothing measures it, so one moves
/// whose port is taken.
pub(super) fn plan(
    dir: &Dir,
    kept: &mut Kept,
    options: &UpOptions,
    machines: Option<&Machines>,
) -> anyhow::Result<()> {
    let before = std::mem::take(&mut kept.forks);
    if !options.fork_store.unwrap_or(!before.is_empty()) {
        return Ok(());
    }
    if kept.replicas < 2 {
        bail!(Usage(
            "--fork-store gives each enclave a store of its own, and there is one enclave: add \
             --replicas 2 (or --fork-store=off, for one store again)"
                .to_owned()
        ));
    }
    if options.processes.channel.is_some() {
        bail!(
            "--fork-store starts a host-proxy for each enclave, and they cannot all listen at one \
             --channel-listen: leave --channel-listen away"
        );
    }
    if kept.root == RootKind::Kms {
        bail!(
            "--fork-store does not go with a root key from KMS, whose stand-in belongs to one \
             host-proxy ({}): choose another --dir, with --root operators",
            dir.path().display()
        );
    }
    if machines.is_some_and(|machines| machines.successor.is_some()) {
        bail!(
            "--fork-store does not go with an upgrade to another image: upgrade without it first"
        );
    }
    // Held until all are chosen, so that no two are the same.
    let mut held = vec![];
    for at in 0..usize::from(kept.replicas) - 1 {
        let wanted = before.get(at).copied().unwrap_or_default();
        let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = match listen(wanted) {
            Ok(listener) if listener.local_addr()?.port() != kept.port => listener,
            // The page's host-proxy is to have that one.
            Ok(page) => {
                let other = listen(0);
                held.push(page);
                other?
            }
            Err(_) => listen(0).context("no free port for another host-proxy")?,
        };
        kept.forks.push(listener.local_addr()?.port());
        held.push(listener);
    }
    Ok(())
}

/// Makes the stores that are missing, as copies of the first.
pub(super) fn stores(dir: &Dir, plan: &Plan) -> anyhow::Result<()> {
    for number in plan.hosts() {
        let store = dir.store_of(number);
        files::private_dir(&store).with_context(|| store.display().to_string())?;
        if Records::exists(&dir.store()) && !Records::exists(&store) {
            Records::open(&dir.store())?.copy_to_new(&store)?;
        }
    }
    Ok(())
}

/// Shows the enclave `to` what the enclave `from` is shown now, in the simulation that runs in a
/// directory. Returns how many records that are.
///
/// # Errors
///
/// If no simulation runs there, an id is none of its enclaves', or both enclaves have one store.
pub fn copy_store(dir: &Path, from: &str, to: &str) -> anyhow::Result<usize> {
    if from == to {
        bail!(Usage(format!(
            "{from} is both enclaves: name two different ones"
        )));
    }
    let (_, running) = Running::find(dir)?;
    let hosts = &running.ready.hosts;
    let (from, to) = (host(hosts, from)?, host(hosts, to)?);
    if from.store == to.store {
        bail!(
            "both enclaves have the store {}: stop the simulation, and start it with --fork-store",
            to.store.display()
        );
    }
    let rows = Records::open(&from.store)?.rows()?;
    Records::open(&to.store)?.restore(&rows)?;
    Ok(rows.len())
}

fn host<'a>(hosts: &'a [ReadyHost], enclave: &str) -> anyhow::Result<&'a ReadyHost> {
    let serves = |host: &&ReadyHost| host.enclaves.iter().any(|id| id == enclave);
    let found = hosts.iter().find(serves);
    found.with_context(|| {
        let ids = hosts.iter().flat_map(|host| &host.enclaves);
        let ids: Vec<&str> = ids.map(String::as_str).collect();
        format!(
            "there is no enclave {enclave}: choose of {}",
            ids.join(", ")
        )
    })
}
