//! The Debian packages that building needs.

use crate::{
    Error, Progress,
    run::{command, exists, output, quietly},
};

/// What builds the kernel and the static binary on Debian 12.
pub const NEEDED: &[&str] = &[
    "bc",
    "bison",
    "build-essential",
    "ca-certificates",
    "curl",
    "flex",
    "git",
    "libelf-dev",
    "musl-tools",
    "patch",
    "perl",
    "xz-utils",
];

/// Makes sure that [`NEEDED`] is installed: installs what is missing when root, names it otherwise.
///
/// # Errors
/// [`Error::Packages`] with what is missing and may not be installed; [`Error::Missing`] where there
/// is no Debian package manager; the package manager's own failure.
pub fn ensure(offline: bool, progress: Progress<'_>) -> Result<(), Error> {
    if !exists("dpkg-query") {
        return Err(Error::Missing(
            "dpkg-query: building needs Debian 12, or enclave.Dockerfile".to_owned(),
        ));
    }
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let is_root = output(command("id").arg("-u"))?.trim() == "0";
    if !is_root || offline {
        return Err(Error::Packages(missing));
    }
    progress(&format!("installing {}", missing.join(" ")));
    quietly(command("apt-get").args(["update", "-qq"]))?;
    quietly(
        command("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// The installed version of `package`, or `None`.
#[must_use]
pub fn version(package: &str) -> Option<String> {
    let format = "${db:Status-Status} ${Version}";
    let answer = output(command("dpkg-query").args(["-W", "-f", format, package])).ok()?;
    answer.strip_prefix("installed ").map(str::to_owned)
}

fn missing() -> Vec<String> {
    let absent = |package: &&&str| version(package).is_none();
    NEEDED
        .iter()
        .filter(absent)
        .map(|package| (*package).to_owned())
        .collect()
}
