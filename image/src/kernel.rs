//! The enclave's kernel: Debian's patched Linux source, pinned by hash, and a configuration of our own.
//!
//! Debian's package is taken because its security updates are followed for years and it stays
//! available by date (snapshot.debian.org). `kernel/enclave.config` starts from "no" and from the values
//! AWS's own enclave kernel has for the hardware; it has booted under QEMU's `nitro-enclave` machine,
//! and not yet on AWS's hardware. `kernel/vsock-replies.patch` is the one change to the source.
//!
//! The bytes depend on source, patch, configuration, compiler and linker: the build takes place in the
//! unpacked tree, so it knows no path, and user, host and time in `/proc/version` are constants.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use crate::{
    Error, Progress,
    cache::{Cache, Pinned},
    run::{command, joined, quietly},
    toolchain::Toolchain,
};

/// The kernel's version, as `uname -r` says it in the enclave.
pub const VERSION: &str = "6.12.117-enclave";
/// The source: Debian's package `linux-source-6.12`.
pub const SOURCE: Pinned<'static> = Pinned {
    name: "linux-source-6.12_6.12.117-1~deb12u1_all.deb",
    sha256: "e849faf31ca3555757f3a8877cb01af92122f744f75d1f3102734651c4e14703",
    addresses: &[
        "http://deb.debian.org/debian-security/pool/updates/main/l/linux-6.12/linux-source-6.12_6.12.117-1~deb12u1_all.deb",
        "http://security.debian.org/debian-security/pool/updates/main/l/linux-6.12/linux-source-6.12_6.12.117-1~deb12u1_all.deb",
        "https://snapshot.debian.org/archive/debian-security/20261115T000000Z/pool/updates/main/l/linux-6.12/linux-source-6.12_6.12.117-1~deb12u1_all.deb",
    ],
};
/// The configuration: exceptions from `allnoconfig`.
pub const CONFIG: &str = include_str!("../kernel/enclave.config");
/// The change to the source.
pub const PATCH: &str = include_str!("../kernel/vsock-replies.patch");

/// The archive inside the package, and the directory inside the archive.
const ARCHIVE: &str = "usr/src/linux-source-6.12.tar.xz";
const TREE: &str = "linux-source-6.12";
/// Raised when the steps below change what they make.
const RECIPE: &str = "1";
/// Where the boot protocol has its signature in a bzImage (Documentation/arch/x86/boot.rst).
const SIGNATURE: (usize, &[u8]) = (0x202, b"HdrS");

/// The kernel's file in the cache, built first if it is not there: about seven minutes of one CPU.
///
/// # Errors
/// What the toolchain says; [`Error::KernelConfig`] if the kernel's rules overrule our configuration.
pub fn build(
    cache: &Cache,
    toolchain: &Toolchain,
    offline: bool,
    progress: Progress<'_>,
) -> Result<PathBuf, Error> {
    let key = [RECIPE, SOURCE.sha256, CONFIG, PATCH, toolchain.gcc.as_str()];
    let directory = cache.result("kernel", &key, |place| {
        let package = cache.fetch(SOURCE, offline, progress)?;
        let scratch = cache.scratch("kernel-source")?;
        progress("unpacking the kernel's source");
        let tree = unpack(&package, scratch.path())?;
        progress("building the kernel");
        make(&tree, scratch.path(), place)
    })?;
    Ok(directory.join("bzImage"))
}

fn unpack(package: &Path, scratch: &Path) -> Result<PathBuf, Error> {
    quietly(
        command("dpkg-deb")
            .arg("--extract")
            .arg(package)
            .arg(scratch),
    )?;
    let archive = scratch.join(ARCHIVE);
    quietly(
        command("tar")
            .arg("-xJf")
            .arg(&archive)
            .arg("-C")
            .arg(scratch),
    )?;
    fs::remove_file(&archive).map_err(Error::file(&archive))?;
    let tree = scratch.join(TREE);
    let patch = write(&scratch.join("enclave.patch"), PATCH)?;
    quietly(
        command("patch")
            .args(["--strip=1", "--fuzz=0", "--forward", "--input"])
            .arg(patch)
            .current_dir(&tree),
    )?;
    Ok(tree)
}

fn make(tree: &Path, scratch: &Path, place: &Path) -> Result<(), Error> {
    let config = write(&scratch.join("enclave.config"), CONFIG)?;
    let make = || {
        let mut make = command("make");
        make.current_dir(tree)
            .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970")
            .env("KBUILD_BUILD_USER", "openkey")
            .env("KBUILD_BUILD_HOST", "enclave")
            .env("KBUILD_BUILD_VERSION", "1");
        make
    };
    quietly(
        make()
            .arg("allnoconfig")
            .arg(joined("KCONFIG_ALLCONFIG=", &config)),
    )?;
    let result = tree.join(".config");
    let refused = refused(CONFIG, &read_text(&result)?);
    if !refused.is_empty() {
        return Err(Error::KernelConfig(refused));
    }
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    quietly(make().arg("bzImage").arg(format!("-j{jobs}")))?;

    let built = tree.join("arch/x86/boot/bzImage");
    let bytes = fs::read(&built).map_err(Error::file(&built))?;
    let (offset, signature) = SIGNATURE;
    if bytes.get(offset..offset + signature.len()) != Some(signature) {
        return Err(Error::NoBzImage);
    }
    for (from, name) in [(&built, "bzImage"), (&result, "config")] {
        let to = place.join(name);
        fs::copy(from, &to).map_err(Error::file(to))?;
    }
    Ok(())
}

/// The lines of `wanted` that are not in `result`. "Not set" is also said by leaving a line out.
fn refused(wanted: &str, result: &str) -> Vec<String> {
    let holds = |line: &str| {
        let absent = line
            .strip_prefix("# ")
            .and_then(|rest| rest.strip_suffix(" is not set"));
        match absent {
            Some(option) => !result.lines().any(|other| {
                other
                    .strip_prefix(option)
                    .is_some_and(|rest| rest.starts_with('='))
            }),
            None => result.lines().any(|other| other == line),
        }
    };
    let says_something = |line: &&str| line.starts_with("CONFIG_") || line.starts_with("# CONFIG_");
    let lines = wanted.lines().filter(says_something);
    lines
        .filter(|line| !holds(line))
        .map(str::to_owned)
        .collect()
}

fn read_text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::file(path))
}

fn write(path: &Path, text: &str) -> Result<PathBuf, Error> {
    fs::write(path, text).map_err(Error::file(path))?;
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{CONFIG, refused};

    #[test]
    fn a_line_the_kernel_overrules_is_noticed() {
        let wanted = "# a comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x\"\n";
        assert!(refused(wanted, "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x\"").is_empty());
        assert!(refused(wanted, "CONFIG_A=y\nCONFIG_BB=y\nCONFIG_C=\"x\"").is_empty());
        assert_eq!(refused(wanted, "CONFIG_B=y\nCONFIG_C=\"y\"").len(), 3);
    }

    #[test]
    fn m1_the_kernel_cannot_load_code_dump_memory_or_reach_a_disk() {
        for option in [
            "MODULES",
            "COREDUMP",
            "KEXEC",
            "BLOCK",
            "DEVMEM",
            "PROC_KCORE",
            "BPF_SYSCALL",
            "IPV6",
        ] {
            let line = format!("# CONFIG_{option} is not set");
            assert!(CONFIG.lines().any(|other| other == line), "{option}");
        }
    }
}
