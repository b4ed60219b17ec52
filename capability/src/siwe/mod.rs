//! Sign-In with Ethereum: the message of ERC-4361, <https://eips.ethereum.org/EIPS/eip-4361>.
//!
//! Reading is strict: the grammar of the specification, line feeds only, and what was read must
//! print to the same bytes. Where the grammar leaves room to mislead a person, less is accepted:
//! a domain with user information, a statement that poses as a field, an address without its
//! checksum, a chain id of zero or with leading zeros.

mod error;
mod looks;
mod message;
mod parse;
mod time;

pub use error::{Field, SiweError};
pub use looks::{looks_like_siwe, mentions_recap, plain_letters};
pub use message::{Fields, Message};
pub use time::Timestamp;

/// Largest message, in bytes: room for a capability resource of tens of kilobytes, and far less
/// than a frame.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Longest line, in bytes: one capability resource.
pub const MAX_LINE: usize = 32 * 1024;
/// Most resources: more than a person will read, less than would freeze a page.
pub const MAX_RESOURCES: usize = 64;
/// Longest nonce, in characters; the grammar sets only the least.
pub const MAX_NONCE: usize = 256;
/// Least nonce, in characters (ERC-4361).
pub const MIN_NONCE: usize = 8;
