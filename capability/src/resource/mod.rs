//! What abilities are granted on: a URI, read once, and compared by what it names.
//!
//! * Something in a space, `<space>/<service>[/<path>][?query][#fragment]`: [`SpaceResource`].
//! * An encryption network, `urn:tinycloud:encryption:<owner>:<name>`: [`NetworkId`].
//! * A token, `urn:cid:<cid>`: [`Cid`].
//! * Any other URI, which nobody owns.

use core::fmt;

use crate::attenuation::MAX_RESOURCE;
use crate::cid::Cid;
use crate::did::Did;
use crate::uri::{UriError, is_pchars, parse_uri};

mod network;
mod of_space;
mod space;

pub use network::{NetworkId, NetworkIdError};
pub use of_space::SpaceResource;
pub use space::{SpaceId, SpaceIdError};

/// Longest name of a space or of an encryption network, in bytes.
pub const MAX_NAME: usize = 255;

const CID: &str = "urn:cid:";

/// Why a text names nothing that could be granted.
///
/// Whatever carries such a text is refused as a whole. A foreign URI is no error
/// ([`Resource::Other`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// Longer than [`MAX_RESOURCE`].
    #[error("the resource is longer than {MAX_RESOURCE} bytes")]
    Length,
    /// It is no URI at all.
    #[error("the resource is no URI: {0}")]
    Uri(#[from] UriError),
    /// A space alone: nothing is granted on a space but on its services.
    #[error("the resource names no service: write <space>/<service>")]
    Service,
    /// What stands for the space is none.
    #[error(transparent)]
    Space(#[from] SpaceIdError),
    /// A service or path that does not stand for itself in a URI.
    #[error(
        "the service or the path holds what must be escaped, or an escape that is not normalised"
    )]
    Parts,
}

/// What an ability is granted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Something in a space, or a service of a space as a whole.
    Space(SpaceResource),
    /// An encryption network.
    Network(NetworkId),
    /// A token.
    Cid(Cid),
    /// Any other URI, as it was written: foreign ones, and those that are nearly one of above but
    /// name nothing, or are not normalised. It is never the same as one of above.
    Other(String),
}

impl Resource {
    /// Reads a URI. Owners of spaces and networks may be in any spelling that [`Did::parse`] takes, and
    /// a content identifier in any multibase.
    ///
    /// # Errors
    ///
    /// [`ResourceError::Uri`], [`ResourceError::Length`].
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        if text.len() > MAX_RESOURCE {
            return Err(ResourceError::Length);
        }
        let uri = parse_uri(text)?;
        let other = || Self::Other(text.to_owned());
        if !uri.is_normalised() {
            // Two readers may differ about what it names, so it names nothing of ours.
            return Ok(other());
        }
        if text.starts_with(space::SCHEME) {
            return Ok(SpaceResource::from_uri(text, &uri).map_or_else(|_| other(), Self::Space));
        }
        if let Some(cid) = text.strip_prefix(CID) {
            return Ok(Cid::parse(cid).map_or_else(|_| other(), Self::Cid));
        }
        Ok(NetworkId::parse(text).map_or_else(|_| other(), Self::Network))
    }

    /// Whether who holds `base` holds `self`: it is the same, or a part of it.
    ///
    /// * In a space: by [`SpaceResource::extends`].
    /// * Networks and tokens have no parts.
    /// * Other URIs: `self` begins with `base`, as a text. Nothing of ours is an other URI, so this
    ///   reaches into no space, network or token.
    #[must_use]
    pub fn extends(&self, base: &Self) -> bool {
        match (self, base) {
            (Self::Space(child), Self::Space(base)) => child.extends(base),
            (Self::Network(child), Self::Network(base)) => child == base,
            (Self::Cid(child), Self::Cid(base)) => child == base,
            (Self::Other(child), Self::Other(base)) => child.starts_with(base.as_str()),
            _ => false,
        }
    }

    /// Whose it is, and so who needs no grant for it: the owner of the space or network.
    #[must_use]
    pub const fn owner(&self) -> Option<&Did> {
        match self {
            Self::Space(resource) => Some(resource.space().owner()),
            Self::Network(network) => Some(network.owner()),
            Self::Cid(_) | Self::Other(_) => None,
        }
    }

    /// The space that it is in.
    #[must_use]
    pub const fn space(&self) -> Option<&SpaceId> {
        match self {
            Self::Space(resource) => Some(resource.space()),
            Self::Network(_) | Self::Cid(_) | Self::Other(_) => None,
        }
    }
}

