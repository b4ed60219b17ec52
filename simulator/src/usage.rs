//! What a command line asks that cannot be done, whatever the machine is like.

use core::fmt;

/// A wrong flag, in words; as an error of its own or as the context of another. The program ends
/// with status 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}
