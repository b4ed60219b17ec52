//! Framing that has one reading only.

use hyper::{HeaderMap, header::CONTENT_LENGTH};

/// Whether the length of a body is declared once at most, and in its shortest form. A server in
/// front might read another number out of two, or out of a number with leading zeros. One length that
/// is said twice in the same form is one (RFC 9110, section 8.6): hyper hands over only the first.
#[must_use]
pub fn is_plain_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let plain = lengths.next().is_none_or(|length| match length.as_bytes() {
        b"0" => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    });
    plain && lengths.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h6_a_length_has_one_reading_or_none() {
        let plain = |lengths: &[&str]| {
            let mut headers = HeaderMap::new();
            for length in lengths {
                headers.append(CONTENT_LENGTH, length.parse().unwrap());
            }
            is_plain_length(&headers)
        };
        for lengths in [&[][..], &["0"], &["10"], &["262144"]] {
            assert!(plain(lengths), "{lengths:?}");
        }
        for lengths in [&["5", "5"][..], &["05"], &["00"], &["5, 5"], &["+5"], &[""]] {
            assert!(!plain(lengths), "{lengths:?}");
        }
    }
}
