//! What goes to standard output: all of it, or an error. `println!` would panic.

use std::io::{self, Write as _};

use anyhow::Context as _;

/// One line, or several with line ends between them.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let said = writeln!(out, "{text}").and_then(|()| out.flush());
    said.context("cannot write to standard output")
}
