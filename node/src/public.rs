//! Public spaces: what anybody may read, without a token.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use openkey_capability::resource::{SpaceId, SpaceResource};

use crate::allowance::{Allowance, Read, Taken};
use crate::body::{FREE, json};
use crate::error::Error;
use crate::kv::{self, ETag, IfNoneMatch, Reading};
use crate::node::Node;
use crate::signed::guard;
use crate::store::{Keys, Page, StoreError};

const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=60");
/// What of the stored headers is given to anybody.
const SHOWN: [header::HeaderName; 3] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
];
/// Most keys of one list: it is for anybody, and has no pages.
const MAX_KEYS: usize = 10_000;
/// Keys that are read at once.
const PAGE: u32 = 64;
/// Bytes of memory for one of a key: as it is, and as JSON while that grows.
const EACH_BYTE: usize = 4;

/// One value of a public space. `key` is as it stands in the URL, its escapes as they are: a value is
/// found under the key that it was stored under.
///
/// # Errors
///
/// [`Error`].
pub async fn get(
    node: &Node,
    space: &str,
    key: &str,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let space = public(space)?;
    let keys = stored_as(&space, key);
    if keys.is_empty() {
        return Err(Error::Bad(
            "Invalid key: escape the key as in a URL (RFC 3986)".to_owned(),
        ));
    }
    let mut value = None;
    for key in keys {
        value = match node.store.value(&space, &key).await {
            Err(StoreError::NoSpace) => None,
            other => other?,
        };
        if value.is_some() {
            break;
        }
    }
    let value = value.ok_or_else(|| Error::NotFound("Key not found".to_owned()))?;
    let etag = ETag(value.hash);
    if IfNoneMatch::of(headers).is_some_and(|tags| tags.names(etag)) {
        return Ok(kv::not_modified(etag, CACHE));
    }
    let stored = kv::replayed(&value.headers)?;
    let mut shown = HeaderMap::new();
    for name in SHOWN {
        if let Some(value) = stored.get(&name) {
            shown.insert(name, value.clone());
        }
    }
    let reading = Reading {
        headers: shown,
        part: kv::wanted(headers, value.size, etag)?,
        cache: CACHE,
    };
    let mut response = kv::content(node, value, reading).await?;
    guard(response.headers_mut());
    Ok(response)
}

/// The keys of a public space.
///
/// # Errors
///
/// [`Error`].
pub async fn list(node: &Node, space: &str, prefix: &str) -> Result<Response, Error> {
    let space = public(space)?;
    let which = Keys::With(prefix.to_owned());
    let (mut keys, mut size, mut taken) = (Vec::new(), 0_usize, Taken::default());
    let mut page = Page {
        after: None,
        limit: PAGE,
    };
    loop {
        let mut allowed = Allowance::LEAST;
        let more = loop {
            let bytes = match node.store.keys(&space, &which, page.clone(), allowed).await {
                // as clients of present nodes know it
                Err(StoreError::NoSpace) => break Vec::new(),
                Err(error) => return Err(error.into()),
                Ok(Read::All(keys)) => break keys,
                Ok(Read::Larger(bytes)) => bytes,
            };
            let memory = size.saturating_add(bytes).saturating_mul(EACH_BYTE);
            allowed = taken.allow(bytes, memory).await?;
        };
        let is_last = more.len() < PAGE as usize;
        let bytes = more.iter().map(String::len).sum::<usize>();
        size = size.saturating_add(bytes);
        if size > FREE {
            taken.allow(bytes, size.saturating_mul(EACH_BYTE)).await?;
        }
        page.after = more.last().cloned();
        keys.extend(more);
        if keys.len() > MAX_KEYS {
            return Err(Error::TooLarge(format!(
                "More than {MAX_KEYS} keys: ask with a longer prefix"
            )));
        }
        if is_last {
            break;
        }
    }
    let mut response = json(&keys)?;
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}

/// The keys that a path of a URL can mean. Keys are stored as they stand in resources. Who writes URLs may
/// escape more than that, so what is not there as it stands is looked for as resources write it, and
/// then as the whole key in one segment, which present nodes take apart.
fn stored_as(space: &SpaceId, path: &str) -> Vec<String> {
    let is_key = |key: &String| {
        !key.is_empty() && SpaceResource::new(space.clone(), kv::SERVICE, Some(key)).is_ok()
    };
    let plain = as_in_resources(path);
    let apart = plain.as_ref().map(|plain| plain.replace("%2F", "/"));
    let mut keys = vec![path.to_owned()];
    keys.extend(plain.into_iter().chain(apart));
    keys.dedup();
    keys.into_iter().filter(is_key).collect()
}

/// A path without the escapes that it does not need; `None` if it cannot be one. What an escape stands
/// for is never a separator: `%2F` stays.
fn as_in_resources(path: &str) -> Option<String> {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let escape = after.get(..2)?;
        let byte = u8::from_str_radix(escape, 16).ok()?;
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            plain.push(char::from(byte));
        } else {
            plain.push('%');
            plain.push_str(&escape.to_ascii_uppercase());
        }
        rest = after.get(2..)?;
    }
    plain.push_str(rest);
    let is_plain = plain
        .split('/')
        .all(|segment| !matches!(segment, "." | ".."));
    is_plain.then_some(plain)
}

fn public(space: &str) -> Result<SpaceId, Error> {
    let space = SpaceId::parse(space).map_err(|_| Error::Bad("Invalid space ID".to_owned()))?;
    if space.is_public() {
        Ok(space)
    } else {
        Err(Error::Forbidden("Not a public space".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h6_needless_escapes_are_one_reading_and_separators_never_appear() {
        for (path, plain) in [
            ("a%3Ab", Some("a:b")),
            ("a%20b%27", Some("a%20b'")),
            ("a%c3%a9", Some("a%C3%A9")),
            ("a%2fb", Some("a%2Fb")),
            ("a%2Fb", Some("a%2Fb")),
            ("a/b", Some("a/b")),
            ("%2e%2e/etc", None),
            ("a/%2E/b", None),
            ("a%2", None),
            ("a%", None),
            ("a%zz", None),
            ("a%é", None),
            ("%2e%2e%2fa", Some("..%2Fa")),
        ] {
            assert_eq!(as_in_resources(path).as_deref(), plain, "{path}");
        }
    }

    #[test]
    fn whatever_a_url_escapes_a_path_means_what_can_be_a_key() {
        let space = SpaceId::parse("tinycloud:a:b:public").unwrap();
        for (path, keys) in [
            ("a/b", &["a/b"][..]),
            ("a%3Ab", &["a%3Ab", "a:b"]),
            // a key in one segment
            ("a%2Fb", &["a%2Fb", "a/b"]),
            (".a%2Fb%3Ac", &[".a%2Fb%3Ac", ".a%2Fb:c", ".a/b:c"]),
            ("%2Fa%2F%2Fb", &["%2Fa%2F%2Fb", "/a//b"]),
            // no resource is written like these, but URLs are
            ("%7Ea", &["~a"]),
            ("%61%2fb", &["a%2Fb", "a/b"]),
            ("..%2Fa", &["..%2Fa"]),
            ("a%2F%2e", &["a%2F."]),
            ("", &[]),
            ("a b", &[]),
            ("a?b", &[]),
            ("a%+5", &[]),
            ("%2e%2e/a", &[]),
        ] {
            assert_eq!(stored_as(&space, path), keys, "{path}");
        }
    }
}
