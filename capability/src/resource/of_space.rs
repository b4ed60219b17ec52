//! What is in a space: `<space>/<service>[/<path>][?query][#fragment]`.

use core::fmt;

use super::space::SCHEME;
use super::{Resource, ResourceError, SpaceId, is_at_or_below};
use crate::uri::Uri;

/// Something in a space, or a service of a space as a whole.
///
/// The text is `<space>/<service>[/<path>][?query][#fragment]`. Escapes are never decoded: the path is the
/// text between the marks. A path that is absent (`…/kv`) is the whole service; one that is empty
/// (`…/kv/`) is the one thing with that path, and what begins with a `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpaceResource {
    space: SpaceId,
    service: String,
    path: Option<String>,
    query: Option<String>,
    fragment: Option<String>,
}

impl SpaceResource {
    /// A service of a space as a whole, or what has this path in it.
    ///
    /// # Errors
    ///
    /// [`ResourceError::Parts`]: service or path would not be read again as what they are.
    /// [`ResourceError::Length`], [`ResourceError::Uri`]: nor would the whole.
    pub fn new(space: SpaceId, service: &str, path: Option<&str>) -> Result<Self, ResourceError> {
        let resource = Self {
            space,
            service: service.to_owned(),
            path: path.map(str::to_owned),
            query: None,
            fragment: None,
        };
        match Resource::parse(&resource.to_string())? {
            Resource::Space(again) if again == resource => Ok(resource),
            _ => Err(ResourceError::Parts),
        }
    }

    /// Reads the parts of a URI with the scheme of spaces that is normalised.
    pub(super) fn from_uri(text: &str, uri: &Uri<'_>) -> Result<Self, ResourceError> {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let hierarchy = text.get(SCHEME.len()..end).unwrap_or_default();
        let (space, rest) = hierarchy.split_once('/').ok_or(ResourceError::Service)?;
        let (service, path) = match rest.split_once('/') {
            Some((service, path)) => (service, Some(path)),
            None => (rest, None),
        };
        Ok(Self {
            space: SpaceId::from_rest(space)?,
            service: service.to_owned(),
            path: path.map(str::to_owned),
            query: uri.query.map(str::to_owned),
            fragment: uri.fragment.map(str::to_owned),
        })
    }

    /// The space that it is in.
    #[must_use]
    pub const fn space(&self) -> &SpaceId {
        &self.space
    }

    /// The service, like `kv`; may be empty, which is no service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// What follows the `/` behind the service, escapes and all.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// What follows the `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// What follows the `#`.
    #[must_use]
    pub fn fragment(&self) -> Option<&str> {
        self.fragment.as_deref()
    }

    /// Whether `self` is `base` or a part of it: space, service and fragment are the same, and the path
    /// is, or is below. Without a path, `base` is the whole service. Queries do not matter.
    #[must_use]
    pub fn extends(&self, base: &Self) -> bool {
        let is_below = match (self.path(), base.path()) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(child), Some(base)) => is_at_or_below(child, base),
        };
        is_below
            && self.space == base.space
            && self.service == base.service
            && self.fragment == base.fragment
    }
}

/// In its one spelling.
impl fmt::Display for SpaceResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.space, self.service)?;
        let tail = [('/', &self.path), ('?', &self.query), ('#', &self.fragment)];
        for (mark, part) in tail {
            if let Some(part) = part {
                write!(f, "{mark}{part}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::UriError;

    fn space() -> SpaceId {
        SpaceId::parse("tinycloud:a:b:c").unwrap()
    }

    #[test]
    fn what_is_made_is_read_again() {
        for (service, path, text) in [
            ("kv", None, "tinycloud:a:b:c/kv"),
            ("kv", Some(""), "tinycloud:a:b:c/kv/"),
            ("kv", Some("/b"), "tinycloud:a:b:c/kv//b"),
            ("", None, "tinycloud:a:b:c/"),
            (
                "capabilities",
                Some("all"),
                "tinycloud:a:b:c/capabilities/all",
            ),
        ] {
            let made = SpaceResource::new(space(), service, path).unwrap();
            assert_eq!(made.to_string(), text);
            assert_eq!(Resource::parse(text), Ok(made.into()));
        }
    }

    #[test]
    fn parts_that_would_be_read_as_others_are_refused() {
        for (service, path) in [
            ("kv/a", None),
            ("kv/a", Some("b")),
            ("kv?", None),
            ("kv", Some("a?b")),
            ("kv", Some("a#b")),
            ("kv", Some("a/../b")),
            ("..", None),
            ("kv", Some("%61")),
        ] {
            let made = SpaceResource::new(space(), service, path);
            assert_eq!(made, Err(ResourceError::Parts), "{service} {path:?}");
        }
        assert_eq!(
            SpaceResource::new(space(), "kv", Some("a b")),
            Err(ResourceError::Uri(UriError::Path))
        );
    }

    #[test]
    fn queries_do_not_matter_and_fragments_do() {
        let read = |tail: &str| match Resource::parse(&format!("tinycloud:a:b:c/{tail}")) {
            Ok(Resource::Space(resource)) => resource,
            other => panic!("{other:?}"),
        };
        let whole = read("kv/a?x=1#f");
        assert_eq!((whole.service(), whole.path()), ("kv", Some("a")));
        assert_eq!((whole.query(), whole.fragment()), (Some("x=1"), Some("f")));
        assert!(whole.extends(&read("kv#f")) && whole.extends(&read("kv/a?y#f")));
        assert!(!whole.extends(&read("kv/a")) && !read("kv/a").extends(&whole));
        assert!(!read("kv/a").extends(&read("sql")) && !read("kvs").extends(&read("kv")));
    }
}
