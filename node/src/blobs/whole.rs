//! Values that are read whole are compared with what was stored.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use crate::signs::Signs;

/// What was stored, which a reading must have.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    hash: [u8; 32],
    signs: Arc<Signs>,
}

impl Whole {
    pub(crate) fn new(hash: [u8; 32], signs: &Arc<Signs>) -> Self {
        Self {
            hash,
            signs: Arc::clone(signs),
        }
    }

    /// All of it at once.
    pub(crate) fn check(&self, bytes: &[u8]) -> io::Result<()> {
        self.compare(&blake3::hash(bytes))
    }

    /// Passes pieces on as they come, but the last one only if all of them are what was stored: who reads
    /// is not told the end of something else.
    pub(crate) fn of(
        self,
        pieces: BoxStream<'static, io::Result<Bytes>>,
    ) -> BoxStream<'static, io::Result<Bytes>> {
        let state = (pieces, blake3::Hasher::new(), None, self);
        stream::try_unfold(state, |(mut pieces, mut hasher, mut last, whole)| async {
            loop {
                match pieces.next().await {
                    Some(piece) => {
                        let piece = piece.inspect_err(|error| whole.found(error))?;
                        hasher.update(&piece);
                        if let Some(before) = last.replace(piece) {
                            return Ok(Some((before, (pieces, hasher, last, whole))));
                        }
                    }
                    None => {
                        let Some(last) = last.take() else {
                            return Ok(None);
                        };
                        whole.compare(&hasher.finalize())?;
                        return Ok(Some((last, (stream::empty().boxed(), hasher, None, whole))));
                    }
                }
            }
        })
        .boxed()
    }

    fn compare(&self, found: &blake3::Hash) -> io::Result<()> {
        if *found == self.hash {
            return Ok(());
        }
        let error = io::Error::new(
            io::ErrorKind::InvalidData,
            "a value is not what was stored: run `openkey-node check`",
        );
        self.found(&error);
        Err(error)
    }

    /// The log and the metrics are told: the client only sees that the connection ends.
    fn found(&self, error: &io::Error) {
        self.signs.damaged();
        let hash = hex::encode(self.hash);
        tracing::error!(%error, hash, "a value cannot be read");
    }
}
