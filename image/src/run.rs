//! Running programs of the toolchain, with nothing of the caller's environment but what they need.

use std::{
    env,
    ffi::OsStr,
    io,
    path::Path,
    process::{Command, Stdio},
};

use crate::Error;

/// How much of a failed program's output is shown, in lines.
const SHOWN_LINES: usize = 40;
/// What reaches the programs: where they and their networks are. Not compiler flags, wrappers,
/// locale, time zone, or anything else that could change what they make.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "TMPDIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUSTUP_AUTO_INSTALL",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CARGO_HTTP_PROXY",
    "CARGO_HTTP_CAINFO",
];

/// `program`, to be run in the neutral environment.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("SOURCE_DATE_EPOCH", "0")
        .stdin(Stdio::null());
    for name in PASSED_ON {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs to the end and gives the standard output.
///
/// # Errors
/// If it cannot be started or fails; the message has the end of what it said.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let output = command.output().map_err(start(command))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut said = output.stdout;
    said.extend_from_slice(&output.stderr);
    Err(Error::Failed {
        program: describe(command),
        status: output.status.to_string(),
        output: tail(&String::from_utf8_lossy(&said)),
    })
}

/// Like [`output`], for programs whose output nobody needs unless they fail.
pub(crate) fn quietly(command: &mut Command) -> Result<(), Error> {
    output(command).map(drop)
}

/// Whether `program` is somewhere in the path.
pub(crate) fn exists(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| {
        env::split_paths(&path)
            .any(|directory: std::path::PathBuf| directory.join(program).is_file())
    })
}

/// `path` as an argument of the form `NAME=path` needs it.
pub(crate) fn joined(name: &str, path: &Path) -> std::ffi::OsString {
    let mut joined = std::ffi::OsString::from(name);
    joined.push(path);
    joined
}

fn start(command: &Command) -> impl FnOnce(io::Error) -> Error {
    let program = describe(command);
    move |error| Error::Start { program, error }
}

/// The program and its first argument: enough to tell `make bzImage` from `make allnoconfig`.
fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .take(1)
            .map(|arg| arg.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}
