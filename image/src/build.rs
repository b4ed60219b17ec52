//! The whole image, from a source tree.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    Error, Progress,
    cache::Cache,
    cpio::{Entry, ramdisk},
    eif::Image,
    kernel,
    manifest::{Draft, MeasurementsFile, Metadata},
    packages,
    pcr::Measurements,
    program,
    source::{self, Source},
    toolchain::Toolchain,
};

/// The kernel's command line: AWS's for its own enclave kernel, unchanged, and silence.
///
/// The console of an enclave can be read by its parent in debug mode only, whose measurements are
/// zeros; still, a release says nothing there. Under QEMU `loglevel=7`, appended, brings it back.
pub const COMMAND_LINE: &str = "reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux \
     i8042.nomux i8042.nopnp i8042.dumbkbd random.trust_cpu=on quiet loglevel=0";

/// The image's file in the output directory.
pub const IMAGE_FILE: &str = "enclave.eif";
/// Its measurements there.
pub const MEASUREMENTS_FILE: &str = "measurements.json";
/// The draft of its release manifest there.
pub const DRAFT_FILE: &str = "draft.json";

/// What to build, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The source tree.
    pub source: PathBuf,
    /// The output directory; created if it is not there.
    pub out: PathBuf,
    /// The release epoch, from 1.
    pub epoch: u32,
    /// The commit of a source tree without its history.
    pub commit: Option<String>,
    /// Build a tree that differs from its commit.
    pub allow_dirty: bool,
    /// Where cargo works; in the cache if `None`.
    pub target_dir: Option<PathBuf>,
    /// Take no program of an earlier build.
    pub fresh: bool,
    /// Fetch and install nothing.
    pub offline: bool,
}

/// What was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The image's file.
    pub image: PathBuf,
    /// Contents of `measurements.json`.
    pub measurements: MeasurementsFile,
    /// Contents of `draft.json`.
    pub release: Draft,
}

/// Builds the image and writes the three files.
///
/// # Errors
/// The first step that fails; the output directory then has what it had.
pub fn build(cache: &Cache, options: &Options, progress: Progress<'_>) -> Result<Built, Error> {
    let (root, toolchain) = prepare(options, progress)?;
    let source = Source::at(&root, options.commit.as_deref(), options.allow_dirty)?;
    let kernel = kernel::build(cache, &toolchain, options.offline, progress)?;
    let kernel = fs::read(&kernel).map_err(Error::file(kernel))?;
    let program = program::build(cache, &toolchain, program_options(options, &root), progress)?;

    progress("assembling the image");
    let image = assemble(kernel, &program)?;
    let measured = image.measurements();
    let bytes = image.encode()?;
    let release = Draft::new(&source, &toolchain, options.epoch, &measured);
    let measurements = describe(&measured, &bytes);

    let out = &options.out;
    fs::create_dir_all(out).map_err(Error::file(out))?;
    let image = write(out, IMAGE_FILE, &bytes)?;
    write(out, MEASUREMENTS_FILE, &json(&measurements)?)?;
    write(out, DRAFT_FILE, &json(&release)?)?;
    Ok(Built {
        image,
        measurements,
        release,
    })
}

/// Fetches everything the build needs, so that it can be repeated with `offline`.
///
/// # Errors
/// The first thing that cannot be had.
pub fn fetch(cache: &Cache, options: &Options, progress: Progress<'_>) -> Result<(), Error> {
    let (root, _) = prepare(options, progress)?;
    cache.fetch(kernel::SOURCE, options.offline, progress)?;
    program::fetch(program_options(options, &root))
}

/// The image of a kernel and a program.
///
/// Two ramdisks, as in AWS's images: the bootstrap, measured with the kernel into PCR1, is the same in
/// every release of one kernel; the program, alone in PCR2, tells releases apart. The kernel unpacks
/// the second over the first. There is no other file.
///
/// # Errors
/// If a part is too large.
pub fn assemble(kernel: Vec<u8>, program: &[u8]) -> Result<Image, Error> {
    let bootstrap = ramdisk(&[
        Entry::Directory("dev"),
        // Where PID 1 has its standard streams before it mounts /dev itself.
        Entry::Device {
            path: "dev/console",
            major: 5,
            minor: 1,
        },
        Entry::Directory("proc"),
        Entry::Directory("sys"),
    ])?;
    let application = ramdisk(&[Entry::Program {
        path: "init",
        data: program,
    }])?;
    Ok(Image {
        kernel,
        command_line: COMMAND_LINE.to_owned(),
        metadata: serde_json::to_vec(&Metadata::of_image())?,
        ramdisks: vec![bootstrap, application],
        signature: None,
    })
}

/// What `measurements.json` says of an image.
#[must_use]
pub fn describe(measurements: &Measurements, image: &[u8]) -> MeasurementsFile {
    let hash = hex::encode(Sha256::digest(image));
    MeasurementsFile::new(measurements, hash, image.len())
}

/// Packages and toolchain; the source tree's absolute path, because compilers write it down.
fn prepare(options: &Options, progress: Progress<'_>) -> Result<(PathBuf, Toolchain), Error> {
    let given = &options.source;
    let root = given.canonicalize().map_err(Error::file(given))?;
    source::check(&root)?;
    packages::ensure(options.offline, progress)?;
    let toolchain = Toolchain::installed(&root)?;
    toolchain.ensure_target(&root, options.offline, progress)?;
    Ok((root, toolchain))
}

fn program_options<'a>(options: &'a Options, root: &'a Path) -> program::Options<'a> {
    program::Options {
        source: root,
        epoch: options.epoch,
        target_dir: options.target_dir.as_deref(),
        fresh: options.fresh,
        offline: options.offline,
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

/// In one step, so that nobody reads half a file.
fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
    let place = directory.join(name);
    let part = directory.join(format!(".{name}.part"));
    fs::write(&part, bytes).map_err(Error::file(&part))?;
    fs::rename(&part, &place).map_err(Error::file(&place))?;
    Ok(place)
}
