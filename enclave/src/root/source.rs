//! Where a root key comes from.

use std::{future::Future, pin::Pin};

use openkey_protocol::message::{RootSource, WrappedRoot};

use super::{Descriptor, RootKey};
use crate::platform::Platform;

/// What a source is busy with, to be awaited.
pub type Obtaining<'a, T> = Pin<Box<dyn Future<Output = Result<T, SourceError>> + Send + 'a>>;

/// Where a root key comes from. This crate has no development source: a program that brings none
/// cannot have one.
///
/// Whatever a source gives must reproduce the commitment of the deployment's root descriptor; that
/// is checked by whoever asks the source, for every source.
pub trait RootKeySource: Send + Sync {
    /// Which one it is.
    fn source(&self) -> RootSource;

    /// Gets the root key. Called after the configuration was measured and every register locked, and
    /// again until some source gives the key.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if there is none now; nothing is made up in its place.
    fn obtain<'a>(&'a self, platform: &'a Platform) -> Obtaining<'a, RootKey>;

    /// Wraps a new root key at its genesis, so that [`RootKeySource::obtain`] gives it at later
    /// boots. Sources that need nothing wrapped give `None`.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if it cannot be wrapped; the genesis is then refused.
    fn wrap<'a>(
        &'a self,
        platform: &'a Platform,
        root: &'a RootKey,
        descriptor: &'a Descriptor,
    ) -> Obtaining<'a, Option<WrappedRoot>> {
        let _ = (platform, root, descriptor);
        Box::pin(async { Ok(None) })
    }
}

/// Why a source gives no root key, in a sentence that operators read in the status. It holds nothing
/// of a secret, and nothing that a stranger wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(String);

/// Longest explanation, in characters: the status lists one for each source.
const MAX_EXPLANATION: usize = 300;

impl SourceError {
    /// Longer ones are cut.
    #[must_use]
    pub fn new(explanation: impl AsRef<str>) -> Self {
        Self(explanation.as_ref().chars().take(MAX_EXPLANATION).collect())
    }

    /// The sentence.
    #[must_use]
    pub fn explanation(&self) -> &str {
        &self.0
    }
}
