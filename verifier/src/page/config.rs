//! What a host tells the page beside its files (`/config.json`): its own choice, which no release names.

use openkey_attestation::json;
use serde::Deserialize;

use super::headers::is_origin;
use crate::anchor::Anchor;

/// The version of such files.
const VERSION: u32 = 1;
/// Longest routing id of an enclave, in characters.
const MAX_ID: usize = 64;

/// What a host tells its page, judged as far as anybody can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the page says that it belongs.
    pub origin: String,
    /// The node that the page may talk to: the host's choice.
    pub node: Option<String>,
    /// A further condition for evidence, as JSON.
    pub policy: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    origin: String,
    enclave: Option<String>,
    policy: Option<serde_json::Value>,
    node: Option<String>,
}

/// Why what a host tells its page is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not JSON with these members and no others.
    #[error("/config.json is not as the page reads it: {0}")]
    Malformed(String),
    /// Another version.
    #[error("/config.json has version {0}, this program reads {VERSION}")]
    Version(u32),
    /// An origin that is none, or not over TLS.
    #[error("/config.json names {member} {value:?}, which is no https origin")]
    Origin {
        /// Which member.
        member: &'static str,
        /// What it has.
        value: String,
    },
    /// The page would send people to another address.
    #[error(
        "/config.json sends people to {origin}, which is not {rp_id} or below it: whoever follows \
         leaves this deployment"
    )]
    Elsewhere {
        /// The origin.
        origin: String,
        /// The anchor's relying party.
        rp_id: String,
    },
    /// Not a routing id.
    #[error("/config.json names an enclave that is no routing id")]
    Enclave,
}

impl ConfigError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Malformed(_)
            | Self::Version(_)
            | Self::Origin { .. }
            | Self::Elsewhere { .. }
            | Self::Enclave => "page_config",
        }
    }
}

impl Config {
    /// Reads what a host serves as `/config.json`; its policy is judged apart. Without an anchor there is
    /// no relying party that the origin could be held to: the page believes nothing then.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn from_json(text: &[u8], anchor: Option<&Anchor>) -> Result<Self, ConfigError> {
        let file: File =
            json::read(text).map_err(|error| ConfigError::Malformed(error.to_string()))?;
        if file.version != VERSION {
            return Err(ConfigError::Version(file.version));
        }
        let origin = host("origin", &file.origin)?;
        if let Some(anchor) = anchor
            && anchor.check_host(origin).is_err()
        {
            return Err(ConfigError::Elsewhere {
                origin: file.origin.clone(),
                rp_id: anchor.rp_id().to_owned(),
            });
        }
        if let Some(node) = &file.node {
            host("the node", node)?;
        }
        if !file.enclave.as_deref().is_none_or(is_routing_id) {
            return Err(ConfigError::Enclave);
        }
        Ok(Self {
            origin: file.origin,
            node: file.node,
            policy: file.policy,
        })
    }
}

/// The host of an origin.
fn host<'a>(member: &'static str, origin: &'a str) -> Result<&'a str, ConfigError> {
    let wrong = || ConfigError::Origin {
        member,
        value: origin.chars().take(80).collect(),
    };
    if !is_origin(origin) {
        return Err(wrong());
    }
    let (_, authority) = origin.split_once("://").ok_or_else(wrong)?;
    let after = authority.rfind(']').map_or(0, |end| end + 1);
    let port = authority.get(after..).and_then(|rest| rest.find(':'));
    let Some(at) = port else {
        return Ok(authority);
    };
    let (host, port) = authority.split_at_checked(after + at).ok_or_else(wrong)?;
    let number = port.get(1..).and_then(|port| port.parse::<u16>().ok());
    match number {
        Some(_) if !host.is_empty() => Ok(host),
        _ => Err(wrong()),
    }
}

fn is_routing_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
