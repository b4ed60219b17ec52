//! `openkey`: what operators of a deployment, maintainers of a release and developers of apps type.

mod args;
mod confirm;
mod everywhere;
mod explain;
mod files;
mod operator;
mod page;
mod release;
mod session;
mod sign;
mod stop;

use std::process::ExitCode;

use clap::Parser;
use openkey_verifier::command::output;

use args::{Args, Command};
use stop::Stop;

fn main() -> ExitCode {
    let args = match Args::try_parse().and_then(Args::checked) {
        Ok(args) => args,
        Err(error) => return output::usage(&error),
    };
    let (json, done) = match args.command {
        Command::Operator(command) => {
            let done = operator::run(&command);
            // What was sent stays sent, whether or not anybody could read of it.
            let told = done.and_then(|()| match output::shown() {
                Err(failure) if operator::sends(&command) => Err(Stop::unread(failure)),
                told => Ok(told?),
            });
            (command.json(), told)
        }
        Command::Release(command) => (command.json(), release::run(&command)),
        Command::Explain(args) => match explain::run(&args) {
            Ok(status) => return output::finish(status),
            Err(stop) => (args.print.json, Err(stop)),
        },
    };
    output::finish(match done {
        Ok(()) => 0,
        Err(stop) => {
            if let (true, Some(verdict)) = (json, stop.verdict()) {
                output::json(&serde_json::json!({
                    "verdict": verdict,
                    "rule": stop.rule(),
                    "message": stop.message(),
                }));
            }
            output::error(stop.rule(), stop.message());
            stop.code()
        }
    })
}
