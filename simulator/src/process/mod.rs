//! The processes of a simulation: the same program, started again under a hidden subcommand.

mod enclave;
mod host_proxy;
pub(crate) mod life;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dir::Dir;
use crate::fault::Board;

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "__process";

/// The routing id of the one enclave.
pub const ENCLAVE_ID: &str = "e1";
/// The deployment it belongs to.
pub const MEMBER: &str = "m1";

/// What a process is told, beside the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessOptions {
    /// No rate limits, for load measurements: every request comes from one address.
    pub no_rate_limits: bool,
    /// Serve the page from this directory instead of the embedded one.
    pub page_dir: Option<PathBuf>,
    /// Which log lines, such as `info` or `debug`.
    pub log: String,
}

/// A part of a simulation that is a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// The trusted program.
    Enclave,
    /// The untrusted half.
    HostProxy,
}

impl Process {
    /// All of them, in the order of starting. They stop in the reverse order: requests end before
    /// the enclave that answers them.
    pub const ALL: [Self; 2] = [Self::Enclave, Self::HostProxy];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enclave => "enclave",
            Self::HostProxy => "host-proxy",
        }
    }

    /// The process of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|process| process.name() == name)
    }

    /// The arguments that make this program be it.
    #[must_use]
    pub fn arguments(self, dir: &Path, options: &ProcessOptions) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![SUBCOMMAND.into(), self.name().into()];
        arguments.extend(["--dir".into(), dir.into()]);
        arguments.extend(["--log".into(), options.log.clone().into()]);
        if options.no_rate_limits {
            arguments.push("--no-rate-limits".into());
        }
        if let Some(page_dir) = &options.page_dir {
            arguments.extend(["--page-dir".into(), page_dir.into()]);
        }
        arguments
    }

    /// Runs it in this process until it is told to stop, or whoever started it is gone.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    pub fn run(self, dir: &Path, options: &ProcessOptions) -> anyhow::Result<()> {
        openkey_host_proxy::log::init(openkey_host_proxy::log::LogFormat::Text, &options.log)?;
        let dir = Dir::open(dir)?;
        let board = Arc::new(Board::watching(&dir.faults()));
        let runtime = tokio::runtime::Runtime::new()?;
        let result = match self {
            Self::Enclave => runtime.block_on(enclave::run(&dir, board)),
            Self::HostProxy => runtime.block_on(host_proxy::run(&dir, options, board)),
        };
        // What hangs here has been told to stop; the process ends all the same.
        runtime.shutdown_background();
        result
    }
}
