//! From a plan to a running simulation: genesis, start, upgrade, and looking after it until told to
//! stop.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use openkey_cli::Backup;

use super::awaited::Awaited;
use super::fleet::Fleet;
use super::keeper::Told;
use super::provide::Providing;
use super::running::Running;
use super::say::{print, say};
use super::signals::{STOPPING, Signals};
use super::{Ready, ReadyEnclave, ReadyHost, UpOptions, probe};
use super::{
    prepare::{self, Plan},
    published,
};
use crate::dir::{Dir, Kept, RootKind};
use crate::nsm::measure::Measurement;
use crate::operators::Staff;
use crate::process::{MEMBER, Process, enclave_id, node_url};
use crate::vm;

/// How long everything may take to answer for the first time, on a machine that has other things to
/// do.
pub(super) const START_UP: Duration = Duration::from_secs(120);
/// How often the NSM of a virtual machine gets a new certificate: it lives for three hours.
const RENEW_EVERY: Duration = Duration::from_secs(3600);

/// Looks after a simulation.
pub(super) struct Supervisor {
    pub(super) dir: Dir,
    pub(super) plan: Plan,
    pub(super) fleet: Fleet,
    options: UpOptions,
    signals: Signals,
    running: Running,
    providing: BTreeMap<u8, Providing>,
    /// Whether shares are posted to enclaves that wait.
    pub(super) play_operators: bool,
}

impl Supervisor {
    pub(super) fn new(
        dir: &Dir,
        plan: Plan,
        options: UpOptions,
        signals: Signals,
    ) -> anyhow::Result<Self> {
        let programs = vec![plan.measurement()?; usize::from(plan.replicas)];
        let ready = ready(dir, &plan, &programs)?;
        Ok(Self {
            running: Running::new(ready, options.restart),
            fleet: Fleet::new(dir, &options),
            dir: dir.clone(),
            play_operators: plan.play_operators,
            plan,
            options,
            signals,
            providing: BTreeMap::new(),
        })
    }

