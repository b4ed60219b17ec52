//! The processes of a simulation: the same program, started again under a hidden subcommand, which
//! becomes a program of the rig where an enclave is a virtual machine.

mod enclave;
mod host_proxy;
pub(crate) mod life;
mod machine;
mod node;

use std::borrow::Cow;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dir::Dir;
use crate::fault::Board;

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "__process";

/// The hidden subcommand under which it carries out SQL for a node.
pub const SQL_WORKER: &str = "__sql-worker";

/// The deployment that the enclaves belong to.
pub const MEMBER: &str = "m1";

/// The routing id of enclave `number`, from 1.
#[must_use]
pub fn enclave_id(number: u8) -> String {
    format!("e{number}")
}

/// Where people and pages find the node that listens here.
#[must_use]
pub fn node_url(listen: SocketAddr) -> String {
    format!("http://localhost:{}", listen.port())
}

/// What a process is told, beside the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessOptions {
    /// No rate limits, for load measurements: every request comes from one address.
    pub no_rate_limits: bool,
    /// Serve the page from this directory instead of the embedded one.
    pub page_dir: Option<PathBuf>,
    /// How many enclaves there are for host-proxies to serve.
    pub enclaves: u8,
    /// Where the node listens; `None`: there is none.
    pub node: Option<SocketAddr>,
    /// How many accounts an enclave remembers; `None`: as many as the program does by itself.
    pub accounts: Option<usize>,
    /// Where host-proxy takes connections to the first enclave's channel; `None`: nowhere.
    pub channel: Option<SocketAddr>,
    /// Which log lines, such as `info` or `debug`.
    pub log: String,
}

/// A part of a simulation that is a process of its own. Enclaves are numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// Carries the vsock of an enclave that is a virtual machine.
    Vsock(u8),
    /// The trusted program.
    Enclave(u8),
    /// The untrusted half, for all enclaves, or for the one of its number where each enclave has a
    /// store of its own; with it the stand-in for AWS KMS, where the root key comes from there.
    HostProxy(u8),
    /// The TinyCloud node, where people's data is.
    Node,
}

impl Process {
    /// Its name. The first of several has no number.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Vsock(1) => "vsock".into(),
            Self::Vsock(number) => format!("vsock-{number}").into(),
            Self::Enclave(1) => "enclave".into(),
            Self::Enclave(number) => format!("enclave-{number}").into(),
            Self::HostProxy(1) => "host-proxy".into(),
            Self::HostProxy(number) => format!("host-proxy-{number}").into(),
            Self::Node => "node".into(),
        }
    }

    /// The process of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "vsock" => return Some(Self::Vsock(1)),
            "enclave" => return Some(Self::Enclave(1)),
            "host-proxy" => return Some(Self::HostProxy(1)),
            "node" => return Some(Self::Node),
            _ => {}
        }
        let (kind, number) = name.rsplit_once('-')?;
        let number = number.parse().ok().filter(|number| *number > 1)?;
        match kind {
            "vsock" => Some(Self::Vsock(number)),
            "enclave" => Some(Self::Enclave(number)),
            "host-proxy" => Some(Self::HostProxy(number)),
            _ => None,
        }
    }

    /// Whether it is a host-proxy.
    #[must_use]
    pub const fn is_host_proxy(self) -> bool {
        matches!(self, Self::HostProxy(_))
    }

    /// The arguments that make this program be it.
    #[must_use]
    pub fn arguments(self, dir: &Path, options: &ProcessOptions) -> Vec<OsString> {
        let name = self.name().into_owned();
        let mut arguments: Vec<OsString> = vec![SUBCOMMAND.into(), name.into()];
        arguments.extend(["--dir".into(), dir.into()]);
        arguments.extend(["--log".into(), options.log.clone().into()]);
        arguments.extend(["--enclaves".into(), options.enclaves.to_string().into()]);
        if options.no_rate_limits {
            arguments.push("--no-rate-limits".into());
        }
        if let Some(node) = options.node {
            arguments.extend(["--node-listen".into(), node.to_string().into()]);
        }
        if let Some(accounts) = options.accounts {
            arguments.extend(["--accounts".into(), accounts.to_string().into()]);
        }
        if let Some(channel) = options.channel {
            arguments.extend(["--channel-listen".into(), channel.to_string().into()]);
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
        openkey_edge::log::init(openkey_edge::log::LogFormat::Text, &options.log)?;
        let dir = Dir::open(dir)?;
        if machine::is_one(&dir, self)? {
            return machine::become_it(&dir, self);
        }
        let board = Arc::new(Board::watching(&dir.faults()));
        let runtime = tokio::runtime::Runtime::new()?;
        let result = match self {
            Self::Enclave(number) => runtime.block_on(enclave::run(&dir, number, options, board)),
            Self::HostProxy(number) => {
                runtime.block_on(host_proxy::run(&dir, number, options, board))
            }
            Self::Node => runtime.block_on(node::run(&dir, options)),
            Self::Vsock(_) => Err(anyhow::anyhow!("{} cannot run here", self.name())),
        };
        // What hangs here has been told to stop; the process ends all the same.
        runtime.shutdown_background();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for process in [
            Process::Vsock(1),
            Process::Vsock(2),
            Process::Enclave(1),
            Process::Enclave(12),
            Process::HostProxy(1),
            Process::HostProxy(2),
            Process::Node,
        ] {
            assert_eq!(Process::of_name(&process.name()), Some(process));
        }
        for name in [
            "",
            "enclave-",
            "enclave-1",
            "enclave-0",
            "host-proxy-1",
            "host-proxy-",
            "kms",
            "host",
        ] {
            assert_eq!(Process::of_name(name), None, "{name}");
        }
    }
}
