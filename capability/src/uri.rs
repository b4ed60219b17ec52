//! RFC 3986 syntax checks. Nothing is decoded or rewritten: what was written is what counts.

use core::net::Ipv6Addr;

/// Which part of a URI breaks the syntax of RFC 3986.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// No scheme, or one that does not begin with a letter (section 3.1).
    #[error("the URI has no valid scheme")]
    Scheme,
    /// The host or what surrounds it (section 3.2).
    #[error("the authority of the URI is not valid")]
    Authority,
    /// The path (section 3.3).
    #[error("the path of the URI holds a character that a path cannot hold")]
    Path,
    /// The query or fragment (sections 3.4 and 3.5).
    #[error("the query or fragment of the URI holds a character that it cannot hold")]
    Tail,
}

/// The parts of an authority: `[userinfo "@"] host [":" port]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// What is in front of the `@`, if there is one.
    pub userinfo: Option<&'a str>,
    /// A registered name, an IPv4 address, or an IPv6 address in brackets; not empty.
    pub host: &'a str,
    /// The digits after the colon, if there is one.
    pub port: Option<&'a str>,
}

/// The parts of a URI that matter to somebody who reads one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// Without the colon.
    pub scheme: &'a str,
    /// Present if the scheme is followed by `//` and a host; web address must have one (RFC 9110,
    /// section 4.2.1).
    pub authority: Option<Authority<'a>>,
    /// What follows the scheme or the authority; may be empty.
    pub path: &'a str,
    /// What follows the first `?`, if there is one.
    pub query: Option<&'a str>,
    /// What follows the `#`, if there is one.
    pub fragment: Option<&'a str>,
}

impl Uri<'_> {
    /// Whether the URI has the one spelling that the rules for every scheme lead to (section 6.2.2):
    /// scheme and host without capitals, no `.` and `..` among the segments of the path, and escapes
    /// in capitals, only of what cannot stand for itself.
    #[must_use]
    pub fn is_normalised(&self) -> bool {
        let parts = [
            self.authority.and_then(|authority| authority.userinfo),
            self.authority.map(|authority| authority.host),
            Some(self.path),
            self.query,
            self.fragment,
        ];
        !has_capitals(self.scheme)
            && !self.authority.is_some_and(|it| has_capitals(it.host))
            && !self.path.split('/').any(|part| matches!(part, "." | ".."))
            && parts.into_iter().flatten().all(escapes_are_normal)
    }
}

/// True if a letter outside escapes is a capital.
fn has_capitals(text: &str) -> bool {
    text.split('%').enumerate().any(|(place, part)| {
        let own = if place == 0 {
            Some(part)
        } else {
            part.get(2..)
        };
        own.is_some_and(|own| own.bytes().any(|byte| byte.is_ascii_uppercase()))
    })
}

/// True if escapes are in capitals and none is of an unreserved character.
fn escapes_are_normal(text: &str) -> bool {
    text.split('%').skip(1).all(|part| {
        part.get(..2).is_some_and(|digits| {
            !digits.bytes().any(|digit| digit.is_ascii_lowercase())
                && u8::from_str_radix(digits, 16).is_ok_and(|byte| !is_unreserved(byte))
        })
    })
}

/// `unreserved` of RFC 3986, section 2.3.
#[must_use]
pub const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `sub-delims` of RFC 3986, section 2.2.
#[must_use]
pub const fn is_sub_delim(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
    )
}

/// `gen-delims` of RFC 3986, section 2.2.
#[must_use]
pub const fn is_gen_delim(byte: u8) -> bool {
    matches!(byte, b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@')
}

/// True if every byte is unreserved, a sub-delimiter, one of `also`, or begins an escape of two
/// hexadecimal digits.
fn is_made_of(text: &str, also: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let holds = is_unreserved(byte)
            || is_sub_delim(byte)
            || also.contains(&byte)
            || (byte == b'%'
                && (0..2).all(|_| bytes.next().is_some_and(|b| b.is_ascii_hexdigit())));
        if !holds {
            return false;
        }
    }
    true
}

/// True if a URI of this scheme names nothing without a host.
fn needs_host(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// True if the text is `*pchar` (section 3.3), which may be empty.
#[must_use]
pub fn is_pchars(text: &str) -> bool {
    is_made_of(text, b":@")
}

/// True if the text is a `scheme` (section 3.1).
#[must_use]
pub fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Reads an `authority` (section 3.2) with a host that is not empty and, after a colon, a port
/// between 0 and 65535. The address form for future IP versions is refused: there is none.
#[must_use]
pub fn parse_authority(text: &str) -> Option<Authority<'_>> {
    let (userinfo, rest) = match text.rsplit_once('@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, text),
    };
    if !userinfo.is_none_or(|userinfo| is_made_of(userinfo, b":")) {
        return None;
    }
    let (host, port) = match rest.rfind(']') {
        Some(end) => {
            let (host, port) = rest.split_at_checked(end + 1)?;
            let inner = host.strip_prefix('[')?.strip_suffix(']')?;
            inner.parse::<Ipv6Addr>().ok()?;
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':')?),
            };
            (host, port)
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    if host.is_empty() || !(host.starts_with('[') || is_made_of(host, b"")) {
        return None;
    }
    let port_holds = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    });
    port_holds.then_some(Authority {
        userinfo,
        host,
        port,
    })
}

