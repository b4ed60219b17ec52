//! What a host-proxy is told at start.

mod limits;
mod origin;
mod services;

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use openkey_protocol::transport::Address;

pub use limits::Limits;
pub use openkey_edge::{
    metrics::{MetricsListen, MetricsListenError},
    rate::{Quota, QuotaError},
};
pub use origin::{Origin, OriginError};
pub use services::{
    BootPaths, ChannelListen, EgressEntry, MetadataService, Peer, ServicesConfig, ServicesError,
};

/// Longest routing id: it stands in paths, logs and metric labels.
pub const MAX_ROUTING_ID: usize = 32;

/// The member named by enclaves that belong to no group: one deployment, alone.
pub const DEFAULT_MEMBER: &str = "m1";

/// What a host-proxy is told at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where HTTP listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The origin people see in their browser. Requests for another host are refused.
    pub origin: Origin,
    /// Further `host[:port]` names under which this server may be asked (load balancers' checks).
    pub hosts: Vec<String>,
    /// The enclaves requests are carried to. The first is the page's.
    pub enclaves: Vec<EnclaveConfig>,
    /// What enclaves find on this host: one entry for all of them, or one for each.
    pub services: Vec<ServicesConfig>,
    /// Where starting enclaves' signs of life are answered, where AWS's tools do not.
    pub heartbeats: Vec<Address>,
    /// TCP listeners whose connections are carried to enclaves' channels.
    pub channels: Vec<ChannelListen>,
    /// Where metrics are served. Nowhere by default.
    pub metrics: MetricsListen,
    /// Where the store keeps its database; made if missing, mode 0700.
    pub dir: PathBuf,
    /// A policy file as served to the page in `/config.json`. The page takes it as a further
    /// condition; nothing in it makes the page accept anything.
    pub policy: Option<serde_json::Value>,
    /// The list of signed release manifests, as served at `/releases.json`; read anew at each request,
    /// and may not be there yet.
    pub releases: Option<PathBuf>,
    /// The one node that the page may talk to, and proposes to people; `None`: no node.
    pub node: Option<Origin>,
    /// The one proxy hop whose `X-Forwarded-For` counts. Nobody's by default.
    pub trusted_proxy: Option<ipnet::IpNet>,
    /// Serve the page from this directory instead of the embedded one: what `openkey release page`
    /// wrote, with the deployment's anchor.
    pub page_dir: Option<PathBuf>,
    /// Serve the `anchor.json` of this directory in the place of the page's own. For simulators, whose
    /// anchor belongs to no released page.
    pub anchor_dir: Option<PathBuf>,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// A configuration with defaults for everything that has one.
    #[must_use]
    pub fn new(
        listen: SocketAddr,
        origin: Origin,
        enclaves: Vec<EnclaveConfig>,
        services: Vec<ServicesConfig>,
        dir: PathBuf,
    ) -> Self {
        Self {
            listen,
            origin,
            hosts: Vec::new(),
            enclaves,
            services,
            heartbeats: Vec::new(),
            channels: Vec::new(),
            metrics: MetricsListen::Off,
            dir,
            policy: None,
            releases: None,
            node: None,
            trusted_proxy: None,
            page_dir: None,
            anchor_dir: None,
            limits: Limits::default(),
        }
    }
}

/// One enclave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnclaveConfig {
    /// Its routing id, such as `e1`: lower-case letters, digits and `-`.
    pub id: String,
    /// The deployment it belongs to, such as `m1`: replicas share one.
    pub member: String,
    /// Where it listens.
    pub address: Address,
    /// Where its channel listens (attested TLS), if it can be reached there.
    pub channel: Option<Address>,
}

/// Why a text names no enclave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnclaveConfigError {
    /// There is no `=`.
    #[error(
        "expected ID=ADDRESS or ID@MEMBER=ADDRESS, such as e1=unix:/run/openkey/e1.sock, and perhaps ,channel=ADDRESS"
    )]
    Shape,
    /// The id or member is not a routing id.
    #[error("\"{0}\" is not a routing id: 1 to 32 lower-case letters, digits or '-'")]
    Id(String),
    /// The address is none.
    #[error("{0}")]
    Address(String),
}

