//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ColorChoice, Parser, Subcommand, ValueEnum};
use openkey_protocol::message::{Hash32, Key32};
use openkey_verifier::command::AcceptArgs;

const EXIT: &str = "\
Exit status:
  0  done
  1  something was judged and refused: stderr says `error: RULE: why`; nothing was sent or given away
  2  nothing was judged: a wrong flag, a file that cannot be opened, no answer; nothing was sent
  3  an order was sent, and nothing proves what came of it: it may have taken effect, or may until the
     time that is named; see `openkey operator status`, or withdraw";

/// OpenKey for operators of a deployment, maintainers of a release and developers of apps.
/// docs/operations.md has the whole way from an empty account to a serving deployment, docs/consent.md
/// what people are told before they sign.
#[derive(Debug, Parser)]
#[command(name = "openkey", version, color = ColorChoice::Never, after_help = EXIT)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Provision a deployment's root key, and what belongs to it.
    #[command(subcommand)]
    Operator(Box<Operator>),
    /// Complete and sign release manifests.
    #[command(subcommand)]
    Release(Release),
    /// Show what a person would be told before they sign, without an enclave.
    Explain(Explain),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The enclave's own code reads the input and prints title, severity (notice, attention, danger),
whether a second confirmation is needed, rows and digest. The bytes are taken as they are: a line
feed at the end of FILE is part of them (printf '%s' TEXT | openkey explain --kind text -).

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
    /// The address whose key would sign. Without it: the one that the input names.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) key: Option<String>,
    /// When it would be signed (RFC 3339). Without it: now.
    #[arg(long, value_name = "RFC3339")]
    pub(crate) at: Option<String>,
    /// The origin of the site that asks, as if it were known for certain. Without it nobody knows who
    /// asks, as for what a person pastes into the page.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
            Self::Keygen(args) => args.json,
            Self::Entry(args) => args.json,
            Self::Genesis(args) => args.json,
            Self::CheckGenesis(args) => args.json,
            Self::Approve(args) => args.json,
            Self::PostShare(args) => args.json,
            Self::Status(args) => args.json,
            Self::SetSecret(args) => args.json,
            Self::Backup(args) => args.json,
            Self::Restore(args) => args.json,
            Self::Upgrade(args) => args.json,
            Self::Consent(args) => args.json,
            Self::Withdraw(args) => args.json,
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
pub(crate) struct Keygen {
    /// Who, for people: stands in the configuration, and everybody sees it.
    #[arg(long)]
    pub(crate) name: String,
    /// Where the key goes; never replaces a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Entry {
    /// The operator's key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Print one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Sign without being asked on the terminal.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print one JSON object.
    #[arg(long, requires = "yes")]
    pub(crate) json: bool,
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
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
the successors that wait there, which the evidence names by their hash. They are shown. The manifest
must be signed by the release keys of --configuration FILE and wait at one enclave at least.

A consent is for one boot of one enclave and one announcement: after a restart, give it again. The
boots are noted in a file (--state), so that a withdrawal asks those very boots. It says that you know the successor: build its image from the manifest's source_commit and compare the
measurements before.")]
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
    /// Consent without being asked on the terminal.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print one JSON object.
    #[arg(long, requires = "yes")]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The withdrawal of one operator is enough, and there is no way back but another manifest. It holds at
every enclave that it reaches, from then on, whether or not the successor was announced there. All
enclaves are asked at once. Exit status 0 means that fresh evidence of all of them names the manifest as
withdrawn, and that every boot that `consent` noted is among them: a host can show another enclave.

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
    /// Where `consent` noted the boots; KEY.consents.json beside your key unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// A boot (its identity key) that you know has ended, so that nobody has to confirm for it.
    #[arg(long, value_name = "HEX")]
    pub(crate) ended: Vec<Key32>,
    /// The successor: its release manifest, or the manifest's hash as a status shows it.
    #[arg(long, value_name = "FILE|HASH")]
    pub(crate) manifest: String,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Make a maintainer's key, and print its public half.
    Keygen(ReleaseKeygen),
    /// Make the trust anchor of a deployment, after its genesis.
    Anchor(MakeAnchor),
    /// Write the page of a deployment: the built-in code and its anchor.
    Page(MakePage),
    /// Fill a draft of `openkey-image build`: configuration, page, validity.
    Prepare(Prepare),
    /// Add a signature.
    Sign(Sign),
    /// Collect signed releases into the list that host-proxy serves (--releases).
    Publish(Publish),
}

