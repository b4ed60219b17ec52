//! What a host-proxy is told at start.

mod limits;
mod origin;
mod quota;

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use openkey_protocol::transport::Address;

pub use limits::Limits;
pub use origin::{Origin, OriginError};
pub use quota::{Quota, QuotaError};

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
    /// Where the sealed-record store listens for enclaves.
    pub store_listen: Address,
    /// Where the store keeps its database; made if missing, mode 0700.
    pub dir: PathBuf,
    /// The policy file as served to the page in `/config.json`, for a page served by someone the
    /// person trusts with it; `None` leaves the choice to the page.
    pub policy: Option<serde_json::Value>,
    /// The one proxy hop whose `X-Forwarded-For` counts. Nobody's by default.
    pub trusted_proxy: Option<ipnet::IpNet>,
    /// Serve the page from this directory instead of the embedded one (development).
    pub page_dir: Option<PathBuf>,
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
        store_listen: Address,
        dir: PathBuf,
    ) -> Self {
        Self {
            listen,
            origin,
            hosts: Vec::new(),
            enclaves,
            store_listen,
            dir,
            policy: None,
            trusted_proxy: None,
            page_dir: None,
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
}

/// Why a text names no enclave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnclaveConfigError {
    /// There is no `=`.
    #[error("expected ID=ADDRESS or ID@MEMBER=ADDRESS, such as e1=unix:/run/openkey/e1.sock")]
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

    /// Reads `ID=ADDRESS` or `ID@MEMBER=ADDRESS`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = text.split_once('=').ok_or(EnclaveConfigError::Shape)?;
        let (id, member) = name.split_once('@').unwrap_or((name, DEFAULT_MEMBER));
        for name in [id, member] {
            if !is_routing_id(name) {
                return Err(EnclaveConfigError::Id(name.to_owned()));
            }
        }
        let address = address
            .parse::<Address>()
            .map_err(|e| EnclaveConfigError::Address(e.to_string()))?;
        Ok(Self {
            id: id.to_owned(),
            member: member.to_owned(),
            address,
        })
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
