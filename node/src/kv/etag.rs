//! Entity tags (RFC 9110, section 8.8.3): `"blake3-<64 hexadecimal digits>"`.

use core::fmt;

use axum::http::{HeaderMap, HeaderValue, header};

use crate::digest;
use crate::error::Error;
use crate::store::Condition;

/// Longest list of tags that is read.
const MAX_LIST: usize = 4096;

/// The tag of a value: the BLAKE3 of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag(pub [u8; 32]);

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"blake3-{}\"", hex::encode(self.0))
    }
}

impl ETag {
    /// As a header's value.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        // quotes, letters and digits are always a header's value
        HeaderValue::from_str(&self.to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
    }

    /// Reads the strong form, quotes and all.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("\"blake3-")?.strip_suffix('"')?;
        digest::parse(digits).map(Self)
    }
}

/// What `If-None-Match` says about a reading: tags are compared weakly (RFC 9110, section 13.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfNoneMatch {
    /// Any value.
    Any,
    /// One of these.
    Tags(Vec<String>),
}

impl IfNoneMatch {
    /// Of a request, if it says something.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut tags = Vec::new();
        for line in headers.get_all(header::IF_NONE_MATCH) {
            let text = line.to_str().ok().filter(|text| text.len() <= MAX_LIST)?;
            for tag in text.split(',').map(str::trim) {
                if tag == "*" {
                    return Some(Self::Any);
                }
                tags.push(tag.strip_prefix("W/").unwrap_or(tag).to_owned());
            }
        }
        (!tags.is_empty()).then_some(Self::Tags(tags))
    }

    /// Whether it names the value.
    #[must_use]
    pub fn names(&self, etag: ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| *tag == etag.to_string()),
        }
    }
}

/// What a request demands of the value that it changes.
pub(super) fn condition(headers: &HeaderMap, may_create: bool) -> Result<Condition, Error> {
    check_known(headers)?;
    let bad = |text: &str| Error::Bad(text.to_owned());
    let matched = single(headers, header::IF_MATCH)?;
    let none = single(headers, header::IF_NONE_MATCH)?;
    match (matched, none) {
        (None, None) => Ok(Condition::Any),
        (Some(_), Some(_)) => Err(bad("If-Match and If-None-Match cannot be combined")),
        (Some(tag), None) => match ETag::parse(tag) {
            Some(etag) => Ok(Condition::Match(etag.0)),
            None => Err(bad(
                "If-Match must be one strong blake3 tag, as a put answered it",
            )),
        },
        (None, Some("*")) if may_create => Ok(Condition::Absent),
        (None, Some(_)) => Err(bad(
            "A change takes If-None-Match only as `*`, and only to put",
        )),
    }
}

/// Refuses conditions where there can be none.
pub(super) fn check_unconditional(headers: &HeaderMap) -> Result<(), Error> {
    check_known(headers)?;
    if headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_NONE_MATCH) {
        return Err(Error::Bad(
            "If-Match and If-None-Match require exactly one non-multipart mutation".to_owned(),
        ));
    }
    Ok(())
}

/// Refuses what would change something where something is read.
pub(super) fn check_reading(headers: &HeaderMap) -> Result<(), Error> {
    check_known(headers)?;
    if headers.contains_key(header::IF_MATCH) {
        return Err(Error::Bad(
            "If-Match requires exactly one non-multipart mutation".to_owned(),
        ));
    }
    Ok(())
}

fn check_known(headers: &HeaderMap) -> Result<(), Error> {
    if headers.contains_key("x-tinycloud-expected-version") {
        return Err(Error::Bad(
            "x-tinycloud-expected-version is not known: use If-Match".to_owned(),
        ));
    }
    Ok(())
}

fn single(headers: &HeaderMap, name: header::HeaderName) -> Result<Option<&str>, Error> {
    let mut values = headers.get_all(&name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text.trim())),
        _ => Err(Error::Bad(format!("{name} must be there once"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn tags_are_read_as_they_are_written() {
        let etag = ETag([0xab; 32]);
        let text = format!("\"blake3-{}\"", "ab".repeat(32));
        assert_eq!(etag.to_string(), text);
        assert_eq!(ETag::parse(&text), Some(etag));
        let upper = text.replace("ab", "AB");
        for other in [
            "",
            "\"\"",
            "*",
            &text[1..],
            &format!("W/{text}"),
            &upper,
            "\"blake3-ab\"",
        ] {
            assert_eq!(ETag::parse(other), None, "{other}");
        }
    }

    #[test]
    fn readings_compare_weakly_and_in_lists() {
        let etag = ETag([1; 32]);
        let named = |lines: &[&str]| {
            let pairs: Vec<_> = lines.iter().map(|line| ("if-none-match", *line)).collect();
            IfNoneMatch::of(&headers(&pairs)).is_some_and(|it| it.names(etag))
        };
        let own = etag.to_string();
        assert!(named(&[&own]));
        assert!(named(&[&format!("W/{own}")]));
        assert!(named(&[&format!("\"other\", {own}")]));
        assert!(named(&["\"other\"", &own]));
        assert!(named(&["*"]));
        assert!(!named(&[]));
        assert!(!named(&["\"other\""]));
        assert!(!named(&[&ETag([2; 32]).to_string()]));
    }

    #[test]
    fn conditions_of_changes_are_exact() {
        let etag = ETag([1; 32]).to_string();
        let of = |pairs: &[(&'static str, &str)], may_create| {
            condition(&headers(pairs), may_create).ok()
        };
        assert_eq!(of(&[], true), Some(Condition::Any));
        assert_eq!(
            of(&[("if-match", &etag)], false),
            Some(Condition::Match([1; 32]))
        );
        assert_eq!(of(&[("if-none-match", "*")], true), Some(Condition::Absent));
        for refused in [
            &[("if-none-match", "*"), ("if-match", &*etag)][..],
            &[("if-match", "*")],
            &[("if-match", &format!("W/{etag}"))],
            &[("if-match", &format!("{etag}, {etag}"))],
            &[("if-match", &etag), ("if-match", &etag)],
            &[("if-none-match", &etag)],
            &[("x-tinycloud-expected-version", "1")],
        ] {
            assert_eq!(of(refused, true), None, "{refused:?}");
        }
        assert_eq!(of(&[("if-none-match", "*")], false), None);
    }
}
