//! The command line.

mod explain;
mod operator;
mod release;

use clap::{Args as ClapArgs, ColorChoice, CommandFactory, Parser, Subcommand, error::ErrorKind};
use openkey_verifier::command::source;

pub(crate) use explain::{Explain, PayloadKind};
pub(crate) use operator::{
    ApprovalArgs, Approve, Backup, CheckGenesis, Consent, Entry, Genesis, Keygen, Operator,
    PostShare, Restore, SetSecret, Status, Target, Targets, Upgrade, Withdraw,
};
pub(crate) use release::{MakeAnchor, MakePage, Prepare, Publish, Release, ReleaseKeygen, Sign};

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

impl Args {
    /// The same, if the flags can mean something together.
    pub(crate) fn checked(self) -> Result<Self, clap::Error> {
        if let Command::Release(Release::Prepare(args)) = &self.command
            && let Ok(now) = source::now()
            && let Err(why) = args.window(now)
        {
            return Err(Self::command().error(ErrorKind::ValueValidation, why));
        }
        Ok(self)
    }
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

/// How a command prints what came of it.
#[derive(Debug, ClapArgs)]
pub(crate) struct Print {
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The same for a command that asks before it signs.
#[derive(Debug, ClapArgs)]
pub(crate) struct Asking {
    /// Sign without being asked on the terminal.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print one JSON object.
    #[arg(long, requires = "yes")]
    pub(crate) json: bool,
}
