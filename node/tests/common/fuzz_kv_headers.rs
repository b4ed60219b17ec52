//! Lines of bytes as entity tags and their lists, and all of them as headers that were stored: the fuzz
//! target's body, also run on its corpus by the tests.

use axum::http::{HeaderMap, HeaderValue, header};
use openkey_node::kv::{ETag, IfNoneMatch, replayed};

/// What was read: tags, whether anything was said of them, and whether headers were.
pub(crate) fn run(input: &[u8]) -> (usize, bool, bool) {
    let mut headers = HeaderMap::new();
    let mut tags = Vec::new();
    let mut stars = false;
    for line in input.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            stars |= line.contains(&b'*');
            headers.append(header::IF_NONE_MATCH, value);
        }
        let text = core::str::from_utf8(line).unwrap_or_default();
        if let Some(tag) = ETag::parse(text) {
            assert_eq!(tag.to_string(), text);
            assert_eq!(tag.value().as_bytes(), line);
            tags.push(tag);
        }
    }
    let said = IfNoneMatch::of(&headers);
    if let Some(said) = &said {
        assert!(tags.iter().all(|tag| said.names(*tag)));
        // Nobody finds the bytes that hash to zero.
        let zero = ETag([0; 32]);
        let written = String::from_utf8_lossy(input).contains(&zero.to_string());
        assert!(stars || written || !said.names(zero));
    }
    (tags.len(), said.is_some(), stored(input))
}

/// Whether they are headers that were stored. They have one reading.
fn stored(input: &[u8]) -> bool {
    let Ok(headers) = core::str::from_utf8(input)
        .map_err(drop)
        .and_then(|text| replayed(text).map_err(drop))
    else {
        return false;
    };
    let pairs: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let again = serde_json::to_string(&pairs).unwrap();
    assert_eq!(replayed(&again).unwrap(), headers);
    true
}
