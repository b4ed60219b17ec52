//! Flags about what enclaves find on this host.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use openkey_host_proxy::{
    EnclaveConfig, ServicesConfig,
    config::{BootPaths, ChannelListen, EgressEntry, Peer},
};
use openkey_protocol::{message::MAX_PEERS, transport::Address};

/// What enclaves find on this host.
#[derive(Debug, Args)]
#[command(next_help_heading = "For enclaves")]
pub(crate) struct Side {
    /// Where enclaves ask for records, boot files and credentials, such as vsock:4294967295:7010 or unix:/run/openkey/e1-services.sock; repeatable: one for all enclaves, or one for each in their order
    #[arg(
        long = "services",
        env = "OPENKEY_SERVICES",
        value_name = "ADDRESS",
        value_delimiter = ',',
        required = true
    )]
    services: Vec<Address>,

    /// Where enclaves ask for connections, such as vsock:4294967295:7011: to the hosts their configuration names, and to each other; as many as --services
    #[arg(
        long = "relay",
        env = "OPENKEY_RELAY",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    relays: Vec<Address>,

    /// The enclaves' run-time configuration (JSON): handed over at boot, where they measure it
    #[arg(long, env = "OPENKEY_CONFIGURATION", value_name = "FILE")]
    configuration: Option<PathBuf>,

    /// The root descriptor that the genesis made (CBOR); may not be there yet
    #[arg(long, env = "OPENKEY_DESCRIPTOR", value_name = "FILE")]
    descriptor: Option<PathBuf>,

    /// The root key wrapped for KMS (CBOR); may not be there yet
    #[arg(long, env = "OPENKEY_WRAPPED", value_name = "FILE")]
    wrapped: Option<PathBuf>,

    /// The release manifest that names the image as a successor (JSON); may not be there yet
    #[arg(long, env = "OPENKEY_MANIFEST", value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// Another host's channel listener, for hand-over between hosts; repeatable
    #[arg(
        long = "peer",
        env = "OPENKEY_PEERS",
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    peers: Vec<String>,

    /// Connects to IP:PORT where an enclave may ask for HOST:PORT: for tests and for private endpoints. Names that resolve to private addresses are refused otherwise; repeatable
    #[arg(
        long = "egress-map",
        env = "OPENKEY_EGRESS_MAP",
        value_name = "HOST:PORT=IP:PORT",
        value_delimiter = ','
    )]
    egress_map: Vec<EgressEntry>,

    /// Answers starting enclaves' signs of life here, where AWS's tools do not (QEMU); repeatable
    #[arg(
        long = "heartbeat",
        env = "OPENKEY_HEARTBEAT",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    heartbeats: Vec<Address>,

    /// Carries TCP connections byte for byte to the channel (attested TLS) of the first enclave, or of ID; repeatable
    #[arg(
        long = "channel-listen",
        env = "OPENKEY_CHANNEL_LISTEN",
        value_name = "[ID=]IP:PORT",
        value_delimiter = ','
    )]
    channels: Vec<ChannelListen>,
}

impl Side {
    pub(crate) fn heartbeats(&self) -> Vec<Address> {
        self.heartbeats.clone()
    }

    pub(crate) fn channels(&self) -> Vec<ChannelListen> {
        self.channels.clone()
    }

    /// One entry for each `--services`.
    pub(crate) fn services(
        &self,
        enclaves: &[EnclaveConfig],
    ) -> anyhow::Result<Vec<ServicesConfig>> {
        if self.services.len() != 1 && self.services.len() != enclaves.len() {
            bail!("--services: give one for all enclaves, or one for each");
        }
        if !self.relays.is_empty() && self.relays.len() != self.services.len() {
            bail!("--relay: give as many as --services, or none");
        }
        let shared = self.services.len() < enclaves.len();
        let files = BootPaths {
            configuration: self.configuration.clone(),
            descriptor: self.descriptor.clone(),
            wrapped: self.wrapped.clone(),
            manifest: self.manifest.clone(),
        };
        let egress = self.egress_map.iter();
        let egress_map = egress.map(|e| (e.from.clone(), e.to)).collect();
        let offered = ServicesConfig {
            files,
            egress_map,
            ..ServicesConfig::new(self.services.first().cloned().unwrap_or_else(nowhere))
        };
        let mut all = Vec::with_capacity(self.services.len());
        for (index, listen) in self.services.iter().enumerate() {
            // a listener for all cannot tell who asks: the asker is among its own peers then
            let others = enclaves
                .iter()
                .enumerate()
                .filter(|(other, _)| shared || *other != index);
            let channels = others.filter_map(|(_, enclave)| enclave.channel.clone());
            let peers: Vec<Peer> = channels
                .map(Peer::Local)
                .chain(self.peers.iter().cloned().map(Peer::Remote))
                .collect();
            if peers.len() > usize::try_from(MAX_PEERS)? {
                bail!("--peer: more than {MAX_PEERS} peers");
            }
            all.push(ServicesConfig {
                listen: listen.clone(),
                relay: self.relays.get(index).cloned(),
                peers,
                ..offered.clone()
            });
        }
        Ok(all)
    }
}

/// Replaced for each listener.
fn nowhere() -> Address {
    Address::Unix(PathBuf::new())
}
