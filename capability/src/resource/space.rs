//! Names of spaces: `tinycloud:<owner without "did:">:<name>`.

use core::fmt;

use super::is_name;
use crate::did::{Did, DidError};
use crate::uri::{UriError, parse_uri};

/// What names of spaces, and of what is in them, begin with.
pub(super) const SCHEME: &str = "tinycloud:";

/// Why a text names no space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceIdError {
    /// It is no URI at all.
    #[error("the name of a space is no URI: {0}")]
    Uri(#[from] UriError),
    /// Another scheme, another spelling than the normalised one, or a path, query or fragment.
    #[error("not tinycloud:<owner>:<name>, normalised, without path, query and fragment")]
    Shape,
    /// What stands for the owner is no principal.
    #[error("the owner of the space: {0}")]
    Owner(#[from] DidError),
    /// The name is empty, too long, or holds what a name cannot.
    #[error("the name of the space is empty, too long, or holds what a name cannot")]
    Name,
}

/// A space: whose it is, and which one of theirs.
///
/// The text is `tinycloud:<owner without "did:">:<name>`, the owner in its one spelling ([`Did`]). The
/// name ends at the end: it is what follows the last colon. It holds what a segment of a path does
/// (RFC 3986, section 3.3), escapes included, which are never decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpaceId {
    owner: Did,
    name: String,
}

impl SpaceId {
    /// A space of this owner.
    ///
    /// # Errors
    ///
    /// [`SpaceIdError::Name`], or [`SpaceIdError::Shape`] if owner or name hold an escape that is not
    /// normalised.
    pub fn new(owner: &Did, name: &str) -> Result<Self, SpaceIdError> {
        if !is_name(name) {
            return Err(SpaceIdError::Name);
        }
        Self::parse(&format!("{SCHEME}{}:{name}", owner.method_and_id()))
    }

    /// Reads one. The owner may be in any spelling that [`Did::parse`] takes.
    ///
    /// # Errors
    ///
    /// [`SpaceIdError`] says which part.
    pub fn parse(text: &str) -> Result<Self, SpaceIdError> {
        let is_whole = parse_uri(text)?.is_normalised() && !text.contains(['/', '?', '#']);
        let rest = text.strip_prefix(SCHEME).filter(|_| is_whole);
        Self::from_rest(rest.ok_or(SpaceIdError::Shape)?)
    }

    /// Reads what follows the scheme, of a URI that is normalised.
    pub(super) fn from_rest(rest: &str) -> Result<Self, SpaceIdError> {
        let (owner, name) = rest.rsplit_once(':').ok_or(SpaceIdError::Shape)?;
        if !is_name(name) {
            return Err(SpaceIdError::Name);
        }
        Ok(Self {
            owner: Did::parse(&format!("did:{owner}"))?,
            name: name.to_owned(),
        })
    }

    /// Whether a text is the one spelling of a space's name.
    #[must_use]
    pub fn is_normalised(text: &str) -> bool {
        Self::parse(text).is_ok_and(|space| space.to_string() == text)
    }

    /// Whose it is.
    #[must_use]
    pub const fn owner(&self) -> &Did {
        &self.owner
    }

    /// Which one of its owner's, escapes and all.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether anybody may read it: its name is exactly `public`.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.name == "public"
    }
}

/// In its one spelling.
impl fmt::Display for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}:{}", self.owner.method_and_id(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_NAME;
    use super::*;

    const SPACE: &str = "tinycloud:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:default";

    #[test]
    fn a_space_has_an_owner_and_a_name() {
        let key = "key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";
        for (text, owner, name) in [
            (
                SPACE.to_owned(),
                SPACE[10..].strip_suffix(":default").unwrap(),
                "default",
            ),
            (format!("tinycloud:{key}:notes"), key, "notes"),
            (
                "tinycloud:ens:example.eth:ns0".to_owned(),
                "ens:example.eth",
                "ns0",
            ),
            ("tinycloud:a:b:my%20space".to_owned(), "a:b", "my%20space"),
            ("tinycloud:a:b:c@(d)".to_owned(), "a:b", "c@(d)"),
        ] {
            let space = SpaceId::parse(&text).unwrap();
            assert_eq!(space.owner().as_str(), format!("did:{owner}"));
            assert_eq!((space.name(), space.to_string()), (name, text.clone()));
            assert!(SpaceId::is_normalised(&text) && !space.is_public());
            assert_eq!(SpaceId::new(space.owner(), name), Ok(space));
        }
    }

    #[test]
    fn an_owner_is_the_same_in_any_spelling() {
        let lower = SPACE.to_lowercase().replace(":1:", ":01:");
        assert_eq!(SpaceId::parse(&lower), SpaceId::parse(SPACE));
        assert_eq!(SpaceId::parse(&lower).unwrap().to_string(), SPACE);
        assert!(!SpaceId::is_normalised(&lower) && !SpaceId::is_normalised("x:y"));
    }

    #[test]
    fn public_is_exactly_public() {
        let owner = Did::parse("did:a:b").unwrap();
        for (name, public) in [("public", true), ("Public", false), ("public%20", false)] {
            assert_eq!(SpaceId::new(&owner, name).unwrap().is_public(), public);
        }
    }

    #[test]
    fn whatever_names_no_space_is_refused() {
        let long = format!("tinycloud:a:b:{}", "c".repeat(MAX_NAME + 1));
        for (text, error) in [
            ("", SpaceIdError::Uri(UriError::Scheme)),
            ("tinycloud:a:b:é", SpaceIdError::Uri(UriError::Path)),
            ("tinycloud", SpaceIdError::Uri(UriError::Scheme)),
            ("tinycloud:", SpaceIdError::Shape),
            ("TINYCLOUD:a:b:c", SpaceIdError::Shape),
            ("tinycloud://a:1/b:c", SpaceIdError::Shape),
            ("tinycloud:a:b:c/", SpaceIdError::Shape),
            ("tinycloud:a:b:c?d", SpaceIdError::Shape),
            ("tinycloud:a:b:c#d", SpaceIdError::Shape),
            ("tinycloud:a:b:%61", SpaceIdError::Shape),
            ("tinycloud:a:b:%2f", SpaceIdError::Shape),
            ("tinycloud:a:b:", SpaceIdError::Name),
            ("tinycloud:a:b:..", SpaceIdError::Name),
            (&long, SpaceIdError::Name),
            ("tinycloud:a:c", SpaceIdError::Owner(DidError::Syntax)),
            ("tinycloud:A:b:c", SpaceIdError::Owner(DidError::Syntax)),
            ("tinycloud:key:z6Mk:c", SpaceIdError::Owner(DidError::Key)),
            (
                SPACE.strip_suffix(":default").unwrap(),
                SpaceIdError::Owner(DidError::Address),
            ),
            (
                &SPACE.replace(":1:", ":0:"),
                SpaceIdError::Owner(DidError::Chain),
            ),
        ] {
            assert_eq!(SpaceId::parse(text), Err(error), "{text}");
        }
        let owner = Did::parse("did:a:b").unwrap();
        for name in ["", "a:b", "a/b", "a?b", "a#b", ".", "a b"] {
            assert_eq!(
                SpaceId::new(&owner, name),
                Err(SpaceIdError::Name),
                "{name}"
            );
        }
        assert_eq!(SpaceId::new(&owner, "%2f"), Err(SpaceIdError::Shape));
    }
}
