//! Which release this is.

/// The program's release, in evidence and status.
pub(crate) const RELEASE: &str = env!("CARGO_PKG_VERSION");
