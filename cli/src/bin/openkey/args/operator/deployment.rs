//! Flags of the commands for a deployment that runs, and for what it boots with.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use openkey_protocol::message::Hash32;
use openkey_verifier::command::AcceptArgs;

use super::{ApprovalArgs, KeyArgs, Print, Target};

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
With a policy (--policy, --release …) the enclave's evidence is checked, what it binds is printed
beside, and the status must be signed by that very boot for this very question. Without one the host
could say anything.")]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The secret is what stdin holds, without one line end at its end (--raw keeps it). At a terminal it is asked
for and not shown. It is sealed to the
key in the enclave's fresh, accepted evidence. --configuration FILE says which operator you are, and
your approval must cover it.")]
#[command(mut_arg("any_measurement", |it| it.hide(true)), mut_arg("any_configuration", |it| it.hide(true)))]
pub(crate) struct SetSecret {
    /// Its name: 1 to 64 of a-z 0-9 . _ -
    #[arg(value_parser = parse_name)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) approval: ApprovalArgs,
    /// Keep a line end at the end of the secret.
    #[arg(long)]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
DIR holds genesis.json, descriptor.bin, configuration.json and, with KMS, wrapped.bin. The approval.json
in it is of whoever held the genesis: every other operator names their own with --approval. The backup carries your approval, so that nobody can give you another configuration with it.
Nothing in it is secret: shares are sealed to their operators. It does not hold operators' keys, nor the
records of host-proxy's store (docs/operations.md says how those are kept).")]
pub(crate) struct Backup {
    /// The deployment's files, as genesis wrote them.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The deployment's root id.
    #[arg(long, value_name = "HEX")]
    pub(crate) root_id: Hash32,
    /// Your key: your own share is opened and checked, and your approval.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Your approval of the configuration; approval.json in DIR unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) approval: Option<PathBuf>,
    /// Where the backup goes; never replaces a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Take --root-id from somewhere else than the backup. It names the root key and not the configuration:
that one must be covered by the approval in the backup, which your key must have signed. Files that are there are never replaced.")]
pub(crate) struct Restore {
    /// The backup.
    pub(crate) file: PathBuf,
    /// The deployment's root id.
    #[arg(long, value_name = "HEX")]
    pub(crate) root_id: Hash32,
    /// Your key: your own share is opened and checked, and the approval in the backup must be yours.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Where the files go.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// A name that enclaves take.
fn parse_name(text: &str) -> Result<String, String> {
    const LONGEST: usize = 64;
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    if (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("the name of a secret is 1 to 64 of a-z 0-9 . _ -".to_owned())
    }
}
