//! What enclaves find on this host.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use openkey_protocol::transport::Address;

use super::is_routing_id;

/// What one enclave, or all of them, find on this host.
#[derive(Clone, Debug)]
pub struct ServicesConfig {
    /// Where records, boot files and credentials are asked for, and events taken.
    pub listen: Address,
    /// Where connections to the outside are asked for, if they may be.
    pub relay: Option<Address>,
    /// What is handed over at boot. Read each time it is asked for, so that a descriptor written
    /// after a genesis is there at the next boot.
    pub files: BootPaths,
    /// Other enclaves whose channels the relay connects to, in the order of their index.
    pub peers: Vec<Peer>,
    /// Where egress goes instead of the address that a name resolves to: for tests and for private
    /// endpoints. Allows nothing by itself.
    pub egress_map: BTreeMap<String, SocketAddr>,
    /// Instead of the environment and the instance's metadata service.
    pub metadata: MetadataService,
}

impl ServicesConfig {
    /// The record store alone.
    #[must_use]
    pub fn new(listen: Address) -> Self {
        Self {
            listen,
            relay: None,
            files: BootPaths::default(),
            peers: Vec::new(),
            egress_map: BTreeMap::new(),
            metadata: MetadataService::default(),
        }
    }
}

/// Files that are handed over at boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootPaths {
    /// The run-time configuration (JSON), which enclaves measure. It is also the list of hosts that
    /// egress is allowed to.
    pub configuration: Option<PathBuf>,
    /// The root descriptor (CBOR). May not be there yet.
    pub descriptor: Option<PathBuf>,
    /// The wrapped root key (CBOR). May not be there yet.
    pub wrapped: Option<PathBuf>,
    /// The release manifest that names the image as a successor (JSON). May not be there yet.
    pub manifest: Option<PathBuf>,
}

/// Another enclave's channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Of an enclave of this host.
    Local(Address),
    /// Behind another host-proxy: `HOST:PORT` of its channel listener.
    Remote(String),
}

/// Where the instance's credentials are asked for (IMDSv2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataService(pub SocketAddr);

impl Default for MetadataService {
    /// The link-local address that every EC2 instance has.
    fn default() -> Self {
        Self(SocketAddr::from(([169, 254, 169, 254], 80)))
    }
}

/// A TCP listener that carries connections to an enclave's channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelListen {
    /// Whose: a routing id; the first enclave's if it is absent.
    pub enclave: Option<String>,
    /// Where it listens.
    pub listen: SocketAddr,
}

/// Why a text is none of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServicesError {
    /// Not a channel listener.
    #[error("expected IP:PORT or ID=IP:PORT, such as 0.0.0.0:7443")]
    Channel,
    /// Not an entry of the egress map.
    #[error("expected HOST:PORT=IP:PORT, such as kms.eu-central-1.amazonaws.com:443=10.0.0.7:443")]
    Egress,
}

impl FromStr for ChannelListen {
    type Err = ServicesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (enclave, listen) = match text.split_once('=') {
            Some((id, listen)) if is_routing_id(id) => (Some(id.to_owned()), listen),
            Some(_) => return Err(ServicesError::Channel),
            None => (None, text),
        };
        Ok(Self {
            enclave,
            listen: listen.parse().map_err(|_| ServicesError::Channel)?,
        })
    }
}

/// One entry of [`ServicesConfig::egress_map`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressEntry {
    /// `HOST:PORT` as enclaves ask for it.
    pub from: String,
    /// Where the connection goes.
    pub to: SocketAddr,
}

impl FromStr for EgressEntry {
    type Err = ServicesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once('=').ok_or(ServicesError::Egress)?;
        let (host, port) = from.rsplit_once(':').ok_or(ServicesError::Egress)?;
        let named = !host.is_empty() && host.parse::<IpAddr>().is_err();
        if !named || port.parse::<u16>().is_err() {
            return Err(ServicesError::Egress);
        }
        Ok(Self {
            from: from.to_owned(),
            to: to.parse().map_err(|_| ServicesError::Egress)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_listeners_and_egress_entries_read() {
        let plain: ChannelListen = "0.0.0.0:7443".parse().unwrap();
        assert_eq!(plain.enclave, None);
        let named: ChannelListen = "e2=[::]:7444".parse().unwrap();
        assert_eq!(named.enclave.as_deref(), Some("e2"));
        for bad in ["", "7443", "E2=0.0.0.0:1", "localhost:1", "e1="] {
            assert!(bad.parse::<ChannelListen>().is_err(), "{bad}");
        }
        let entry: EgressEntry = "kms.a.amazonaws.com:443=127.0.0.1:9".parse().unwrap();
        assert_eq!(entry.from, "kms.a.amazonaws.com:443");
        for bad in [
            "",
            "a=b",
            "a:443",
            "a:443=b:443",
            "10.0.0.1:443=10.0.0.2:443",
            ":1=1.1.1.1:1",
        ] {
            assert!(bad.parse::<EgressEntry>().is_err(), "{bad}");
        }
    }
}
