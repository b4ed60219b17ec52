//! Which programs make the bytes: what a stranger needs the same of.

use std::path::Path;

use crate::{
    Error, Progress, packages, program,
    run::{command, output, quietly},
};

/// Names and versions of what compiles and links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// `rustc --version` in the source tree, so `rust-toolchain.toml` decides.
    pub rustc: String,
    /// The C compiler, the linker and the C library of the static binary, separated by `"; "`.
    pub gcc: String,
}

impl Toolchain {
    /// What is installed here.
    ///
    /// # Errors
    /// If one of the programs is not.
    pub fn installed(source: &Path) -> Result<Self, Error> {
        let rustc = output(command("rustc").arg("--version").current_dir(source))?;
        let gcc = output(command("gcc").arg("--version"))?;
        let ld = output(command("ld").arg("--version"))?;
        let musl = packages::version("musl-dev")
            .ok_or_else(|| Error::Missing("Debian package musl-dev".to_owned()))?;
        let line = |text: &str| text.lines().next().unwrap_or_default().trim().to_owned();
        Ok(Self {
            rustc: line(&rustc),
            gcc: format!("{}; {}; musl {musl}", line(&gcc), line(&ld)),
        })
    }

    /// Makes sure that the compiler has the standard library of the enclave's target.
    ///
    /// # Errors
    /// [`Error::Missing`] if it has not and may not fetch it; rustup's own failure.
    pub fn ensure_target(
        &self,
        source: &Path,
        offline: bool,
        progress: Progress<'_>,
    ) -> Result<(), Error> {
        let target = program::TARGET;
        let mut rustc = command("rustc");
        rustc
            .args(["--print", "target-libdir", "--target", target])
            .current_dir(source);
        if Path::new(output(&mut rustc)?.trim()).is_dir() {
            return Ok(());
        }
        if offline {
            return Err(Error::Missing(format!(
                "Rust's standard library for {target}"
            )));
        }
        progress(&format!("installing Rust's standard library for {target}"));
        quietly(
            command("rustup")
                .args(["target", "add", target])
                .current_dir(source),
        )
    }
}
