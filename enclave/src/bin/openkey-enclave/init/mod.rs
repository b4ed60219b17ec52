//! The program, on the machine that it is made for.

mod capacity;
mod checks;
mod end;
mod events;
mod heartbeat;
mod host;
mod machine;
mod release;
mod run;

/// Everything, if this is a machine's first process.
pub(super) fn main() -> std::process::ExitCode {
    // Everything below ends the machine it runs on.
    if !rustix::process::getpid().is_init() {
        eprintln!(
            "error: openkey-enclave is the init of an enclave image; it does not run elsewhere"
        );
        return std::process::ExitCode::from(2);
    }
    end::on_panic();
    let fatal = match machine::prepare() {
        Ok(machine) => run::run(machine),
        Err(fatal) => fatal,
    };
    end::now(fatal)
}
