//! Names of requests, for logs and for whoever reports a failure.

use std::sync::atomic::{AtomicU32, Ordering};

use hyper::header::HeaderName;

/// Where a response names its request; always this server's own name, never the client's.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes request ids: this start's random half and a count.
#[derive(Debug)]
pub struct RequestIds {
    start: u32,
    count: AtomicU32,
}

/// Sixteen hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl RequestIds {
    /// Ids of one start of a server; `start` should be random, so that starts differ.
    #[must_use]
    pub const fn new(start: u32) -> Self {
        Self {
            start,
            count: AtomicU32::new(0),
        }
    }

    /// The next one; they repeat after 2^32 requests.
    #[must_use]
    pub fn next(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let number = (u64::from(self.start) << 32) | u64::from(count);
        let mut digits = [0; 16];
        // eight bytes are sixteen digits
        let _ = hex::encode_to_slice(number.to_be_bytes(), &mut digits);
        RequestId(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_differ_within_and_between_starts() {
        let ids = RequestIds::new(0xabcd_0123);
        assert_eq!(ids.next().as_str(), "abcd012300000000");
        assert_eq!(ids.next().as_str(), "abcd012300000001");
    }
}
