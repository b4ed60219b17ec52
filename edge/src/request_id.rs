//! Names of requests, for logs and for whoever reports a failure.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use hyper::header::HeaderName;

/// Where a response names its request; always this server's own name, never the client's.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes request ids: a keyed hash (BLAKE3) of a count. An id tells nobody how many others there were.
pub struct RequestIds {
    key: [u8; 32],
    count: AtomicU64,
}

impl fmt::Debug for RequestIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestIds")
    }
}

/// Half of a hash, so that none is given twice.
const BYTES: usize = 16;

/// Thirty-two hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 2 * BYTES]);

impl RequestId {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl RequestIds {
    /// Ids of one start of a server; the key must be random and stay here.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            count: AtomicU64::new(0),
        }
    }

    /// The next one. Whoever knows others cannot tell it, nor how many were given between them.
    #[must_use]
    pub fn next(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let hash = blake3::keyed_hash(&self.key, &count.to_be_bytes());
        let mut digits = [0; 2 * BYTES];
        if let Some(half) = hash.as_bytes().get(..BYTES) {
            // sixteen bytes are thirty-two digits
            let _ = hex::encode_to_slice(half, &mut digits);
        }
        RequestId(digits)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn request_ids_differ_within_and_between_starts() {
        let (ids, others) = (RequestIds::new([1; 32]), RequestIds::new([2; 32]));
        let all: HashSet<_> = (0..10_000)
            .flat_map(|_| [ids.next(), others.next()])
            .collect();
        assert_eq!(all.len(), 20_000);
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        assert!(all.iter().all(|id| id.as_str().bytes().all(digit)));
    }

    /// Whoever watches its own sees no distance between them: neighbours differ in every part.
    #[test]
    fn a_request_id_tells_nobody_how_many_others_there_were() {
        let ids = RequestIds::new([7; 32]);
        let parts = |id: &RequestId| {
            let text = id.as_str().to_owned();
            [0, 8, 16, 24].map(|at| text[at..at + 8].to_owned())
        };
        for _ in 0..100 {
            let (one, next) = (ids.next(), ids.next());
            let (one, next) = (parts(&one), parts(&next));
            assert!(
                one.iter().all(|part| !next.contains(part)),
                "{one:?} {next:?}"
            );
        }
    }
}
