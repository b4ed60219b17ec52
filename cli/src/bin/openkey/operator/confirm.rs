//! A question on the terminal.

use std::io::{self, BufRead, IsTerminal};

use openkey_verifier::command::output;

use crate::stop::Stop;

/// Waits for a `yes`.
///
/// # Errors
///
/// `not_confirmed`: another answer, or nobody to ask.
pub(super) fn confirm(question: &str) -> Result<(), Stop> {
    if !io::stdin().is_terminal() {
        return Err(Stop::failed(
            "not_confirmed",
            "stdin is no terminal: look at what is shown above, then give --yes",
        ));
    }
    output::note(question);
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Stop::failed("cannot_open", format!("stdin: {error}")))?;
    if line.trim() == "yes" {
        Ok(())
    } else {
        Err(Stop::failed("not_confirmed", "nothing was signed"))
    }
}
