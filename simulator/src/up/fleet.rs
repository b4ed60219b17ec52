//! All processes under way, kept alive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::UpOptions;
use super::keeper::{Keeper, Told};
use super::ready::ReadyProcess;
use crate::dir::Dir;
use crate::process::Process;

/// How long host-proxy may take to stop; with the enclaves less than two seconds.
const HOST_PROXY_PATIENCE: Duration = Duration::from_millis(1400);
/// How long everything else may take: nobody asks it anything any more.
const PATIENCE: Duration = Duration::from_millis(450);

/// The processes under way.
pub(super) struct Fleet {
    dir: Dir,
    options: UpOptions,
    units: Vec<Unit>,
    tell: mpsc::UnboundedSender<Told>,
    told: mpsc::UnboundedReceiver<Told>,
    pids: BTreeMap<Process, u32>,
}

struct Unit {
    processes: Vec<Process>,
    stop: watch::Sender<bool>,
    keeper: JoinHandle<()>,
}

impl Fleet {
    pub(super) fn new(dir: &Dir, options: &UpOptions) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            dir: dir.clone(),
            options: options.clone(),
            units: Vec::new(),
            tell,
            told,
            pids: BTreeMap::new(),
        }
    }

    /// How many enclaves host-proxy is told of at its next start.
    pub(super) const fn expect(&mut self, enclaves: u8) {
        self.options.processes.enclaves = enclaves;
    }

    /// Starts processes that live and die together.
    pub(super) fn start(&mut self, unit: &[Process]) {
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper {
            unit: unit.to_vec(),
            dir: self.dir.clone(),
            options: Arc::new(self.options.processes.clone()),
            restart: self.options.restart,
            verbose: self.options.verbose,
            patience: if unit.iter().any(|process| process.is_host_proxy()) {
                HOST_PROXY_PATIENCE
            } else {
                PATIENCE
            },
            tell: self.tell.clone(),
        };
        self.units.push(Unit {
            processes: unit.to_vec(),
            stop,
            keeper: tokio::spawn(keeper.keep(stopped)),
        });
    }

    /// The next thing that happens, noted.
    pub(super) async fn told(&mut self) -> Option<Told> {
        let told = self.told.recv().await?;
        match &told {
            Told::Started(process, pid) => {
                self.pids.insert(*process, *pid);
            }
            Told::Ended(process, ..) | Told::Stopped(process, _) => {
                self.pids.remove(process);
            }
            Told::Failing(_) | Told::Unstartable(..) => {}
        }
        Some(told)
    }

    /// Who runs now.
    pub(super) fn processes(&self) -> Vec<ReadyProcess> {
        self.pids
            .iter()
            .map(|(process, pid)| ReadyProcess {
                name: process.name().into_owned(),
                pid: *pid,
            })
            .collect()
    }

    /// Stops the unit of a process, and forgets it.
    pub(super) async fn stop(&mut self, process: Process) {
        let unit = self
            .units
            .iter()
            .position(|unit| unit.processes.contains(&process));
        if let Some(at) = unit {
            let unit = self.units.swap_remove(at);
            unit.stop.send_replace(true);
            // A keeper that broke has dropped its processes, which kills them.
            let _ = unit.keeper.await;
            for process in unit.processes {
                self.pids.remove(&process);
            }
        }
    }

    /// Stops everything: host-proxies first, so that requests end before the enclave that answers
    /// them.
    pub(super) async fn stop_all(&mut self) {
        let (hosts, others) = self.units.drain(..).partition(Unit::is_host_proxy);
        end(hosts).await;
        end(others).await;
        self.pids.clear();
        // What was told meanwhile is about processes that are gone.
        while self.told.try_recv().is_ok() {}
    }
}

impl Unit {
    fn is_host_proxy(&self) -> bool {
        self.processes.iter().any(|process| process.is_host_proxy())
    }
}

/// Stops units, all at the same time.
async fn end(units: Vec<Unit>) {
    for unit in &units {
        unit.stop.send_replace(true);
    }
    for unit in units {
        // A keeper that broke has dropped its processes, which kills them.
        let _ = unit.keeper.await;
    }
}