impl From<SpaceResource> for Resource {
    fn from(resource: SpaceResource) -> Self {
        Self::Space(resource)
    }
}

/// In its one spelling, which reads as the same again.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Space(resource) => resource.fmt(f),
            Self::Network(network) => network.fmt(f),
            Self::Cid(cid) => write!(f, "{CID}{cid}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Whether one path is another or below it: it begins with it, and what is left, if anything is, is
/// set off by a `/` on either side. Nothing is above the empty path but what begins with a `/`.
pub(crate) fn is_at_or_below(child: &str, base: &str) -> bool {
    child
        .strip_prefix(base)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || base.ends_with('/'))
}

/// True for one segment of a path without colon. `.` and `..` are none: names end up where those mean
/// another place.
fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && !matches!(text, "." | "..")
        && !text.contains(':')
        && is_pchars(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima";

    fn read(text: &str) -> Resource {
        Resource::parse(text).unwrap()
    }

    #[test]
    fn a_token_is_the_same_in_any_base() {
        let base58 = read("urn:cid:zb38SAN7DVy4hx1yP12F8r4Up2q5cbdPKra6GXXHKhA28Vzas");
        let base32 = read(&format!("urn:cid:{DIGEST}"));
        assert!(matches!(base32, Resource::Cid(_)) && base58.extends(&base32));
        assert_eq!(base58.to_string(), format!("urn:cid:{DIGEST}"));
        assert_eq!((base58.owner(), base58.space()), (None, None));
    }

    #[test]
    fn other_uris_reach_into_nothing_of_ours() {
        let base = "tinycloud:a:b:c/kv/";
        for (other, ours) in [
            ("urn:", format!("urn:cid:{DIGEST}")),
            ("urn:cid:", format!("urn:cid:{DIGEST}")),
            (
                "urn:tinycloud:encryption:",
                "urn:tinycloud:encryption:did:a:b:c".to_owned(),
            ),
            ("tinycloud:a:b:c/kv/%61", format!("{base}a")),
            ("tinycloud:a:b:c/kv/../kv/a", format!("{base}a")),
        ] {
            let (other, ours) = (read(other), read(&ours));
            assert!(matches!(other, Resource::Other(_)), "{other}");
            assert!(!matches!(ours, Resource::Other(_)), "{ours}");
            assert!(!ours.extends(&other) && !other.extends(&ours), "{ours}");
            assert!(!other.extends(&read(base)) && other.extends(&other));
        }
    }

    #[test]
    fn an_owner_is_named_by_spaces_and_networks() {
        for text in ["tinycloud:a:b:c/kv", "urn:tinycloud:encryption:did:a:b:c"] {
            assert_eq!(read(text).owner().unwrap().as_str(), "did:a:b");
        }
        assert_eq!(
            read("tinycloud:a:b:c/kv").space(),
            SpaceId::parse("tinycloud:a:b:c").as_ref().ok()
        );
        assert_eq!(read("https://a.example/").owner(), None);
    }

    #[test]
    fn whatever_names_nothing_is_refused() {
        let long = format!("tinycloud:a:b:c/kv/{}", "x".repeat(MAX_RESOURCE));
        for (text, error) in [
            (long.as_str(), ResourceError::Length),
            ("", ResourceError::Uri(UriError::Scheme)),
            ("tinycloud:a:b:c/kv/a b", ResourceError::Uri(UriError::Path)),
            (
                "tinycloud://a:b:c/kv",
                ResourceError::Uri(UriError::Authority),
            ),
        ] {
            assert_eq!(Resource::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_nearly_names_something_of_ours_is_something_else() {
        for (text, error) in [
            ("tinycloud:a:b:c", ResourceError::Service),
            ("tinycloud:a:b:c?d/e", ResourceError::Service),
            (
                "tinycloud:a:c/kv",
                SpaceIdError::Owner(crate::did::DidError::Syntax).into(),
            ),
            ("tinycloud://a:1/kv", SpaceIdError::Shape.into()),
            ("tinycloud:a:b:/kv", SpaceIdError::Name.into()),
        ] {
            let uri = parse_uri(text).unwrap();
            assert_eq!(SpaceResource::from_uri(text, &uri), Err(error), "{text}");
            assert_eq!(read(text), Resource::Other(text.to_owned()));
        }
        for text in ["TINYCLOUD:a:b:c/kv", "Tinycloud:a:b:c/kv/%61"] {
            assert_eq!(read(text), Resource::Other(text.to_owned()));
        }
    }
}
