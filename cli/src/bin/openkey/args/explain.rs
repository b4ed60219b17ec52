//! The flags of `openkey explain`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::Print;

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The enclave's own code reads the input and prints title, severity (notice, attention, danger),
whether a second confirmation is needed, digest, rows, warnings, and the text that is signed, each
line of it behind a bar. The bytes are taken as they are: a line feed at the end of FILE is part of
them (printf '%s' TEXT | openkey explain --kind text -).

Exit status:
  0  it would be signed, after the person's approval
  1  it would be refused: stderr says `error: RULE: why`
  2  nothing was judged: a wrong flag, a file that cannot be opened")]
pub(crate) struct Explain {
    /// What the input is.
    #[arg(long, value_enum)]
    pub(crate) kind: PayloadKind,
    /// The file to be signed, or - for stdin.
    pub(crate) file: PathBuf,
    /// The address whose key would sign. Without it: the one that the input names; a text names none,
    /// and what depends on whose key signs is judged as for an unknown key (`key_known` in JSON).
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) key: Option<String>,
    /// When it would be signed (RFC 3339). Without it: now.
    #[arg(long, value_name = "RFC3339")]
    pub(crate) at: Option<String>,
    /// The origin of the site that asks, as if it were known for certain. Without it nobody knows who
    /// asks, as for what a person pastes into the page. With it typed data says who asks, and
    /// typed data and sign-ins are judged by whether they name that very site; a text is the same.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// How an input is signed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PayloadKind {
    /// A text (EIP-191, `personal_sign`).
    Text,
    /// A sign-in message (EIP-4361), perhaps with permissions (ERC-5573).
    Siwe,
    /// Typed data (EIP-712, `eth_signTypedData_v4`) as JSON.
    TypedData,
}
