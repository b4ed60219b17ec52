//! Flags of the commands that make a root key, decide on it and bring it into an enclave.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use openkey_verifier::command::AcceptArgs;

use super::{ApprovalArgs, Asking, GenesisArgs, KeyArgs, Print, Target};

/// The help of `--json` where the output is not an object of many members.
const ONE_LINE: &str = "Print one line of JSON";

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The file holds one secret seed, readable by its owner alone and not encrypted: keep it on an
encrypted disk, and a copy where it survives that disk. Whoever has enough operators' keys and the
genesis file has the root key. stdout gets the public entry and nothing else.")]
#[command(mut_arg("json", |json| json.help(ONE_LINE)))]
pub(crate) struct Keygen {
    /// Who, for people: stands in the configuration, and everybody sees it.
    #[arg(long)]
    pub(crate) name: String,
    /// Where the key goes; never replaces a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(mut_arg("json", |json| json.help(ONE_LINE)))]
pub(crate) struct Entry {
    /// The operator's key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The enclave must run with the --configuration FILE that names all operators and no root_id. Its
evidence is checked before and after; the transcript must be signed by the same boot, be covered by
evidence of its own, and name exactly the configuration's operators, each with a share.

DIR gets genesis.json (for every operator, and to be published), descriptor.bin, wrapped.bin (with
KMS) and configuration.json (with the root_id, for production). With --key it also gets approval.json:
your signed word on that configuration. Every other operator signs their own with `approve`.")]
#[command(mut_arg("any_measurement", |it| it.hide(true)), mut_arg("any_configuration", |it| it.hide(true)))]
pub(crate) struct Genesis {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Your key: your own share is opened and checked, and your approval signed.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Where the files go.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
--configuration FILE is the one that the genesis took place with: without a root_id. The evidence
is judged at its own time. Every operator should do this before the deployment holds anything.")]
#[command(mut_arg("any_measurement", |it| it.hide(true)), mut_arg("any_configuration", |it| it.hide(true)))]
pub(crate) struct CheckGenesis {
    #[command(flatten)]
    pub(crate) genesis: GenesisArgs,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Your key: your own share is opened and checked.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
A root id does not say under which release keys, delay and consents the root key may move on: the
configuration does. Your signature over root id, genesis and configuration says that you decided on it;
post-share, set-secret, consent and restore take no other. Run `check-genesis` before, and compare the
configuration with the one that all operators agreed on.")]
pub(crate) struct Approve {
    #[command(flatten)]
    pub(crate) genesis: GenesisArgs,
    /// The configuration, with the root id.
    #[arg(long, value_name = "FILE")]
    pub(crate) configuration: PathBuf,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Where the approval goes; approval.json beside the configuration unless given. Never replaces a
    /// file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Before anything is sent: your own approval must cover the configuration, which is shown; the genesis must
hash to its root id, your share must open and be the one that the genesis commits to, and the enclave's
evidence must be fresh, of an accepted image with this configuration over this root id. The share is sealed to the key in that evidence, so that
the host in between reads nothing.")]
#[command(mut_arg("any_measurement", |it| it.hide(true)), mut_arg("any_configuration", |it| it.hide(true)))]
pub(crate) struct PostShare {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) genesis: GenesisArgs,
    #[command(flatten)]
    pub(crate) approval: ApprovalArgs,
    #[command(flatten)]
    pub(crate) print: Print,
}
