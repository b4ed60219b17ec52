//! Where large values are.
//!
//! A blob is written once, under a name that nobody used before, and never changed: whoever reads it
//! while its value is replaced reads it to the end.

mod local;
mod lock;
mod whole;

use std::io;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

pub use self::local::LocalBlobs;
pub(crate) use self::lock::BlobsLock;
pub(crate) use self::whole::Whole;

/// Bytes of a blob's random name: two uploads never meet.
const NAME: usize = 16;

/// Where large values are.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Begins a blob.
    async fn create(&self, name: &str) -> io::Result<Box<dyn BlobWriter>>;

    /// Reads a part of a blob, in pieces.
    async fn read(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> io::Result<BoxStream<'static, io::Result<Bytes>>>;

    /// Removes a blob, if it is there.
    async fn remove(&self, name: &str) -> io::Result<()>;

    /// Writes and reads something of no meaning, to learn whether blobs can be.
    async fn probe(&self) -> io::Result<()>;
}

/// A blob that is being written. Dropped before its end it is none.
#[async_trait]
pub trait BlobWriter: Send {
    /// Adds to its end.
    async fn write(&mut self, bytes: Bytes) -> io::Result<()>;

    /// Ends it. Only now it is durable.
    async fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A name that nobody used before.
///
/// # Errors
///
/// [`io::Error`] if there is no randomness.
pub fn new_name() -> io::Result<String> {
    let mut name = [0; NAME];
    getrandom::fill(&mut name).map_err(io::Error::other)?;
    Ok(hex::encode(name))
}
