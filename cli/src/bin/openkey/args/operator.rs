//! The flags of `openkey operator`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use openkey_protocol::message::{Hash32, Key32};
use openkey_verifier::command::AcceptArgs;

use super::{Asking, Print};

/// The help of `--json` where the output is not an object of many members.
const ONE_LINE: &str = "Print one line of JSON";

#[derive(Debug, Subcommand)]
pub(crate) enum Operator {
    /// Make an operator's key, and print its entry for the configuration.
    Keygen(Keygen),
    /// Print a key's entry for the configuration again.
    Entry(Entry),
    /// Make a deployment's root key in one attested enclave. Once for each deployment.
    Genesis(Genesis),
    /// Check a genesis that another operator held: evidence, transcript, the own share.
    CheckGenesis(CheckGenesis),
    /// Decide on the configuration of a root key: sign it, after a look.
    Approve(Approve),
    /// Give the own share to an attested enclave that waits for its root key.
    PostShare(PostShare),
    /// Say where an enclave's root key stands.
    Status(Status),
    /// Give an attested enclave a secret, such as a client secret, from stdin.
    SetSecret(SetSecret),
    /// Bundle what a deployment needs to boot again, checked.
    Backup(Backup),
    /// Check a backup and write its files.
    Restore(Restore),
    /// Announce a successor image; its delay begins.
    Upgrade(Upgrade),
    /// Consent to an announced successor, after a look at what waits at every enclave.
    Consent(Consent),
    /// Withdraw a successor, announced or not, at every enclave.
    Withdraw(Withdraw),
}

impl Operator {
    pub(crate) const fn json(&self) -> bool {
        match self {
            Self::Keygen(args) => args.print.json,
            Self::Entry(args) => args.print.json,
            Self::Genesis(args) => args.print.json,
            Self::CheckGenesis(args) => args.print.json,
            Self::Approve(args) => args.asking.json,
            Self::PostShare(args) => args.print.json,
            Self::Status(args) => args.print.json,
            Self::SetSecret(args) => args.print.json,
            Self::Backup(args) => args.print.json,
            Self::Restore(args) => args.print.json,
            Self::Upgrade(args) => args.print.json,
            Self::Consent(args) => args.asking.json,
            Self::Withdraw(args) => args.print.json,
        }
    }
}

