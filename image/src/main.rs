//! `openkey-image`: builds the enclave image, and says what any image measures.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use openkey_image::{
    Error, Progress,
    build::{self, Options},
    cache::Cache,
    eif::{self, Image},
    kernel,
    manifest::MeasurementsFile,
    toolchain::Toolchain,
};

const EXIT: &str = "\
Exit status:
  0  done
  1  not built, or an image that is refused
  2  a wrong flag, a file named on the command line that cannot be read, or stdout that cannot be written";
/// Exit status for a wrong flag or file, as clap's own.
const USAGE: u8 = 2;

/// Builds the enclave image, the same bytes on every machine, and measures images without running them.
#[derive(Parser)]
#[command(version, about, after_help = EXIT)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build enclave.eif, measurements.json and draft.json (a manifest to be signed)
    ///
    /// Needs Debian 12 and Rust. Installs missing Debian packages when root, names them otherwise;
    /// fetches sources by hash and keeps them, the kernel and the program in a cache. From an empty
    /// cache it takes about ten minutes on two cores, then seconds.
    Build {
        /// Where the three files go
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        what: What,
        /// Print measurements as JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch what `build --offline` needs
    Fetch {
        #[command(flatten)]
        what: What,
    },
    /// Build the kernel alone and print its file's path
    Kernel {
        #[command(flatten)]
        what: What,
    },
    /// Print what an image measures: PCR0, PCR1, PCR2
    ///
    /// Reads the file strictly: an image that different readers could understand differently is
    /// refused.
    Measure {
        /// The image
        #[arg(value_name = "FILE.eif")]
        file: PathBuf,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct What {
    /// The source tree
    #[arg(long, value_name = "DIR", default_value = ".")]
    source: PathBuf,
    /// The release epoch: never goes down from release to release
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    epoch: u32,
    /// The commit of a source tree that has no git history
    #[arg(long, value_name = "HEX")]
    commit: Option<String>,
    /// Build a source tree that differs from its commit; draft.json then says so
    #[arg(long)]
    allow_dirty: bool,
    /// Where cargo works; in the cache if not given
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    /// Where sources and results are kept [default: openkey in the user's cache directory]
    #[arg(long, value_name = "DIR", env = "OPENKEY_CACHE")]
    cache: Option<PathBuf>,
    /// Build the program even if the cache has it from the same sources
    #[arg(long)]
    fresh: bool,
    /// Fetch and install nothing; fail if something is missing
    #[arg(long)]
    offline: bool,
}

impl What {
    /// What a build cannot do without.
    const NEEDED: &str = "enclave/Cargo.toml";

    fn check(&self) -> Result<(), Error> {
        if self.source.join(Self::NEEDED).is_file() {
            return Ok(());
        }
        Err(Error::Source(self.source.clone()))
    }

    fn cache(&self) -> Result<Cache, Error> {
        self.cache
            .as_deref()
            .map_or_else(Cache::of_user, Cache::open)
    }

    fn into_options(self, out: PathBuf) -> Options {
        Options {
            source: self.source,
            out,
            epoch: self.epoch,
            commit: self.commit,
            allow_dirty: self.allow_dirty,
            target_dir: self.target_dir,
            fresh: self.fresh,
            offline: self.offline,
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if error.is_usage() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run(command: Command) -> Result<(), Error> {
    let progress: Progress<'_> = &|line| eprintln!("openkey-image: {line}");
    match command {
        Command::Build { out, what, json } => {
            what.check()?;
            let built = build::build(&what.cache()?, &what.into_options(out), progress)?;
            print(&built.measurements, json)
        }
        Command::Fetch { what } => {
            what.check()?;
            build::fetch(&what.cache()?, &what.into_options(PathBuf::new()), progress)
        }
        Command::Kernel { what } => {
            what.check()?;
            let toolchain = Toolchain::installed(&what.source)?;
            let file = kernel::build(&what.cache()?, &toolchain, what.offline, progress)?;
            show(&format!("{}\n", file.display()))
        }
        Command::Measure { file, json } => {
            let file_error = |error| Error::Argument {
                path: file.clone(),
                error,
            };
            let size = fs::metadata(&file).map_err(file_error)?.len();
            if size > eif::MAX_IMAGE as u64 {
                return Err(eif::Error::Size(usize::try_from(size).unwrap_or(usize::MAX)).into());
            }
            let bytes = fs::read(&file).map_err(file_error)?;
            let measured = Image::decode(&bytes)?.measurements();
            print(&build::describe(&measured, &bytes), json)
        }
    }
}

fn print(measurements: &MeasurementsFile, json: bool) -> Result<(), Error> {
    if json {
        show(&format!(
            "{}\n",
            serde_json::to_string_pretty(measurements)?
        ))
    } else {
        show(&format!(
            "PCR0 {}\nPCR1 {}\nPCR2 {}\nSHA-256 {}, {} bytes\n",
            measurements.pcr0,
            measurements.pcr1,
            measurements.pcr2,
            measurements.image_sha256,
            measurements.image_bytes
        ))
    }
}

fn show(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(Error::Output)
}
