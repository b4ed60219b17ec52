//! Which rule an image breaks.

use thiserror::Error as ThisError;

/// Which rule an image breaks.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// Ends before what its header announces.
    #[error("ends within its {0}")]
    Short(&'static str),
    /// Larger than any image this project makes or reads.
    #[error("{0} bytes are more than an image may have")]
    Size(usize),
    /// Does not start with `.eif`.
    #[error("is no enclave image: it does not start with .eif")]
    Magic,
    /// Another version than 4.
    #[error("is of version {0}, not 4")]
    Version(u16),
    /// Flags that name another architecture or mean nothing.
    #[error("has flags {0:#06x}; an image for x86-64 has none")]
    Flags(u16),
    /// A field of the header that every builder writes alike has another value.
    #[error("has an unusual {0} in its header")]
    Header(&'static str),
    /// The table counts fewer than four sections or more than it has rows.
    #[error("has {0} sections")]
    Sections(u16),
    /// A section does not start where the one before it ends.
    #[error("has a gap or an overlap before section {0}")]
    Gap(usize),
    /// The table and the section itself disagree about its size.
    #[error("gives section {0} two sizes")]
    TwoSizes(usize),
    /// Not the kind of section that comes here.
    #[error("has a section of kind {kind} at position {position}, where none belongs")]
    Order {
        /// Counted from 0.
        position: usize,
        /// As written in the section's header.
        kind: u16,
    },
    /// The table has entries beyond the sections it counts.
    #[error("has entries in its table for sections it does not count")]
    Table,
    /// Something follows the last section.
    #[error("has {0} bytes after its last section")]
    Trailing(usize),
    /// The checksum is that of other bytes.
    #[error("is damaged: its checksum does not match")]
    Checksum,
    /// A part that must not be empty is.
    #[error("has an empty {0}")]
    Empty(&'static str),
    /// Longer than the kernel takes, or more than printable ASCII.
    #[error("has a command line that is too long or not printable ASCII")]
    CommandLine,
    /// Too long, or not a JSON object.
    #[error("has metadata that is too long or no JSON object")]
    Metadata,
    /// None, or more than eight.
    #[error("has {0} ramdisks")]
    Ramdisks(usize),
    /// The signature section is larger than one signature is.
    #[error("has a signature section that is too long")]
    Signature,
}
