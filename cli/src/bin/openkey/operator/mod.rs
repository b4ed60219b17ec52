//! `openkey operator`.

mod approved;
mod backup;
mod compared;
mod consent;
mod consented;
mod genesis;
mod keys;
mod report;
mod secret;
mod share;
mod successor;
mod upgrade;
mod withdraw;
mod withdrawn;

use crate::{args::Operator, stop::Stop};

pub(crate) fn run(command: &Operator) -> Result<(), Stop> {
    match command {
        Operator::Keygen(args) => keys::keygen(args),
        Operator::Entry(args) => keys::entry(args),
        Operator::Genesis(args) => genesis::hold(args),
        Operator::CheckGenesis(args) => genesis::check(args),
        Operator::Approve(args) => approved::approve(args),
        Operator::PostShare(args) => share::post(args),
        Operator::Status(args) => report::status(args),
        Operator::SetSecret(args) => secret::set(args),
        Operator::Backup(args) => backup::backup(args),
        Operator::Restore(args) => backup::restore(args),
        Operator::Upgrade(args) => upgrade::announce(args),
        Operator::Consent(args) => consent::give(args),
        Operator::Withdraw(args) => withdraw::withdraw(args),
    }
}

/// Whether a success of this command means that an enclave was given something, or asked for its genesis.
pub(crate) const fn sends(command: &Operator) -> bool {
    matches!(
        command,
        Operator::Genesis(_)
            | Operator::PostShare(_)
            | Operator::SetSecret(_)
            | Operator::Upgrade(_)
            | Operator::Consent(_)
            | Operator::Withdraw(_)
    )
}
