//! Names of encryption networks: `urn:tinycloud:encryption:<owner>:<name>`.

use core::fmt;

use super::is_name;
use crate::did::{Did, DidError};
use crate::uri::{UriError, parse_uri};

const PREFIX: &str = "urn:tinycloud:encryption:";

/// Why a text names no encryption network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkIdError {
    /// It is no URI at all.
    #[error("the name of an encryption network is no URI: {0}")]
    Uri(#[from] UriError),
    /// Another prefix, another spelling than the normalised one, or a path, query or fragment.
    #[error("not urn:tinycloud:encryption:<owner>:<name>, normalised, without query and fragment")]
    Shape,
    /// What stands for the owner is no principal.
    #[error("the owner of the encryption network: {0}")]
    Owner(#[from] DidError),
    /// The name is empty, too long, or holds what a name cannot.
    #[error("the name of the encryption network is empty, too long, or holds what a name cannot")]
    Name,
}

/// An encryption network: whose it is, and which one of theirs.
///
/// The text is `urn:tinycloud:encryption:<owner>:<name>`, the owner a whole DID in its one spelling; the
/// name is what follows the last colon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId {
    owner: Did,
    name: String,
}

impl NetworkId {
    /// A network of this owner.
    ///
    /// # Errors
    ///
    /// [`NetworkIdError::Name`], or [`NetworkIdError::Shape`] if owner or name hold an escape that is
    /// not normalised.
    pub fn new(owner: &Did, name: &str) -> Result<Self, NetworkIdError> {
        if !is_name(name) {
            return Err(NetworkIdError::Name);
        }
        Self::parse(&format!("{PREFIX}{owner}:{name}"))
    }

    /// Reads one. The owner may be in any spelling that [`Did::parse`] takes.
    ///
    /// # Errors
    ///
    /// [`NetworkIdError`] says which part.
    pub fn parse(text: &str) -> Result<Self, NetworkIdError> {
        // A fragment would end the owner early.
        let is_whole = parse_uri(text)?.is_normalised() && !text.contains(['/', '?', '#']);
        let rest = text.strip_prefix(PREFIX).filter(|_| is_whole);
        let (owner, name) = rest
            .and_then(|rest| rest.rsplit_once(':'))
            .ok_or(NetworkIdError::Shape)?;
        if !is_name(name) {
            return Err(NetworkIdError::Name);
        }
        Ok(Self {
            owner: Did::parse(owner)?,
            name: name.to_owned(),
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn owner(&self) -> &Did {
        &self.owner
    }

    /// Which one of its owner's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// In its one spelling.
impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_NAME;
    use super::*;

    const NETWORK: &str =
        "urn:tinycloud:encryption:did:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:main";

    #[test]
    fn a_network_has_an_owner_and_a_name() {
        let network = NetworkId::parse(NETWORK).unwrap();
        assert!(network.owner().account().is_some() && network.name() == "main");
        assert_eq!(network.to_string(), NETWORK);
        assert_eq!(
            NetworkId::new(network.owner(), "main").as_ref(),
            Ok(&network)
        );
        assert_eq!(NetworkId::parse(&NETWORK.to_lowercase()), Ok(network));
    }

    #[test]
    fn whatever_names_no_network_is_refused() {
        let long = format!("{NETWORK}{}", "n".repeat(MAX_NAME));
        for (text, error) in [
            ("", NetworkIdError::Uri(UriError::Scheme)),
            ("urn:x", NetworkIdError::Shape),
            (PREFIX, NetworkIdError::Shape),
            (&NETWORK.replacen('u', "U", 1), NetworkIdError::Shape),
            (&format!("{NETWORK}/x"), NetworkIdError::Shape),
            (&format!("{NETWORK}#x"), NetworkIdError::Shape),
            (&format!("{NETWORK}?x"), NetworkIdError::Shape),
            (&NETWORK.replace(":main", "#a:main"), NetworkIdError::Shape),
            (&format!("{NETWORK}%61"), NetworkIdError::Shape),
            (&NETWORK.replace("main", ""), NetworkIdError::Name),
            (&long, NetworkIdError::Name),
            (
                "urn:tinycloud:encryption:pkh:x:main",
                NetworkIdError::Owner(DidError::Syntax),
            ),
        ] {
            assert_eq!(NetworkId::parse(text), Err(error), "{text}");
        }
        let owner = Did::parse("did:a:b").unwrap();
        for name in ["", "a:b", "a/b", ".."] {
            assert_eq!(NetworkId::new(&owner, name), Err(NetworkIdError::Name));
        }
    }
}
