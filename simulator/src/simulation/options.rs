//! How a simulation is started for a test.

use std::path::{Path, PathBuf};

use crate::dir::RootKind;

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) binary: PathBuf,
    pub(super) dir: Option<PathBuf>,
    pub(super) template: Option<PathBuf>,
    pub(super) arguments: Vec<String>,
}

impl Options {
    /// The program, in a new directory that ends with the simulation, on any free port, without
    /// rate limits, and without a node.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            dir: None,
            template: None,
            arguments: Vec::new(),
        }
    }

    /// In this directory, which stays.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// In a new directory that begins as a copy of another simulation's, without its records: the
    /// same root key, operators and image, on another port.
    #[must_use]
    pub fn template(mut self, dir: impl Into<PathBuf>) -> Self {
        self.template = Some(dir.into());
        self
    }

    /// Whether a directory was named.
    #[must_use]
    pub const fn has_dir(&self) -> bool {
        self.dir.is_some()
    }

    /// Leave a process down that dies.
    #[must_use]
    pub fn no_restart(self) -> Self {
        self.argument("--no-restart")
    }

    /// With a TinyCloud node, on any free port.
    #[must_use]
    pub fn node(self) -> Self {
        self.argument("--node-listen=127.0.0.1:0")
    }

    /// With host-proxy's rate limits.
    #[must_use]
    pub fn rate_limits(self) -> Self {
        self.argument("--rate-limit=on")
    }

    /// A fault from the start, such as `store-older=0.1`.
    #[must_use]
    pub fn fault(self, fault: &str) -> Self {
        self.argument(&format!("--fault={fault}"))
    }

    /// The seed of the faults.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.argument(&format!("--seed={seed}"))
    }

    /// With the enclaves in virtual machines that run this image.
    #[must_use]
    pub fn image(self, dir: impl AsRef<Path>) -> Self {
        self.argument(&format!("--image={}", dir.as_ref().display()))
    }

    /// With this many enclaves.
    #[must_use]
    pub fn replicas(self, count: u8) -> Self {
        self.argument(&format!("--replicas={count}"))
    }

    /// With a host-proxy and a copy of the store for each enclave.
    #[must_use]
    pub fn fork_store(self) -> Self {
        self.argument("--fork-store")
    }

    /// With the root key from here.
    #[must_use]
    pub fn root(self, root: RootKind) -> Self {
        self.argument(&format!("--root={root}"))
    }

    /// Without anybody who posts shares. Enclaves may wait when the simulation has started.
    #[must_use]
    pub fn no_operators(self) -> Self {
        self.argument("--no-operators")
    }

    /// Any other argument of `openkey-sim up`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }
}
