//! `openkey-sim up`: starts a simulation, says when it answers, keeps it alive, stops it.

mod awaited;
mod fleet;
mod fork;
mod genesis;
mod keeper;
mod logfile;
mod ports;
mod prepare;
mod probe;
mod provide;
mod published;
mod ready;
pub mod running;
mod say;
mod signals;
mod supervisor;
mod upgrade;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;

pub use self::fork::copy_store;
pub use self::ports::{NodePortTaken, PortTaken};
pub use self::ready::{Ready, ReadyEnclave, ReadyHost, ReadyProcess};

use self::signals::Signals;
use self::supervisor::Supervisor;
use crate::dir::{Fresh, RootKind};
use crate::fault::Faults;
use crate::process::ProcessOptions;

/// Most enclaves of a simulation: each has memory of its own.
pub const MAX_REPLICAS: u8 = 8;

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
    /// The image directory to run; `None`: the kept one, or processes.
    pub image: Option<PathBuf>,
    /// How many enclaves, from 1 to [`MAX_REPLICAS`]; `None`: as kept, or one.
    pub replicas: Option<u8>,
    /// Each enclave has a host-proxy and a store of its own, as a host that keeps two histories gives
    /// them; a new one begins as a copy of the first. `None`: as kept, or one store for all.
    pub fork_store: Option<bool>,
    /// Where the root key comes from; `None`: as kept, or the default for images or processes.
    pub root: Option<RootKind>,
    /// Where the node listens; `None`: where it did, or port 8000, or any free one.
    pub node_listen: Option<SocketAddr>,
    /// Start a node beside the rest.
    pub node: bool,
    /// Hold the genesis, and post the operators' shares to enclaves that wait for them; `None`: as
    /// kept, or yes.
    pub play_operators: Option<bool>,
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
    let mut options = options;
    let (dir, fresh) = Fresh::make(&options.dir)?;
    let _lock = dir.lock()?;
    eprintln!("preparing {}", dir.path().display());
    // It measures this program and makes keys, which takes a moment.
    let planning = {
        let (dir, options) = (dir.clone(), options.clone());
        tokio::task::spawn_blocking(move || {
            let plan = prepare::plan(&dir, &options)?;
            let measurement = plan.measurement()?;
            anyhow::Ok((plan, measurement))
        })
    };
    let planned = signals.unless(planning).await;
    let plan = match planned.map(|it| it.context("the planning broke").flatten()) {
        Some(Ok((plan, _))) => plan,
        not_planned => {
            fresh.undo();
            return not_planned.map_or(Ok(()), |it| it.map(|_| ()));
        }
    };
    options.processes.node = plan.node;
    options.processes.enclaves = plan.replicas;
    let mut supervisor = Supervisor::new(&dir, plan, options, signals)?;
    let result = supervisor.run().await;
    supervisor.stop().await;
    result
}
