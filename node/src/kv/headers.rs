//! Headers that are stored with a value and given back with it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::error::Error;
use crate::store::StoreError;

/// What is kept besides metadata.
const KEPT: [&str; 4] = [
    "content-type",
    "content-encoding",
    "content-language",
    "content-disposition",
];
/// What a client says about a value.
const METADATA: &str = "x-tinycloud-meta-";
/// Most bytes of names and values together: they are given back with every reading.
const MAX_BYTES: usize = 16 * 1024;

/// What of a request is kept with a value, as JSON.
pub(super) fn kept(headers: &HeaderMap) -> Result<String, Error> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let mut bytes = 0;
    for (name, value) in headers {
        let name = name.as_str();
        if !KEPT.contains(&name) && !name.starts_with(METADATA) {
            continue;
        }
        let value = value.to_str();
        let value = value
            .map_err(|_| Error::Bad(format!("The header {name} holds more than visible ASCII")))?;
        bytes += name.len() + value.len();
        if bytes > MAX_BYTES {
            return Err(Error::Bad(format!(
                "More than {MAX_BYTES} bytes of headers to keep"
            )));
        }
        pairs.push((name, value));
    }
    serde_json::to_string(&pairs).map_err(|error| Error::Bad(error.to_string()))
}

/// The same of a part of a form, where `Content-Disposition` names the part and says nothing of the
/// value (RFC 7578, section 4.2).
pub(super) fn kept_of_part(part: &HeaderMap) -> Result<String, Error> {
    let mut headers = part.clone();
    headers.remove(header::CONTENT_DISPOSITION);
    kept(&headers)
}

/// The headers that were stored with a value.
///
/// # Errors
///
/// [`Error::Store`] if the store holds something else.
pub fn replayed(stored: &str) -> Result<HeaderMap, Error> {
    let damaged = || {
        Error::Store(StoreError::Failed {
            reason: "the headers of a value are damaged".to_owned(),
        })
    };
    let pairs: Vec<(String, String)> = serde_json::from_str(stored).map_err(|_| damaged())?;
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::try_from(name).map_err(|_| damaged())?;
        let value = HeaderValue::try_from(value).map_err(|_| damaged())?;
        // a map takes so many names and panics at one more, unless it is asked to try
        headers.try_append(name, value).map_err(|_| damaged())?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_describes_a_value_is_kept_and_nothing_else() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("content-language", "de"),
            ("x-tinycloud-meta-title", "Notes"),
            ("authorization", "secret"),
            ("cookie", "a=b"),
            ("content-length", "5"),
            ("x-tinycloud-limit", "5"),
            ("set-cookie", "a"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let back = replayed(&kept(&headers).unwrap()).unwrap();
        assert_eq!(back.len(), 3);
        assert_eq!(back["x-tinycloud-meta-title"], "Notes");
        assert_eq!(back["content-type"], "application/json");
    }

    #[test]
    fn more_than_fits_is_refused() {
        let mut headers = HeaderMap::new();
        headers.append("x-tinycloud-meta-a", "a".repeat(MAX_BYTES).parse().unwrap());
        assert!(matches!(kept(&headers), Err(Error::Bad(_))));
        let mut headers = HeaderMap::new();
        headers.append("content-type", HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(matches!(kept(&headers), Err(Error::Bad(_))));
        assert!(replayed("{}").is_err());
        assert!(replayed("[[\"a b\",\"c\"]]").is_err());
    }

    #[test]
    fn more_names_than_a_map_takes_are_damage() {
        let pairs: Vec<_> = (0..40_000).map(|at| (format!("x{at}"), "")).collect();
        assert!(replayed(&serde_json::to_string(&pairs).unwrap()).is_err());
    }
}