impl FromStr for EnclaveConfig {
    type Err = EnclaveConfigError;

    /// Reads `ID=ADDRESS` or `ID@MEMBER=ADDRESS`, either followed by `,channel=ADDRESS`. Without
    /// it the channel of an enclave on vsock is on the next port.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = text.split_once('=').ok_or(EnclaveConfigError::Shape)?;
        let (id, member) = name.split_once('@').unwrap_or((name, DEFAULT_MEMBER));
        for name in [id, member] {
            if !is_routing_id(name) {
                return Err(EnclaveConfigError::Id(name.to_owned()));
            }
        }
        let (address, channel) = match address.split_once(',') {
            Some((address, rest)) => {
                let channel = rest
                    .strip_prefix("channel=")
                    .ok_or(EnclaveConfigError::Shape)?;
                (address, Some(channel))
            }
            None => (address, None),
        };
        let read = |text: &str| {
            text.parse::<Address>()
                .map_err(|e| EnclaveConfigError::Address(e.to_string()))
        };
        let address = read(address)?;
        let channel = match channel {
            Some(channel) => Some(read(channel)?),
            None => next_port(&address),
        };
        Ok(Self {
            id: id.to_owned(),
            member: member.to_owned(),
            address,
            channel,
        })
    }
}

/// The address one port on; sockets have no ports.
fn next_port(address: &Address) -> Option<Address> {
    match address {
        Address::Unix(_) => None,
        Address::Vsock { cid, port } => Some(Address::Vsock {
            cid: *cid,
            port: port.checked_add(1)?,
        }),
        Address::Hybrid { path, port } => Some(Address::Hybrid {
            path: path.clone(),
            port: port.checked_add(1)?,
        }),
    }
}

/// Whether a text may stand in a path, a log line and a metric label as it is.
pub(crate) fn is_routing_id(text: &str) -> bool {
    (1..=MAX_ROUTING_ID).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enclave_is_named_with_or_without_its_member() {
        let plain: EnclaveConfig = "e1=unix:/run/e1.sock".parse().unwrap();
        assert_eq!((plain.id.as_str(), plain.member.as_str()), ("e1", "m1"));
        let member: EnclaveConfig = "e2@m7=vsock:16:7000".parse().unwrap();
        assert_eq!((member.id.as_str(), member.member.as_str()), ("e2", "m7"));
        assert_eq!(member.address, "vsock:16:7000".parse().unwrap());
    }

    #[test]
    fn the_channel_is_one_port_on_or_named() {
        let channel = |text: &str| {
            let enclave: EnclaveConfig = text.parse().unwrap();
            enclave.channel.map(|channel| channel.to_string())
        };
        assert_eq!(channel("e1=unix:/run/e1.sock"), None);
        assert_eq!(channel("e1=vsock:16:7000").unwrap(), "vsock:16:7001");
        assert_eq!(channel("e1=hybrid:/a:7000").unwrap(), "hybrid:/a:7001");
        assert_eq!(channel("e1=vsock:16:4294967295"), None);
        let named = channel("e1=unix:/run/e1.sock,channel=unix:/run/e1-channel.sock");
        assert_eq!(named.unwrap(), "unix:/run/e1-channel.sock");
        for bad in ["e1=unix:/a,unix:/b", "e1=unix:/a,channel=b"] {
            assert!(bad.parse::<EnclaveConfig>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_that_could_mean_something_in_a_path_are_refused() {
        for id in ["", "E1", "e/1", "e.1", "..", "e%31", "e 1", &"e".repeat(33)] {
            let text = format!("{id}=unix:/run/e1.sock");
            assert_eq!(
                text.parse::<EnclaveConfig>(),
                Err(EnclaveConfigError::Id(id.to_owned()))
            );
        }
        assert_eq!(
            "e1".parse::<EnclaveConfig>(),
            Err(EnclaveConfigError::Shape)
        );
    }
}
