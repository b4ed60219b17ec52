//! Protocols and the domains that their own programs sign under: `protocols.json`, each with its
//! source. Anybody can use the types of a protocol, so its name is given as a fact only for its own
//! domain.

use std::sync::LazyLock;

use openkey_capability::address::eip55;
use serde::Deserialize;

use crate::typed_data::Domain;

/// Every protocol. Empty if the file that was built in is not readable: then no domain is one of a
/// protocol, and no name is given as a fact.
static PROTOCOLS: LazyLock<Vec<Protocol>> =
    LazyLock::new(|| serde_json::from_str(include_str!("protocols.json")).unwrap_or_default());

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Protocol {
    /// What the lists of messages call it.
    id: String,
    /// What people call it.
    name: String,
    domains: Vec<Home>,
    /// Where the domains are from: for whoever reads the file.
    #[cfg_attr(not(test), allow(dead_code))]
    source: String,
}

/// A domain that a protocol uses. A part that it does not have must not be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Home {
    name: String,
    /// One of these; none if there are none.
    versions: Vec<String>,
    /// One of these, or no chain if there are none. Absent where any chain will do.
    chains: Option<Vec<u64>>,
    /// One of these, in the capitals of EIP-55; no contract if there are none.
    #[serde(default)]
    contracts: Vec<String>,
    salt: Option<String>,
}

impl Home {
    fn is_of(&self, domain: &Domain<'_>) -> bool {
        let is_chain = match (&self.chains, domain.chain()) {
            (None, _) => true,
            (Some(chains), None) => chains.is_empty(),
            (Some(chains), Some(chain)) => chain.to_u64().is_some_and(|it| chains.contains(&it)),
        };
        domain.name() == Some(&self.name)
            && is_one_of(domain.version(), &self.versions)
            && is_chain
            && is_one_of(domain.contract().map(eip55).as_deref(), &self.contracts)
            && domain.salt().map(as_hex) == self.salt
    }
}

fn is_one_of(value: Option<&str>, allowed: &[String]) -> bool {
    value.map_or(allowed.is_empty(), |it| allowed.iter().any(|one| one == it))
}

fn as_hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// True if a domain is one of this protocol's own.
pub(super) fn is_home(id: &str, domain: &Domain<'_>) -> bool {
    let mut all = PROTOCOLS.iter().filter(|it| it.id == id);
    all.any(|it| it.domains.iter().any(|home| home.is_of(domain)))
}

/// A title with the name of its protocol: as a fact under the protocol's own domain, and as a claim
/// of the request under every other.
pub(super) fn titled(title: &str, id: &str, domain: &Domain<'_>) -> String {
    let name = name(id);
    if is_home(id, domain) {
        format!("{title} ({name})")
    } else {
        format!("{title} (says it is {name})")
    }
}

/// What is wrong with a message of a protocol under this domain, if it is not the protocol's own.
pub(super) fn stranger(id: &str, domain: &Domain<'_>) -> Option<String> {
    (!is_home(id, domain)).then(|| {
        format!(
            "The request has the form of a message of {}, but name, version, chain and contract are \
             not those of {}. Another program gets this signature.",
            name(id),
            name(id)
        )
    })
}

/// True for a salt that a protocol publishes for all of its messages.
pub(super) fn is_public_salt(salt: &[u8]) -> bool {
    let salt = as_hex(salt);
    let mut homes = PROTOCOLS.iter().flat_map(|it| &it.domains);
    homes.any(|home| home.salt.as_ref() == Some(&salt))
}

fn name(id: &str) -> &str {
    let mut all = PROTOCOLS.iter();
    all.find(|it| it.id == id).map_or(id, |it| &it.name)
}

#[cfg(test)]
mod tests {
    use openkey_capability::address::{Capitals, parse_address};

    use super::*;

    #[test]
    fn the_list_is_read_and_every_protocol_has_a_source() {
        assert!(PROTOCOLS.len() > 8);
        for (at, protocol) in PROTOCOLS.iter().enumerate() {
            assert!(protocol.source.starts_with("https://"), "{}", protocol.id);
            assert!(PROTOCOLS[..at].iter().all(|it| it.id != protocol.id));
            for home in &protocol.domains {
                for contract in &home.contracts {
                    let address = parse_address(contract, Capitals::CheckedOrLower).unwrap();
                    assert_eq!(&eip55(&address), contract);
                }
                let salts = home.salt.iter();
                assert!(salts.clone().all(|it| it.len() == 66), "{:?}", home.salt);
            }
        }
    }
}
