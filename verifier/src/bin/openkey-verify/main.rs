//! `openkey-verify`: check an attestation document, a host, a page, a release or an account receipt.

mod account;
mod args;
mod document;
mod host;
mod page;
mod release;
mod served;

use std::process::ExitCode;

use clap::Parser;
use openkey_verifier::command::{Failure, NOT_JUDGED, REFUSED, Verdict, output};

use args::{Args, Command};

fn main() -> ExitCode {
    let args = match Args::try_parse().and_then(Args::checked) {
        Ok(args) => args,
        Err(error) => return output::usage(&error),
    };
    let verdict = match args.command {
        Command::Document(args) => document::run(&args),
        Command::Host(args) => host::run(&args),
        Command::Page(args) => page::run(&args),
        Command::Account(args) => account::run(&args),
        Command::Release(args) => release::run(&args),
    };
    output::finish(match verdict {
        Ok(Verdict::Accepted) => 0,
        Ok(Verdict::Refused) => REFUSED,
        Ok(Verdict::NotJudged) => NOT_JUDGED,
        Err(Failure { rule, message }) => {
            output::error(rule, &message);
            NOT_JUDGED
        }
    })
}
