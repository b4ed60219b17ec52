//! Parts of values (RFC 9110, section 14).

use std::ops::Range;

use axum::http::{HeaderMap, header};

use super::ETag;
use crate::error::Error;

/// Which part of a value is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
}

/// What a request wants of a value. What is malformed, or several ranges, is as if it were not there.
///
/// # Errors
///
/// [`Error::Range`] for a range outside of the value.
pub(crate) fn wanted(headers: &HeaderMap, size: u64, etag: ETag) -> Result<Wanted, Error> {
    let if_range = headers.get(header::IF_RANGE);
    if if_range.is_some_and(|tag| tag.as_bytes() != etag.to_string().as_bytes()) {
        return Ok(Wanted::Whole);
    }
    let mut lines = headers.get_all(header::RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Ok(Wanted::Whole);
    };
    let Some((first, last)) = line.to_str().ok().and_then(read) else {
        return Ok(Wanted::Whole);
    };
    let part = match (first, last) {
        (Some(first), last) => {
            let end = last.map_or(size, |last| last.saturating_add(1).min(size));
            first..end
        }
        (None, Some(suffix)) => size.saturating_sub(suffix)..size,
        (None, None) => return Ok(Wanted::Whole),
    };
    if part.is_empty() {
        return Err(Error::Range { size });
    }
    Ok(Wanted::Part(part))
}

/// `bytes=a-b`, `a-` or `-n`.
fn read(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| match text {
        "" => Some(None),
        text if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok().map(Some),
        _ => None,
    };
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    match (first, last) {
        (None, None) => None,
        (Some(first), Some(last)) if last < first => None,
        pair => Some(pair),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str, size: u64) -> Option<Wanted> {
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, range.parse().unwrap());
        wanted(&headers, size, ETag([0; 32])).ok()
    }

    #[test]
    fn one_range_is_read_and_anything_else_ignored() {
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=8-", 8..10),
            ("bytes=8-100", 8..10),
            ("bytes=-3", 7..10),
            ("bytes=-100", 0..10),
            ("bytes=0-18446744073709551615", 0..10),
        ] {
            assert_eq!(of(range, 10), Some(Wanted::Part(part)), "{range}");
        }
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=+1-2",
        ] {
            assert_eq!(of(range, 10), Some(Wanted::Whole), "{range}");
        }
        for range in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            assert_eq!(of(range, 10), None, "{range}");
        }
        assert_eq!(of("bytes=0-", 0), None);
    }

    #[test]
    fn a_range_of_another_value_is_the_whole_of_this_one() {
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, "bytes=0-1".parse().unwrap());
        headers.append(header::IF_RANGE, ETag([1; 32]).value());
        assert_eq!(wanted(&headers, 10, ETag([0; 32])).unwrap(), Wanted::Whole);
        assert_eq!(
            wanted(&headers, 10, ETag([1; 32])).unwrap(),
            Wanted::Part(0..2)
        );
    }
}