impl Release {
    pub(crate) const fn json(&self) -> bool {
        match self {
            Self::Keygen(args) => args.json,
            Self::Anchor(args) => args.json,
            Self::Page(args) => args.json,
            Self::Prepare(args) => args.json,
            Self::Sign(args) => args.json,
            Self::Publish(args) => args.json,
        }
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
An anchor says whose releases browsers believe for this deployment: release keys and threshold, root
id, relying party and lowest epoch. Everything but the epoch stands in the configuration. A new set of
release keys needs a new anchor with a higher --min-epoch, named by a release that the keys before it
signed; otherwise browsers that know the old one refuse it.")]
pub(crate) struct MakeAnchor {
    /// The deployment's configuration, with its root id and release keys.
    #[arg(long, value_name = "FILE")]
    pub(crate) configuration: PathBuf,
    /// The lowest release epoch that is accepted.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) min_epoch: u32,
    /// Where the anchor goes; never replaces a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The code is the one in this program, the same bytes for every deployment; the anchor becomes DIR/anchor.json.
host-proxy serves DIR with --page-dir, and `prepare --page DIR` names every file's hash in a release. The
anchor of a simulator is refused. --json prints the release file of the page.")]
pub(crate) struct MakePage {
    /// The deployment's anchor.
    #[arg(long, value_name = "FILE")]
    pub(crate) anchor: PathBuf,
    /// Where the page goes: a new or empty directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Every release must be signed by the release keys of the anchor, or of an earlier anchor that a release in
the list continues. Keep releases in the list that changed the release keys: browsers that were away need
them, and the anchors before.")]
pub(crate) struct Publish {
    /// The signed releases.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) releases: Vec<PathBuf>,
    /// The deployment's anchor.
    #[arg(long, value_name = "FILE")]
    pub(crate) anchor: PathBuf,
    /// An anchor before this one; repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) earlier: Vec<PathBuf>,
    /// Where the list goes; replaced whole.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The file is readable by its owner alone and not encrypted: keep it on an encrypted disk, away from
the machine that builds.")]
pub(crate) struct ReleaseKeygen {
    /// Where the key goes; never replaces a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Prepare {
    /// The draft: release.json of `openkey-image build`.
    pub(crate) draft: PathBuf,
    /// The run-time configuration that the release is for: its file, or its hash. Needed for a
    /// successor; without it a policy must name the configuration.
    #[arg(long, value_name = "FILE|HASH")]
    pub(crate) configuration: Option<String>,
    /// The page that is part of the release: the directory that `release page` wrote, or a file
    /// `{"version":1,"page":{…}}`.
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) page: Option<PathBuf>,
    /// The first moment, RFC 3339 in UTC; now unless said otherwise.
    #[arg(long, value_name = "RFC3339")]
    pub(crate) not_before: Option<String>,
    /// The last moment, RFC 3339 in UTC.
    #[arg(long, value_name = "RFC3339", required_unless_present = "days")]
    pub(crate) not_after: Option<String>,
    /// How many days it is valid, instead of --not-after.
    #[arg(long, value_name = "N", conflicts_with = "not_after", value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub(crate) days: Option<u32>,
    /// Where the manifest goes, without signatures; never replaces a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Before signing: build the image yourself from the manifest's source_commit and compare the
measurements. The signature says that you did.")]
pub(crate) struct Sign {
    /// The manifest; the signature is added to it.
    pub(crate) file: PathBuf,
    /// Your release key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
