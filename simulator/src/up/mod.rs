//! `openkey-sim up`: starts a simulation, says when it answers, keeps it alive, stops it.

mod keeper;
mod logfile;
mod prepare;
mod probe;
mod ready;
pub mod running;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use self::prepare::PortTaken;
pub use self::ready::{Ready, ReadyEnclave, ReadyProcess};

use self::keeper::{Keeper, Told};
use self::running::Running;
use crate::dir::{Dir, Kept};
use crate::fault::Faults;
use crate::process::{ENCLAVE_ID, MEMBER, Process, ProcessOptions, life};

/// How long everything may take to answer for the first time, on a machine that has other things to
/// do.
const START_UP: Duration = Duration::from_secs(120);
/// How long each process may take to stop; together less than two seconds.
const PATIENCE: [(Process, Duration); 2] = [
    (Process::HostProxy, Duration::from_millis(1400)),
    (Process::Enclave, Duration::from_millis(450)),
];
/// Lines of a log that are shown when a process does not start.
const SHOWN_LINES: usize = 12;

/// How to start.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// Where the state is.
    pub dir: PathBuf,
    /// Which port; `None`: the kept one, or 7100; 0: the kept one, or any free one.
    pub port: Option<u16>,
    /// Print one line of JSON instead of a table.
    pub json: bool,
    /// Start processes that die again.
    pub restart: bool,
    /// Stop when standard input ends, too.
    pub until_eof: bool,
    /// Repeat the processes' logs on standard error.
    pub verbose: bool,
    /// The faults, which begin when everything answers.
    pub faults: Faults,
    /// For the processes.
    pub processes: ProcessOptions,
}

/// Runs a simulation until SIGINT or SIGTERM.
///
/// # Errors
///
/// Whatever keeps it from starting, in words that say what to do.
pub async fn up(options: UpOptions) -> anyhow::Result<()> {
    let mut signals = Signals::listen(options.until_eof)?;
    let dir = Dir::create(&options.dir)?;
    let _lock = dir.lock()?;
    let (kept, moved) = prepare::port(&dir, options.port)?;
    if let Some(before) = moved {
        eprintln!(
            "the page moves from port {before} to {}: the origin is measured, so PCR16 changes",
            kept.port
        );
    }
    eprintln!("preparing {}", dir.path().display());
    let measurements = prepare::files(&dir, &kept)?;
    let mut simulation = Simulation::start(&dir, &options);
    let result = simulation
        .run(&dir, &kept, measurements, &options, &mut signals)
        .await;
    simulation.stop().await;
    Running::forget(&dir);
    result
}

/// What stops a simulation.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Signals {
    fn listen(until_eof: bool) -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            end: if until_eof {
                Box::pin(life::end_of_input()?)
            } else {
                Box::pin(std::future::pending())
            },
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
            () = &mut self.end => {}
        }
    }
}

/// The processes under way.
struct Simulation {
    keepers: Vec<(Process, watch::Sender<bool>, JoinHandle<()>)>,
    told: mpsc::UnboundedReceiver<Told>,
    pids: BTreeMap<Process, u32>,
}

