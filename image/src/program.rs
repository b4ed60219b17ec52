//! The static `openkey-enclave` that becomes `/init`.
//!
//! Built by cargo for musl with the profile `image`, in an environment without the caller's flags and
//! wrappers. Paths of the source, of cargo's home, of the compiler and of the build are replaced in
//! everything the Rust and C compilers write, so the bytes depend on sources, toolchain and epoch.
//!
//! A finished binary is kept with the hashes of every file that went into it, as cargo lists them, and
//! taken again while they hold.

mod inputs;
mod place;

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use crate::{
    Error, Progress,
    cache::{Cache, key_of},
    run::{command, output, quietly},
    toolchain::Toolchain,
};

/// Static, position-independent, without the C library of the building machine.
pub const TARGET: &str = "x86_64-unknown-linux-musl";
/// The package and its binary.
pub const PACKAGE: &str = "openkey-enclave";
/// cargo's profile in the workspace's manifest.
const PROFILE: &str = "image";
/// Tells the build which release epoch the program is of.
const EPOCH: &str = "OPENKEY_EPOCH";
/// Raised when the flags below change.
const RECIPE: &str = "1";

/// What to build.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The source tree.
    pub source: &'a Path,
    /// The release epoch, from 1.
    pub epoch: u32,
    /// Where cargo works; in the cache if `None`.
    pub target_dir: Option<&'a Path>,
    /// Take no binary of an earlier build.
    pub fresh: bool,
    /// Nothing may be fetched.
    pub offline: bool,
}

/// The binary's bytes, built first if the cache has none of these sources.
///
/// # Errors
/// cargo's.
pub fn build(
    cache: &Cache,
    toolchain: &Toolchain,
    options: Options<'_>,
    progress: Progress<'_>,
) -> Result<Vec<u8>, Error> {
    let lock = read(&options.source.join("Cargo.lock"))?;
    let workspace = read(&options.source.join("Cargo.toml"))?;
    let key = key_of(&[
        RECIPE,
        &toolchain.rustc,
        &toolchain.gcc,
        &options.epoch.to_string(),
        &String::from_utf8_lossy(&lock),
        &String::from_utf8_lossy(&workspace),
    ]);
    let kept = cache.root().join("programs");
    if !options.fresh
        && options.target_dir.is_none()
        && let Some(program) = inputs::find(&kept, &key, options.source)?
    {
        return Ok(program);
    }
    fetch(options)?;
    // One at a time: sources and results of all of them have the same places.
    let _lock = cache.lock("program")?;
    progress(&format!("building {PACKAGE}, epoch {}", options.epoch));
    let place = cache.root().join("program-source");
    place::copy(options.source, &place, cache.root())?;
    let options = Options {
        source: &place,
        ..options
    };
    let target_dir = match options.target_dir {
        Some(directory) => directory.to_owned(),
        None => current_target_dir(cache, toolchain)?,
    };
    fs::create_dir_all(&target_dir).map_err(Error::file(&target_dir))?;
    let target_dir = target_dir.canonicalize().map_err(Error::file(target_dir))?;
    let began = SystemTime::now();
    quietly(&mut cargo(options, &target_dir)?)?;

    let built = target_dir.join(TARGET).join(PROFILE).join(PACKAGE);
    let program = read(&built)?;
    let inputs = inputs::Inputs {
        source: options.source,
        target_dir: &target_dir,
        began,
    };
    inputs.keep(&kept, &key, &built, &program)?;
    Ok(program)
}

/// Where cargo works for this toolchain, C compiler included, which cargo does not ask about. Those of
/// other toolchains are removed.
fn current_target_dir(cache: &Cache, toolchain: &Toolchain) -> Result<PathBuf, Error> {
    const PREFIX: &str = "program-target-";
    let name = format!(
        "{PREFIX}{}",
        key_of(&[RECIPE, &toolchain.rustc, &toolchain.gcc])
    );
    let root = cache.root();
    for entry in fs::read_dir(root).map_err(Error::file(root))?.flatten() {
        let other = entry.file_name().to_string_lossy().into_owned();
        if other.starts_with(PREFIX) && other != name {
            fs::remove_dir_all(entry.path()).map_err(Error::file(entry.path()))?;
        }
    }
    Ok(root.join(name))
}

/// Fetches the locked dependencies, so that the build itself needs no network.
///
/// # Errors
/// cargo's.
pub fn fetch(options: Options<'_>) -> Result<(), Error> {
    if options.offline {
        return Ok(());
    }
    let mut cargo = command("cargo");
    cargo
        .args(["fetch", "--quiet", "--locked", "--target", TARGET])
        .current_dir(options.source);
    quietly(&mut cargo)
}

/// The command that builds, with every path it could write down replaced.
fn cargo(options: Options<'_>, target_dir: &Path) -> Result<Command, Error> {
    let source = options.source;
    let sysroot = output(
        command("rustc")
            .args(["--print", "sysroot"])
            .current_dir(source),
    )?;
    // Of two that match the compilers take the last, so the inner directories come last.
    let replaced = [
        (PathBuf::from(sysroot.trim()), "/rust"),
        (source.to_owned(), "/src"),
        (cargo_home()?, "/cargo"),
        (target_dir.to_owned(), "/target"),
    ];
    let mut rust_flags = OsString::new();
    let mut c_flags = OsString::new();
    for (path, name) in &replaced {
        if !rust_flags.is_empty() {
            rust_flags.push("\u{1f}");
            c_flags.push(" ");
        }
        rust_flags.push("--remap-path-prefix=");
        rust_flags.push(path);
        rust_flags.push(format!("={name}"));
        c_flags.push("'-ffile-prefix-map=");
        c_flags.push(path);
        c_flags.push(format!("={name}'"));
    }
    if replaced
        .iter()
        .any(|(path, _)| path.as_os_str().as_bytes().contains(&b'\''))
    {
        return Err(Error::Missing("a path without the character '".to_owned()));
    }

    let mut cargo = command("cargo");
    cargo
        .args([
            "build",
            "--quiet",
            "--locked",
            "--offline",
            "--package",
            PACKAGE,
        ])
        .args(["--bin", PACKAGE])
        .args(["--target", TARGET, "--profile", PROFILE, "--target-dir"])
        .arg(target_dir)
        .current_dir(source)
        // This form wins over RUSTFLAGS and over configuration files, and keeps spaces in paths.
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags)
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        .env("CARGO_INCREMENTAL", "0")
        .env("CC_SHELL_ESCAPED_FLAGS", "1")
        .env("CFLAGS_x86_64_unknown_linux_musl", c_flags)
        .env("CC_x86_64_unknown_linux_musl", "musl-gcc")
        .env("AR_x86_64_unknown_linux_musl", "ar")
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", "gcc")
        .env(EPOCH, options.epoch.to_string());
    Ok(cargo)
}

fn cargo_home() -> Result<PathBuf, Error> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("CARGO_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cargo")))
        .ok_or_else(|| Error::Missing("HOME or CARGO_HOME in the environment".to_owned()))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::file(path))
}
