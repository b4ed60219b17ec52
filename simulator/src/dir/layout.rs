//! Where in a simulation's directory everything lies.

use std::path::PathBuf;

use openkey_verifier::anchor::ANCHOR_FILE;

use super::Dir;

impl Dir {
    /// The simulated CA.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.0.join("ca")
    }

    /// host-proxy's database.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// The database of the host-proxy that serves enclave `number` (from 1) where each enclave has a
    /// store of its own.
    #[must_use]
    pub fn store_of(&self, number: u8) -> PathBuf {
        match number {
            0 | 1 => self.store(),
            _ => self.0.join(format!("store-{number}")),
        }
    }

    /// What the node keeps.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        self.0.join("node")
    }

    /// Logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// The policy file.
    #[must_use]
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.json")
    }

    /// The simulated root certificate.
    #[must_use]
    pub fn root_certificate(&self) -> PathBuf {
        self.0.join("root.pem")
    }

    /// The anchor of the page: a simulator's, which no release names.
    #[must_use]
    pub fn anchor(&self) -> PathBuf {
        self.0.join(ANCHOR_FILE)
    }

    /// The releases that host-proxy publishes.
    #[must_use]
    pub fn releases(&self) -> PathBuf {
        self.0.join("releases.json")
    }

    /// The release file of the page.
    #[must_use]
    pub fn page_release(&self) -> PathBuf {
        self.0.join("page.json")
    }

    /// The faults.
    #[must_use]
    pub fn faults(&self) -> PathBuf {
        self.0.join("faults.json")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.json")
    }

    pub(super) fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.run().join("state.json")
    }

    pub(crate) fn enclave_socket(&self, id: &str) -> PathBuf {
        self.run().join(format!("{id}.sock"))
    }

    /// Where an enclave that is a process takes channels.
    pub(crate) fn channel_socket(&self, id: &str) -> PathBuf {
        self.run().join(format!("{id}-channel.sock"))
    }

    /// Where host-proxy listens for an enclave that is a process.
    pub(crate) fn services_socket(&self, id: &str) -> PathBuf {
        self.run().join(format!("{id}-services.sock"))
    }

    /// Where host-proxy's relay listens for an enclave that is a process.
    pub(crate) fn relay_socket(&self, id: &str) -> PathBuf {
        self.run().join(format!("{id}-relay.sock"))
    }

    /// Where a machine's vsock is; with `_PORT` behind it, where the host listens for the machine.
    pub(crate) fn vsock(&self, number: u8) -> PathBuf {
        self.run().join(format!("e{number}.vsock"))
    }

    /// Between a machine and its vsock device.
    pub(crate) fn vhost(&self, number: u8) -> PathBuf {
        self.run().join(format!("e{number}.vhost"))
    }

    pub(super) fn machines(&self) -> PathBuf {
        self.0.join("machines")
    }

    pub(crate) fn machine(&self, number: u8) -> PathBuf {
        self.machines().join(format!("e{number}.json"))
    }

    pub(crate) fn machine_nsm(&self, number: u8) -> PathBuf {
        self.machines().join(format!("e{number}-nsm"))
    }

    /// The release manifest that the host hands to a machine whose image is a successor.
    pub(crate) fn machine_manifest(&self, number: u8) -> PathBuf {
        self.machines().join(format!("e{number}-manifest.json"))
    }

    /// The measured configuration, as the host hands it to enclaves.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.0.join("configuration.json")
    }

    /// The signed release manifest of the image that runs.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.0.join("manifest.json")
    }

    /// The maintainers' public keys.
    #[must_use]
    pub fn release_keys(&self) -> PathBuf {
        self.0.join("release-keys.json")
    }

    /// The draft of a release of what runs, for `openkey release prepare`.
    #[must_use]
    pub fn draft(&self) -> PathBuf {
        self.0.join("draft.json")
    }

    /// A policy file that accepts what the maintainers release.
    #[must_use]
    pub fn release_policy(&self) -> PathBuf {
        self.0.join("release-policy.json")
    }

    /// What the host hands to an enclave in the place of its configuration, if there is such a file:
    /// for tests of a host that does so.
    #[must_use]
    pub fn other_configuration(&self, number: u8) -> PathBuf {
        self.0.join(format!("e{number}-configuration.json"))
    }

    /// What a machine prints on its console.
    #[must_use]
    pub fn console(&self, number: u8) -> PathBuf {
        self.logs().join(format!("e{number}-console.log"))
    }

    /// Copies of images.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// Keys of the operators and maintainers whom the simulator plays.
    #[must_use]
    pub fn operators(&self) -> PathBuf {
        self.0.join("operators")
    }

    /// What the stand-in for AWS KMS keeps.
    #[must_use]
    pub fn kms(&self) -> PathBuf {
        self.0.join("kms")
    }

    /// What the genesis published.
    #[must_use]
    pub fn genesis(&self) -> PathBuf {
        self.0.join("genesis")
    }
}
