//! The flags of `openkey operator`, by what they are about.

mod deployment;
mod root;
mod successor;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use openkey_verifier::command::TimeArgs;

use super::{Asking, Print};

pub(crate) use deployment::{Backup, Restore, SetSecret, Status};
pub(crate) use root::{Approve, CheckGenesis, Entry, Genesis, Keygen, PostShare};
pub(crate) use successor::{Consent, Upgrade, Withdraw};

/// The help of `--timeout` where an order may follow a look.
const TIME: &str = "Seconds to wait for answers; an order after a look gets them once more";

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
#[command(mut_arg("timeout", |timeout| timeout.help(TIME)))]
pub(crate) struct Target {
    /// Where the service is: https://HOST, or http://localhost:PORT.
    #[arg(long, value_name = "URL")]
    pub(crate) host: String,
    /// Which of the host's enclaves, if it has several.
    #[arg(long, value_name = "ID")]
    pub(crate) enclave: Option<String>,
    #[command(flatten)]
    pub(crate) time: TimeArgs,
}

/// Which enclaves.
#[derive(Debug, ClapArgs)]
#[command(mut_arg("timeout", |timeout| timeout.help(TIME)))]
pub(crate) struct Targets {
    /// Where the service is: https://HOST, or http://localhost:PORT. Several, if enclaves of the
    /// deployment run behind several hosts.
    #[arg(long = "host", value_name = "URL", required = true)]
    pub(crate) hosts: Vec<String>,
    /// Only the enclaves with these ids; all that the hosts list, unless given.
    #[arg(long = "enclave", value_name = "ID")]
    pub(crate) enclaves: Vec<String>,
    #[command(flatten)]
    pub(crate) time: TimeArgs,
}

/// Who acts.
#[derive(Debug, ClapArgs)]
pub(crate) struct KeyArgs {
    /// Your operator's key: the file that `openkey operator keygen` made.
    #[arg(id = "key", long, value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Which root key.
#[derive(Debug, ClapArgs)]
pub(crate) struct GenesisArgs {
    /// What `openkey operator genesis` published: genesis.json, with the operators' sealed shares.
    #[arg(id = "genesis", long, value_name = "FILE")]
    pub(crate) file: PathBuf,
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
