//! `openkey-enclave`: the first and only program of an enclave image.
//!
//! As PID 1 it mounts what the kernel offers, looks at the machine it woke up in and refuses to go
//! on in one that it does not know ([`init::checks`]), stirs the NSM's entropy into the kernel's, fetches
//! its configuration from the host, boots the enclave with it, and serves. There is no shell, no
//! other program and nothing to log in to. Whatever goes wrong ends the machine.
//!
//! Nothing that the host says decides anything here: the configuration is measured before a key
//! exists, and of the kernel's command line, which is not measured everywhere, only the host's
//! context id is taken.

#![cfg_attr(
    test,
    // A test that cannot go on should stop where it is.
    allow(clippy::unwrap_used, clippy::indexing_slicing)
)]

#[cfg(target_os = "linux")]
mod init;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    init::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("error: openkey-enclave is the init of an enclave image, which is Linux");
    std::process::ExitCode::from(2)
}