    /// Everything, until told to stop.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        let play_operators = self.plan.play_operators;
        let awaits_genesis = self.plan.needs_genesis() && !play_operators;
        if self.plan.needs_genesis() && !awaits_genesis && self.genesis().await?.is_none() {
            return Ok(());
        }
        if self.files().await?.is_none() {
            return Ok(());
        }
        if play_operators && self.plan.kept.root_id().is_some() {
            let staff = Staff::open(&self.dir.operators())?;
            let configuration = self.plan.kept.configuration_json();
            // One that was edited may be none of theirs. Enclaves judge it, too.
            if let Err(error) = staff.approve(&configuration, &self.dir.genesis()) {
                eprintln!("the operators do not approve the configuration: {error}");
            }
        }
        let successor = self.plan.successor();
        // A lone enclave hands its key over to another one before it goes.
        let enclaves = if successor.is_some() {
            self.plan.replicas.max(2)
        } else {
            self.plan.replicas
        };
        self.fleet.expect(enclaves);
        for number in 1..=self.plan.replicas {
            self.start_enclave(number);
        }
        for host in self.plan.hosts() {
            self.fleet.start(&[Process::HostProxy(host)]);
        }
        if self.plan.node.is_some() {
            self.fleet.start(&[Process::Node]);
        }
        let programs = vec![self.plan.measurement()?; usize::from(self.plan.replicas)];
        self.running.ready = ready(&self.dir, &self.plan, &programs)?;
        let serves = play_operators || self.plan.kept.root == RootKind::Development;
        let whole = if serves {
            probe::serves
        } else {
            probe::answers
        };
        let Some(()) = self.wait_until(whole).await? else {
            return Ok(());
        };
        if awaits_genesis {
            eprintln!(
                "the operators are not played: the enclaves wait for a genesis. Hold it (openkey \
                 operator genesis --out {}), then stop this simulation with Ctrl-C and start it again: \
                 the enclaves boot with the configuration that the genesis writes",
                self.dir.genesis().display()
            );
        } else if !serves {
            eprintln!(
                "the operators are not played: the enclaves wait for shares (openkey operator \
                 post-share --genesis {})",
                self.dir.genesis().join(Backup::GENESIS).display()
            );
        }
        if let Some(successor) = successor {
            let Some(()) = self.upgrade(&successor).await? else {
                return Ok(());
            };
        }
        self.options
            .faults
            .write(&self.dir.faults())
            .context("faults.json")?;
        self.running.ready.processes = self.fleet.processes();
        self.running.answers = true;
        self.running.save(&self.dir)?;
        print(&self.running.ready, self.options.json, serves)?;
        let _awaited =
            (!serves).then(|| Awaited::start(&self.dir, &self.plan.kept, self.plan.replicas));
        let dir = self.dir.clone();
        let machines = self.plan.machines.is_some().then_some(self.plan.replicas);
        self.drive(async move {
            loop {
                tokio::time::sleep(RENEW_EVERY).await;
                for number in 1..=machines.unwrap_or_default() {
                    vm::renew(&dir, number)?;
                }
            }
        })
        .await
        .map(|_: Option<()>| ())
    }

    /// Makes the files of the directory; `None` if told to stop meanwhile.
    pub(super) async fn files(&mut self) -> anyhow::Result<Option<()>> {
        let (dir, plan) = (self.dir.clone(), self.plan.clone());
        let made = tokio::task::spawn_blocking(move || prepare::files(&dir, &plan));
        self.drive(async { made.await.context("making the files broke")? })
            .await
    }

    /// Stops everything.
    pub(super) async fn stop(mut self) {
        self.providing.clear();
        self.fleet.stop_all().await;
        Running::forget(&self.dir);
    }

    /// Starts enclave `number`: a process, or a virtual machine.
    pub(super) fn start_enclave(&mut self, number: u8) {
        if self.plan.machines.is_some() {
            self.fleet
                .start(&[Process::Vsock(number), Process::Enclave(number)]);
        } else {
            self.fleet.start(&[Process::Enclave(number)]);
        }
    }

    /// Waits until every enclave has its root key and gives evidence.
    pub(super) async fn wait_until_ready(&mut self) -> anyhow::Result<Option<()>> {
        self.wait_until(probe::serves).await
    }

    async fn wait_until(&mut self, ask: probe::Ask) -> anyhow::Result<Option<()>> {
        let mut probe = probe::spawn(&self.dir, self.running.ready.clone(), START_UP, ask);
        let probed = self
            .drive(async { (&mut probe.task).await.context("the probe broke")? })
            .await?;
        Ok(probed.map(|ready| self.running.ready = ready))
    }

    /// What is said about the enclaves from now on: these programs run.
    pub(super) fn describe(&mut self, programs: &[Measurement]) -> anyhow::Result<()> {
        self.running.ready = ready(&self.dir, &self.plan, programs)?;
        Ok(())
    }

    /// Looks after the processes until a job is done; `None` if told to stop.
    pub(super) async fn drive<T>(
        &mut self,
        job: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<Option<T>> {
        let mut job = pin!(job);
        loop {
            tokio::select! {
                () = self.signals.any() => {
                    eprintln!("{STOPPING}");
                    return Ok(None);
                }
                done = &mut job => return done.map(Some),
                Some(told) = self.fleet.told() => {
                    self.running.ready.processes = self.fleet.processes();
                    // Before it is said: whoever reads the one finds the other.
                    self.running.save(&self.dir)?;
                    say(&told, &self.dir, self.options.restart, self.running.answers)?;
                    if let Told::Started(Process::Enclave(number), _) = told {
                        self.provide(number);
                    }
                }
            }
        }
    }

    /// Posts shares to an enclave that was started just now, if it turns out to wait for them.
    fn provide(&mut self, number: u8) {
        let with_shares = self.play_operators
            && self.plan.kept.root == RootKind::Operators
            && self.plan.kept.root_id().is_some();
        if with_shares {
            let providing = Providing::start(&self.dir, &self.plan.kept, number);
            self.providing.insert(number, providing);
        }
    }
}

/// The API of the host-proxy through which enclave `number` is reached.
fn api(kept: &Kept, number: u8) -> String {
    format!("http://localhost:{}/api/v1", kept.port_of(number))
}

/// The API of an enclave.
pub(super) fn enclave_api(kept: &Kept, number: u8) -> String {
    format!("{}/enclaves/{}", api(kept, number), enclave_id(number))
}

fn ready(dir: &Dir, plan: &Plan, programs: &[Measurement]) -> anyhow::Result<Ready> {
    let kept = &plan.kept;
    let mut enclaves = Vec::new();
    for (number, program) in (1_u8..).zip(programs) {
        enclaves.push(ReadyEnclave {
            id: enclave_id(number),
            member: MEMBER.to_owned(),
            api: enclave_api(kept, number),
            measurements: published::measured(kept, program)?,
            root_source: None,
        });
    }
    let hosts = plan.hosts().map(|host| ReadyHost {
        name: Process::HostProxy(host).name().into_owned(),
        url: kept.host_of(host),
        store: dir.store_of(host),
        enclaves: enclaves
            .iter()
            .zip(1..)
            .filter(|(_, number)| kept.forks.is_empty() || *number == host)
            .map(|(enclave, _)| enclave.id.clone())
            .collect(),
    });
    Ok(Ready {
        hosts: hosts.collect(),
        page: kept.origin().to_owned(),
        node: plan.node.map(node_url),
        dir: dir.path().to_owned(),
        root_certificate: dir.root_certificate(),
        policy: dir.policy(),
        release_policy: (kept.image.is_some() && kept.root_id().is_some())
            .then(|| dir.release_policy()),
        root: kept.root,
        root_id: kept.root_id().map(str::to_owned),
        image: kept.image.as_ref().map(|image| image.dir(dir)),
        enclaves,
        processes: Vec::new(),
        api: api(kept, 1),
    })
}
