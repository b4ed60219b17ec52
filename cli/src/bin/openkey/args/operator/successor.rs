//! Flags of the commands about a successor.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use openkey_protocol::message::Key32;
use openkey_verifier::command::AcceptArgs;

use super::{ApprovalArgs, Asking, KeyArgs, Print, Target, Targets};

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The manifest must be signed by the release keys of the running configuration (--configuration FILE),
name image and configuration together, and have no lower epoch. The running enclave's evidence is
checked first. After the delay, and with the consent of operators (`openkey operator consent`), an
enclave of the successor gets the root key by hand-over.")]
#[command(mut_arg("any_measurement", |it| it.hide(true)), mut_arg("any_configuration", |it| it.hide(true)))]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    /// The successor's signed release manifest.
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: PathBuf,
    /// Wait until the root key may be handed over, because the delay has ended and operators consented, or until
    /// it has been.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Before anything is signed every enclave is asked for fresh evidence, which must be accepted, and for
the successors that wait there and the manifests that were withdrawn there, which the evidence names by
their hashes. They are shown, with what each enclave says of your manifest, and whether image, configuration and lowest
epoch are those that run there. The manifest must be signed by
the release keys of --configuration FILE, wait at one enclave at least, and be withdrawn at none.

A consent is for one boot of one enclave and one announcement: after a restart, give it again. The
boots are noted in a file (--state), so that a withdrawal asks those very boots. It says that you know the successor: build its image from the manifest's source_commit and compare the
measurements before.")]
#[command(mut_arg("yes", |yes| yes.help("Consent without being asked on the terminal")))]
#[command(mut_arg("any_measurement", |it| it.hide(true)), mut_arg("any_configuration", |it| it.hide(true)))]
pub(crate) struct Consent {
    #[command(flatten)]
    pub(crate) targets: Targets,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The successor's signed release manifest.
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: PathBuf,
    /// The successor's configuration, of which the manifest has the hash alone: each member that changes is
    /// shown. Needed where it is another one than the running.
    #[arg(long, value_name = "FILE")]
    pub(crate) successor_configuration: Option<PathBuf>,
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
#[command(mut_arg("any_measurement", |it| it.hide(true)), mut_arg("any_configuration", |it| it.hide(true)))]
pub(crate) struct Withdraw {
    #[command(flatten)]
    pub(crate) targets: Targets,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
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