impl Simulation {
    fn start(dir: &Dir, options: &UpOptions) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let shared = Arc::new(options.processes.clone());
        let keepers = Process::ALL
            .into_iter()
            .map(|process| {
                let (stop, stopped) = watch::channel(false);
                let keeper = Keeper {
                    process,
                    dir: dir.clone(),
                    options: Arc::clone(&shared),
                    restart: options.restart,
                    verbose: options.verbose,
                    patience: patience(process),
                    tell: tell.clone(),
                };
                (process, stop, tokio::spawn(keeper.keep(stopped)))
            })
            .collect();
        Self {
            keepers,
            told,
            pids: BTreeMap::new(),
        }
    }

    async fn run(
        &mut self,
        dir: &Dir,
        kept: &Kept,
        measurements: BTreeMap<u8, String>,
        options: &UpOptions,
        signals: &mut Signals,
    ) -> anyhow::Result<()> {
        let mut running = Running::new(dir, kept, measurements, options);
        let mut probe = probe::spawn(dir, kept, START_UP);
        let mut answered = false;
        loop {
            tokio::select! {
                () = signals.any() => {
                    eprintln!("stopping");
                    return Ok(());
                }
                probed = &mut probe.task, if !answered => {
                    probed.context("the probe broke")??;
                    answered = true;
                    options.faults.write(&dir.faults()).context("faults.json")?;
                    running.ready.processes = self.processes();
                    running.answers = true;
                    running.save(dir)?;
                    print(&running.ready, options.json)?;
                }
                Some(told) = self.told.recv() => {
                    self.note(&told);
                    running.ready.processes = self.processes();
                    // Before it is said: whoever reads the one finds the other.
                    running.save(dir)?;
                    say(&told, dir, options.restart, answered)?;
                }
            }
        }
    }

    fn note(&mut self, told: &Told) {
        match told {
            Told::Started(process, pid) => {
                self.pids.insert(*process, *pid);
            }
            Told::Ended(process, ..) => {
                self.pids.remove(process);
            }
            Told::Failing(_) | Told::Unstartable(..) => {}
        }
    }

    fn processes(&self) -> Vec<ReadyProcess> {
        self.pids
            .iter()
            .map(|(process, pid)| ReadyProcess {
                name: process.name().to_owned(),
                pid: *pid,
            })
            .collect()
    }

    /// Host-proxy first, so that requests end before the enclave that answers them.
    async fn stop(mut self) {
        for (process, _) in PATIENCE {
            let Some(at) = self.keepers.iter().position(|(it, ..)| *it == process) else {
                continue;
            };
            let (_, stop, keeper) = self.keepers.swap_remove(at);
            stop.send_replace(true);
            // A keeper that broke has dropped its process, which kills it.
            let _ = keeper.await;
        }
    }
}

/// Says what has happened; an error if it cannot go on.
fn say(told: &Told, dir: &Dir, restart: bool, answered: bool) -> anyhow::Result<()> {
    match told {
        Told::Started(process, pid) => eprintln!("{} runs as process {pid}", process.name()),
        Told::Ended(process, pid, status) => {
            let next = if restart {
                "starting it again with the same state"
            } else {
                "it stays down (--no-restart)"
            };
            eprintln!("{} (process {pid}) ended: {status}; {next}", process.name());
        }
        Told::Failing(process) if !answered => bail!(
            "{} does not start; the end of its log ({}):\n{}",
            process.name(),
            dir.logs().display(),
            logfile::tail(&dir.logs(), process.name(), SHOWN_LINES),
        ),
        Told::Failing(process) => {
            eprintln!("{} keeps ending by itself; see its log", process.name());
        }
        Told::Unstartable(process, error) => bail!("{} cannot be started: {error}", process.name()),
    }
    Ok(())
}

fn patience(process: Process) -> Duration {
    PATIENCE
        .into_iter()
        .find(|(it, _)| *it == process)
        .map_or(Duration::ZERO, |(_, patience)| patience)
}

fn print(ready: &Ready, json: bool) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(ready)?)?;
    } else {
        let dir = ready.dir.display();
        writeln!(
            out,
            "\nOpenKey is running: a simulation, which protects nothing.\n"
        )?;
        writeln!(out, "{ready}")?;
        writeln!(
            out,
            "Open the page in a browser. Check the enclave yourself:"
        )?;
        writeln!(
            out,
            "  cargo run --release -p openkey-verifier -- host {} --policy {}",
            ready.page,
            ready.policy.display()
        )?;
        writeln!(
            out,
            "Ctrl-C stops everything; `up --dir {dir}` goes on where it was."
        )?;
    }
    out.flush()?;
    Ok(())
}

fn api(kept: &Kept) -> String {
    format!("http://localhost:{}/api/v1", kept.port)
}

fn ready(dir: &Dir, kept: &Kept, measurements: BTreeMap<u8, String>) -> Ready {
    let api = api(kept);
    Ready {
        page: kept.origin().to_owned(),
        node: None,
        dir: dir.path().to_owned(),
        root_certificate: dir.root_certificate(),
        policy: dir.policy(),
        enclaves: vec![ReadyEnclave {
            id: ENCLAVE_ID.to_owned(),
            member: MEMBER.to_owned(),
            api: format!("{api}/enclaves/{ENCLAVE_ID}"),
            measurements,
        }],
        processes: Vec::new(),
        api,
    }
}