/// Reads a `URI` (section 3): with a scheme, in any spelling the syntax allows.
///
/// # Errors
///
/// [`UriError`] names the part that breaks the syntax.
pub fn parse_uri(text: &str) -> Result<Uri<'_>, UriError> {
    let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
    if !is_scheme(scheme) {
        return Err(UriError::Scheme);
    }
    let (rest, fragment) = cut(rest, '#');
    let (hierarchy, query) = cut(rest, '?');
    let is_tail = |tail: Option<&str>| tail.is_none_or(|tail| is_made_of(tail, b":@/?"));
    if !is_tail(query) || !is_tail(fragment) {
        return Err(UriError::Tail);
    }
    let (authority, path) = match hierarchy.strip_prefix("//") {
        Some(after) => {
            let end = after.find('/').unwrap_or(after.len());
            let (authority, path) = after.split_at_checked(end).ok_or(UriError::Authority)?;
            let authority = if authority.is_empty() && !needs_host(scheme) {
                None
            } else {
                Some(parse_authority(authority).ok_or(UriError::Authority)?)
            };
            (authority, path)
        }
        None => (None, hierarchy),
    };
    if !is_made_of(path, b":@/") {
        return Err(UriError::Path);
    }
    Ok(Uri {
        scheme,
        authority,
        path,
        query,
        fragment,
    })
}

/// What is in front of a mark, and what follows it.
fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_of_many_schemes_are_read() {
        for text in [
            "https://app.example/login?next=%2Fhome#top",
            "http://[::1]:8080/",
            "http://user:secret@host.example:65535",
            "did:key:z6MkwJZv#z6MkwJZv",
            "urn:uuid:00000000-0000-4000-8000-000000000002",
            "ipfs://bafy/a/b",
            "file:///etc/hosts",
            "a:///",
            "mailto:a@b.example",
            "a+b-c.d:",
            "x:/p//q",
        ] {
            assert!(parse_uri(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn broken_uris_name_the_part() {
        for (text, error) in [
            ("", UriError::Scheme),
            ("no-colon", UriError::Scheme),
            ("1x:a", UriError::Scheme),
            (":a", UriError::Scheme),
            ("https://", UriError::Authority),
            ("https:///path", UriError::Authority),
            ("https://a b/", UriError::Authority),
            ("https://[::1/", UriError::Authority),
            ("https://[v1.x]/", UriError::Authority),
            ("https://a:65536/", UriError::Authority),
            ("https://a:+1/", UriError::Authority),
            ("https://ä.example/", UriError::Authority),
            ("x:a b", UriError::Path),
            ("x:%zz", UriError::Path),
            ("x:%a", UriError::Path),
            ("x:[a]", UriError::Path),
            ("x:a\\b", UriError::Path),
            ("x:a?\"", UriError::Tail),
            ("x:a#b#c", UriError::Tail),
        ] {
            assert_eq!(parse_uri(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_tail_is_absent_or_empty() {
        let parts = |text| {
            let uri = parse_uri(text).unwrap();
            (uri.path, uri.query, uri.fragment)
        };
        assert_eq!(parts("x:a/b"), ("a/b", None, None));
        assert_eq!(parts("x://h/a?#"), ("/a", Some(""), Some("")));
        assert_eq!(parts("x:?a?b#c?d"), ("", Some("a?b"), Some("c?d")));
        assert_eq!(parts("x:a#b?c"), ("a", None, Some("b?c")));
    }

    #[test]
    fn normalised_is_one_spelling() {
        for text in [
            "x:",
            "x:a/b..c/...",
            "x:A%2F%C3%A9",
            "x://h%2F.example/%20?%5B#%5D",
            "x://U@h:80/",
        ] {
            assert!(parse_uri(text).unwrap().is_normalised(), "{text}");
        }
        for text in [
            "X:",
            "x:a/./b",
            "x:..",
            "x:a/..",
            "x:%2f",
            "x:%C3%a9",
            "x:%61",
            "x:%7E",
            "x:?%2e",
            "x:#%2f",
            "x://H/",
            "x://h%2f/",
            "x://%75@h/",
        ] {
            assert!(!parse_uri(text).unwrap().is_normalised(), "{text}");
        }
    }

    #[test]
    fn an_authority_has_three_parts() {
        assert_eq!(
            parse_authority("me@[::1]:7"),
            Some(Authority {
                userinfo: Some("me"),
                host: "[::1]",
                port: Some("7"),
            })
        );
        for text in ["", ":80", "a:", "a:b", "[::1]x", "a@b@c:99999", "a/b", "[]"] {
            assert_eq!(parse_authority(text), None, "{text}");
        }
    }
}
