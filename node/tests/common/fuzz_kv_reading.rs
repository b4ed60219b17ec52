//! Any bytes as a key in a URL, with headers behind it: the fuzz target's body, also run on its corpus
//! by the tests.

use std::ops::Range;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openkey_node::standing::Standing;
use openkey_node::store::Ticket;
use openkey_node::{error::Error, public, signed};
use percent_encoding::percent_decode_str;

use crate::fuzz_node::{self, Fixture, KEYS, NOW_MS, SPACE};

/// Makes tickets for some values. The ticket of each is made of its place in [`KEYS`].
pub(crate) fn node() -> Fixture {
    let fixture = Fixture::new();
    for (at, key) in KEYS.iter().enumerate() {
        let ticket = Ticket {
            id: *blake3::hash(&[at as u8; 32]).as_bytes(),
            space: fixture.space.clone(),
            key: (*key).to_owned(),
            hash: *blake3::hash(&fuzz_node::content(key)).as_bytes(),
            until_ms: NOW_MS,
            chain: Vec::new(),
        };
        let issued = fixture.node.store.issue(ticket, Standing::OWNER);
        fixture.runtime.block_on(issued).unwrap();
    }
    fixture
}

/// Whether a key was found, keys were listed, and how many parts of values were given.
pub(crate) fn run(fixture: &Fixture, input: &[u8]) -> (bool, bool, usize) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let path = core::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let mut headers = HeaderMap::new();
    for line in lines.take(8) {
        fuzz_node::header(&mut headers, line);
    }
    let parts = KEYS.iter().enumerate();
    let parts = parts.filter(|(at, key)| is_part(fixture, *at as u8, key, &headers));
    (
        is_found(fixture, path, &headers),
        is_listed(fixture, path),
        parts.count(),
    )
}

/// A value is found under what its key is, however that is escaped, and under nothing else. A separator
/// that is escaped is one of the key's own first.
fn is_found(fixture: &Fixture, path: &str, headers: &HeaderMap) -> bool {
    let plain = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let segments = |text: &str| text.split('/').map(plain).collect::<Vec<_>>();
    let is_whole = |key: &&&str| !key.contains("%2F") && plain(key) == plain(path);
    let key = KEYS.iter().find(|key| segments(key) == segments(path));
    let key = key.or_else(|| KEYS.iter().find(is_whole));
    let answer = public::get(&fixture.node, SPACE, path, headers);
    match (fixture.runtime.block_on(answer), key) {
        (answer @ (Ok(_) | Err(Error::Range { .. })), Some(key)) => {
            is_right(fixture, key, headers, answer);
            true
        }
        (Ok(_), None) => panic!("{path} is no key"),
        (Err(Error::NotFound(_) | Error::Bad(_)), None) => false,
        // A space, say, cannot stand in a URL as it is.
        (Err(Error::Bad(_)), Some(_)) if !path.bytes().all(stands_in_paths) => false,
        (Err(error), _) => panic!("{path}: {error}"),
    }
}

fn stands_in_paths(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte)
}

fn is_listed(fixture: &Fixture, prefix: &str) -> bool {
    let answer = public::list(&fixture.node, SPACE, prefix);
    let response = fixture.runtime.block_on(answer).unwrap();
    let listed: Vec<String> = serde_json::from_slice(&fixture.body(response)).unwrap();
    let mut keys = KEYS.map(str::to_owned).to_vec();
    keys.sort();
    keys.retain(|key| key.starts_with(prefix));
    assert_eq!(listed, keys, "{prefix}");
    !keys.is_empty()
}

/// Whether a part of a value is given to whoever has a URL for it.
fn is_part(fixture: &Fixture, at: u8, key: &str, headers: &HeaderMap) -> bool {
    let ticket = URL_SAFE_NO_PAD.encode([at; 32]);
    let answer = signed::read(&fixture.node, &ticket, headers);
    is_right(fixture, key, headers, fixture.runtime.block_on(answer))
}

/// Whether a part of a value is given: the one that is asked for.
fn is_right(
    fixture: &Fixture,
    key: &str,
    headers: &HeaderMap,
    answer: Result<Response, Error>,
) -> bool {
    let content = fuzz_node::content(key);
    let size = content.len() as u64;
    let response = match answer {
        Ok(response) => response,
        Err(Error::Range { size: said }) => {
            assert_eq!(said, size);
            assert!(wanted(headers, size).is_none_or(|wanted| wanted.is_empty()));
            return false;
        }
        Err(error) => panic!("{error}"),
    };
    let text = |name| {
        let value = response.headers().get(name);
        value.map(|it| it.to_str().unwrap().to_owned())
    };
    let (status, range) = (response.status(), text(header::CONTENT_RANGE));
    let length = text(header::CONTENT_LENGTH);
    if status == StatusCode::NOT_MODIFIED {
        assert!(headers.contains_key(header::IF_NONE_MATCH) && range.is_none());
        return false;
    }
    let body = fixture.body(response);
    assert_eq!(length, Some(body.len().to_string()));
    let Some(range) = range else {
        assert_eq!(status, StatusCode::OK);
        assert!(body == content && wanted(headers, size).is_none());
        return false;
    };
    assert_eq!(status, StatusCode::PARTIAL_CONTENT);
    let part = range.strip_prefix("bytes ").unwrap();
    let part = part.strip_suffix(&format!("/{size}")).unwrap();
    let (first, last) = part.split_once('-').unwrap();
    let part = first.parse::<u64>().unwrap()..last.parse::<u64>().unwrap() + 1;
    assert!(body == content[part.start as usize..part.end as usize]);
    if let Some(wanted) = wanted(headers, size) {
        assert_eq!(part, wanted);
    }
    true
}

/// The part that a request asks for, if it does so plainly and on no condition.
fn wanted(headers: &HeaderMap, size: u64) -> Option<Range<u64>> {
    if headers.contains_key(header::IF_RANGE) || headers.get_all(header::RANGE).iter().count() != 1
    {
        return None;
    }
    let text = headers.get(header::RANGE)?.to_str().ok()?;
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| {
        let is_plain = text.len() < 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse::<u64>().ok())
    };
    match (number(first)?, number(last)?) {
        (Some(first), Some(last)) if first <= last => Some(first.min(size)..size.min(last + 1)),
        (Some(first), None) => Some(first.min(size)..size),
        (None, Some(count)) => Some(size.saturating_sub(count)..size),
        _ => None,
    }
}