/// Which enclave.
#[derive(Debug, ClapArgs)]
pub(crate) struct Target {
    /// Where the service is: https://HOST, or http://localhost:PORT.
    #[arg(long, value_name = "URL")]
    pub(crate) host: String,
    /// Which of the host's enclaves, if it has several.
    #[arg(long, value_name = "ID")]
    pub(crate) enclave: Option<String>,
}

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
pub(crate) struct CheckGenesis {
    /// The genesis file.
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: PathBuf,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Your key: your own share is opened and checked.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// The word that an operator gave on a configuration.
#[derive(Debug, ClapArgs)]
pub(crate) struct ApprovalArgs {
    /// Your approval of the configuration; approval.json beside the --configuration FILE unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) approval: Option<PathBuf>,
    /// A release manifest that names this configuration, signed by the release keys of the one that you
    /// approved; for after an upgrade.
    #[arg(long, value_name = "FILE")]
    pub(crate) named_by: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
A root id does not say under which release keys, delay and consents the root key may move on: the
configuration does. Your signature over root id, genesis and configuration says that you decided on it;
post-share, set-secret, consent and restore take no other. Run `check-genesis` before, and compare the
configuration with the one that all operators agreed on.")]
pub(crate) struct Approve {
    /// The genesis file.
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: PathBuf,
    /// The configuration, with the root id.
    #[arg(long, value_name = "FILE")]
    pub(crate) configuration: PathBuf,
    /// Your key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
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
pub(crate) struct PostShare {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Your key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The genesis file.
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: PathBuf,
    #[command(flatten)]
    pub(crate) approval: ApprovalArgs,
    #[command(flatten)]
    pub(crate) print: Print,
}

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
The secret is what stdin holds, without one line end at its end (--raw keeps it). It is sealed to the
key in the enclave's fresh, accepted evidence. --configuration FILE says which operator you are, and
your approval must cover it.")]
pub(crate) struct SetSecret {
    /// Its name: 1 to 64 of a-z 0-9 . _ -
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Your key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
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
DIR holds genesis.json, descriptor.bin, configuration.json, your approval.json and, with KMS,
wrapped.bin. The backup carries your approval, so that nobody can give you another configuration with it.
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

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The manifest must be signed by the release keys of the running configuration (--configuration FILE),
name image and configuration together, and have no lower epoch. The running enclave's evidence is
checked first. After the delay, and with the consent of operators (`openkey operator consent`), an
enclave of the successor gets the root key by hand-over.")]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// The successor's signed release manifest.
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: PathBuf,
    /// Wait until the root key may be handed over: until the delay has ended and operators consented.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// Which enclaves.
#[derive(Debug, ClapArgs)]
pub(crate) struct Targets {
    /// Where the service is: https://HOST, or http://localhost:PORT. Several, if enclaves of the
    /// deployment run behind several hosts.
    #[arg(long = "host", value_name = "URL", required = true)]
    pub(crate) hosts: Vec<String>,
    /// Only the enclaves with these ids; all that the hosts list, unless given.
    #[arg(long = "enclave", value_name = "ID")]
    pub(crate) enclaves: Vec<String>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Before anything is signed every enclave is asked for fresh evidence, which must be accepted, and for
the successors that wait there and the manifests that were withdrawn there, which the evidence names by
their hashes. They are shown, with what each enclave says of your manifest. The manifest must be signed by
the release keys of --configuration FILE, wait at one enclave at least, and be withdrawn at none.

A consent is for one boot of one enclave and one announcement: after a restart, give it again. The
boots are noted in a file (--state), so that a withdrawal asks those very boots. It says that you know the successor: build its image from the manifest's source_commit and compare the
measurements before.")]
#[command(mut_arg("yes", |yes| yes.help("Consent without being asked on the terminal")))]
pub(crate) struct Consent {
    #[command(flatten)]
    pub(crate) targets: Targets,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Your key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The successor's signed release manifest.
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: PathBuf,
    #[command(flatten)]
    pub(crate) approval: ApprovalArgs,
    /// Where the boots are noted that you consented to; KEY.consents.json beside your key unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The withdrawal of one operator is enough, and there is no way back but another manifest. It holds at
every enclave that it reaches, from then on, whether or not the successor was announced there. All
enclaves are asked at once. If evidence of all of them says that none knows the manifest, nothing is sent
before you say yes: a hash may be mistyped. What still waits afterwards is shown. Exit status 0 means that fresh evidence of all of them names the manifest as
withdrawn in its records, that every boot that `consent` noted is among them (a host can show another
enclave), and that you approved --configuration FILE. Without your approval of it the withdrawal is sent all
the same, because it gives nothing away, and the exit status is 3: somebody may have given you the
configuration of another deployment.

An enclave that restarts over an older store knows nothing of a withdrawal: withdraw again after a
restart that you did not make. Consents end with a restart in any case.")]
pub(crate) struct Withdraw {
    #[command(flatten)]
    pub(crate) targets: Targets,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// Your key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) approval: ApprovalArgs,
    /// Where `consent` noted the boots; KEY.consents.json beside your key unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// A boot (its identity key) that you know has ended, so that nobody has to confirm for it.
    #[arg(long, value_name = "HEX")]
    pub(crate) ended: Vec<Key32>,
    /// The successor: its release manifest, or the manifest's hash as a status shows it.
    #[arg(long, value_name = "FILE|HASH")]
    pub(crate) manifest: String,
    /// Withdraw a manifest that no asked enclave knows, without being asked on the terminal.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) print: Print,
}
