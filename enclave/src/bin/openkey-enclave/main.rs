//! `openkey-enclave`: the first and only program of an enclave image.
//!
//! As PID 1 it mounts what the kernel offers, looks at the machine it woke up in and refuses to go
//! on in one that it does not know ([`checks`]), stirs the NSM's entropy into the kernel's, fetches
//! its configuration from the host, boots the enclave with it, and serves. There is no shell, no
//! other program and nothing to log in to. Whatever goes wrong ends the machine.
//!
//! Nothing that the host says decides anything here: the configuration is measured before a key
//! exists, and of the kernel's command line, which is not measured everywhere, only the host's
//! context id is taken.

#[cfg(not(target_os = "linux"))]
compile_error!("an enclave's init needs Linux");

mod capacity;
mod checks;
mod end;
mod events;
mod heartbeat;
mod host;
mod machine;
mod release;
mod run;

fn main() -> std::process::ExitCode {
    // Everything below ends the machine it runs on.
    if !rustix::process::getpid().is_init() {
        eprintln!("openkey-enclave is the init of an enclave image; it does not run elsewhere");
        return std::process::ExitCode::from(2);
    }
    end::on_panic();
    let fatal = match machine::prepare() {
        Ok(machine) => run::run(machine),
        Err(fatal) => fatal,
    };
    end::now(fatal)
}
