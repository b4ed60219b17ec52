//! What people and programs read.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use openkey_attestation::{AWS_ROOT_SHA256, UnixMillis};
use openkey_protocol::message::RootSource;
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Failure, NOT_JUDGED, source};
use crate::view::{BindingView, EvidenceView};

/// `error: RULE: MESSAGE` on stderr.
pub fn error(rule: &str, message: &str) {
    // Nothing is left to do for a caller who closed stderr.
    let _ = writeln!(io::stderr().lock(), "error: {rule}: {}", printable(message));
}

/// What kept an output from being written, the first time, until [`shown`] or [`finish`] tells it.
static UNWRITTEN: Mutex<Option<String>> = Mutex::new(None);

fn unwritten() -> std::sync::MutexGuard<'static, Option<String>> {
    UNWRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something to know while a command goes on, on stderr.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(text));
}

/// A count and its noun, such as `1 second` and `2 seconds`.
#[must_use]
pub fn count(count: impl Display + PartialEq + From<u8>, noun: &str) -> String {
    let plural = if count == 1.into() { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A text on stdout. That it could not be written is remembered until [`shown`] or [`finish`].
pub fn text(text: &str) {
    write("stdout", io::stdout().lock(), text);
}

/// As [`note`], for what must be seen before something is done: remembered as for [`text`].
pub fn aside(text: &str) {
    write(
        "stderr",
        io::stderr().lock(),
        &format!("{}\n", printable(text)),
    );
}

fn write(name: &str, mut to: impl Write, text: &str) {
    if let Err(error) = to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        unwritten().get_or_insert_with(|| format!("{name}: {}", source::words(&error)));
    }
}

/// Whether everything until now was written: asked before anything is done that somebody must have seen.
///
/// # Errors
///
/// `cannot_write`.
pub fn shown() -> Result<(), Failure> {
    match unwritten().take() {
        None => Ok(()),
        Some(why) => Err(Failure::new("cannot_write", why)),
    }
}

/// One JSON object on one line of stdout.
pub fn json(value: &impl Serialize) {
    // Structs of strings, numbers and options always serialise.
    match serde_json::to_string(value) {
        Ok(mut line) => {
            line.push('\n');
            text(&line);
        }
        Err(_) => {
            unwritten().get_or_insert_with(|| "the output cannot be written as JSON".to_owned());
        }
    }
}

/// Ends a program with this status, unless its output could not be written (a full disk, a reader
/// that has gone): a verdict that nobody can read was not given. A refusal stays one.
#[must_use]
pub fn finish(status: u8) -> ExitCode {
    let Err(failure) = shown() else {
        return ExitCode::from(status);
    };
    error(failure.rule, &failure.message);
    ExitCode::from(if status == 0 { NOT_JUDGED } else { status })
}

/// A refusal, for programs.
#[derive(Serialize)]
struct RefusedView<'a> {
    verdict: &'static str,
    rule: &'a str,
    message: &'a str,
}

/// Says on stderr, and with `json` on stdout, that something was judged and refused.
pub fn refused(as_json: bool, rule: &str, message: &str) {
    if as_json {
        json(&RefusedView {
            verdict: "refused",
            rule,
            message,
        });
    }
    error(rule, message);
}

/// Ends a run whose flags are wrong, or that was asked for help: help and version go to stdout with 0,
/// everything else to stderr with 2.
#[must_use]
pub fn usage(usage: &clap::Error) -> ExitCode {
    if usage.use_stderr() {
        let _ = usage.print();
        return ExitCode::from(NOT_JUDGED);
    }
    text(&usage.render().to_string());
    finish(0)
}

/// An aligned table.
#[derive(Debug, Default)]
pub struct Table(Vec<(String, String)>);

impl Table {
    /// Adds a row.
    pub fn row(&mut self, label: &str, value: impl AsRef<str>) {
        // A label may be indented.
        let label = label.chars().map(on_one_line).collect();
        self.0.push((label, printable(value.as_ref())));
    }

    /// Shows it under a title: on stdout, or line by line on stderr where stdout gets one JSON object.
    pub fn show(&self, as_json: bool, title: &str) {
        if as_json {
            aside(title);
            for (label, value) in &self.0 {
                aside(&format!("{}: {value}", label.trim()));
            }
        } else {
            text(&format!("{title}\n\n{}\n", self.render()));
        }
    }

    /// Its text.
    #[must_use]
    pub fn render(&self) -> String {
        let width = self.0.iter().map(|(label, _)| label.chars().count()).max();
        let width = width.unwrap_or_default();
        self.0
            .iter()
            .map(|(label, value)| format!("  {label:width$}  {value}\n"))
            .collect()
    }
}

/// The rows of a document.
pub fn evidence_rows(table: &mut Table, view: &EvidenceView, measurements: &str) {
    table.row("module", &view.module_id);
    table.row("made by", made_by(view));
    table.row("region", &view.region);
    table.row("signed at", rfc3339(UnixMillis(view.timestamp_ms)));
    table.row(
        "certificates",
        format!(
            "valid until {}",
            rfc3339(UnixMillis(view.certificate_expires_ms))
        ),
    );
    table.row(
        "debug mode",
        if view.debug {
            "YES: the host reads this enclave's console; nothing in it is secret"
        } else {
            "no"
        },
    );
    let zero = "0".repeat(96);
    let mut unset = Vec::new();
    for (index, value) in &view.measurements {
        if *value == zero {
            unset.push(index.to_string());
        } else {
            table.row(&format!("PCR{index}"), value);
        }
    }
    if !unset.is_empty() {
        table.row("PCRs of zeros", unset.join(", "));
    }
    table.row("measurements", measurements);
    for (label, field) in [
        ("nonce", &view.nonce),
        ("public key", &view.public_key),
        ("user data", &view.user_data),
    ] {
        match field.as_deref() {
            None => table.row(label, "none"),
            Some("") => table.row(label, "empty"),
            Some(hex) => table.row(label, shortened(hex)),
        }
    }
    if let Some(binding) = &view.binding {
        binding_rows(table, binding);
    }
}

