//! Framing that has one reading only.

use hyper::{
    HeaderMap, Request, Version,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};

use crate::heads::Facts;

/// Whether a request's head has one reading only: for which host it is, and where its body ends.
///
/// # Errors
///
/// What is wrong. The connection must end: another reader may see another request in what follows.
pub fn check<B>(request: &Request<B>) -> Result<(), &'static str> {
    let headers = request.headers();
    let facts = request.extensions().get::<Facts>().copied();
    let facts = facts.unwrap_or_default();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked =
        |coding: &hyper::header::HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !codings.next().is_none_or(chunked) || codings.next().is_some() {
        return Err("Send no Transfer-Encoding but chunked, once");
    }
    if facts.two_lengths {
        return Err("Send either Content-Length or Transfer-Encoding");
    }
    if !is_plain_length(headers) {
        return Err("Send one Content-Length, without leading zeros");
    }
    if facts.bare_lines {
        return Err("End each line of a request's head with CR LF");
    }
    // there was no such header before HTTP/1.1
    match headers.get_all(HOST).iter().count() {
        1 => Ok(()),
        0 if request.version() < Version::HTTP_11 => Ok(()),
        _ => Err("Send one Host"),
    }
}

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