fn made_by(view: &EvidenceView) -> String {
    let root = if view.root_sha256 == hex::encode(AWS_ROOT_SHA256) {
        "the AWS Nitro Enclaves root".to_owned()
    } else {
        format!("the root with SHA-256 {}", view.root_sha256)
    };
    if view.simulator {
        format!("a SIMULATOR, which proves nothing about hardware, under {root}")
    } else {
        format!("a Nitro enclave, under {root}")
    }
}

fn binding_rows(table: &mut Table, binding: &BindingView) {
    table.row("identity key", &binding.identity);
    table.row("configuration", &binding.configuration);
    table.row(
        "root key",
        match binding.root_source {
            None => "awaited: nothing is served yet",
            Some(RootSource::Development) => {
                "development: a file of the simulator, protects nothing"
            }
            Some(RootSource::HandOver) => "handed over by a running enclave of the deployment",
            Some(RootSource::Operators) => "the operators' shares",
            Some(RootSource::Kms) => "AWS KMS, which checks the recipient's attestation",
        },
    );
    table.row("root id", binding.root_id.as_deref().unwrap_or("none"));
    table.row("release", &binding.release);
    table.row("epoch", binding.epoch.to_string());
    table.row(
        "rollback",
        "clients-only: noticed by the running enclave and by clients that keep account heads",
    );
}

/// Long fields in part: `--json` has them whole.
fn shortened(hex: &str) -> String {
    /// One line of a wide terminal.
    const SHOWN: usize = 128;
    match hex.get(..SHOWN) {
        Some(head) if hex.len() > SHOWN => format!("{head}… ({} bytes)", hex.len() / 2),
        _ => hex.to_owned(),
    }
}

/// A time for people.
#[must_use]
pub fn rfc3339(time: UnixMillis) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.0) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| time.to_string())
}

/// Text from outside on one line of a terminal: no control characters, no line break of any kind, nothing
/// that reorders it, and no run of spaces that pushes the rest to where another line would stand.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut chars = text.chars().map(on_one_line).peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() && chars.peek().is_some_and(|next| next.is_whitespace()) {
            while chars.next_if(|next| next.is_whitespace()).is_some() {}
            line.push(' ');
        } else {
            line.push(c);
        }
    }
    line
}

/// Longest text of a stranger that is shown, in characters.
const MAX_FOREIGN: usize = 200;

/// As [`printable`], and at most 200 characters: for text of a host, which nobody vouches for.
#[must_use]
pub fn foreign(text: &str) -> String {
    let shown = printable(text);
    match shown.char_indices().nth(MAX_FOREIGN) {
        None => shown,
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
    }
}

/// Text from outside as it is, line by line: each behind a bar, so that none passes for a line of the
/// output itself. Of a line nothing is left out: neither runs of spaces nor tabs.
#[must_use]
pub fn exact(text: &str) -> String {
    let kept = |c| if c == '\t' { c } else { on_one_line(c) };
    let shown = |line: &str| -> String { line.chars().map(kept).collect() };
    text.split('\n')
        .map(|line| format!("  | {}\n", shown(line)))
        .collect()
}

/// A character that stays on its line and in its place; U+FFFD instead of one that does not.
fn on_one_line(c: char) -> char {
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    let reorders = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    if c.is_control() || breaks || reorders {
        '\u{fffd}'
    } else {
        c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_outside_stays_on_its_line() {
        for c in "\n\r\t\u{b}\u{c}\u{1b}\u{7f}\u{85}\u{61c}\u{200f}\u{202e}\u{2028}\u{2029}\u{2069}"
            .chars()
        {
            let text = format!("ada{c}ben");
            assert_eq!(printable(&text), "ada\u{fffd}ben", "{c:?}");
            let mut table = Table::default();
            table.row(&text, &text);
            assert_eq!(table.render(), "  ada\u{fffd}ben  ada\u{fffd}ben\n");
        }
        assert_eq!(printable("Zoë 💡 a\u{301}"), "Zoë 💡 a\u{301}");
    }

    #[test]
    fn a_run_of_spaces_pushes_nothing_away() {
        assert_eq!(printable("a  b \u{3000}\u{a0}\u{2003}c d "), "a b c d ");
        assert_eq!(printable("   a"), " a");
        let mut table = Table::default();
        table.row("  label", "a          row");
        assert_eq!(table.render(), "    label  a row\n");
    }

    #[test]
    fn a_strangers_text_is_cut() {
        assert_eq!(foreign(&"é".repeat(200)), "é".repeat(200));
        assert_eq!(foreign(&"é".repeat(201)), format!("{}…", "é".repeat(200)));
        assert_eq!(foreign(&" ".repeat(999)), " ");
    }
}
